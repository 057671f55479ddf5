// Callbacks and version 2 of the SDK, as one wrote it in 2015.
var aws = require('aws-sdk');

exports.handler = function (event, context) {
  if (event.password !== 'sesame') return context.fail('Invalid username or password');

  var logins = {};
  logins[process.env.PROVIDER] = event.username;
  var cognito = new aws.CognitoIdentity();
  cognito.getOpenIdTokenForDeveloperIdentity({ IdentityPoolId: process.env.POOL, Logins: logins }, function (err, data) {
    if (err) return context.fail(err);
    var params = {
      WebIdentityToken: data.Token,
      RoleArn: process.env.ROLE,
      RoleSessionName: event.username + '_authenticated',
    };
    var sts = new aws.STS();
    sts.assumeRoleWithWebIdentity(params, function (err, assumed) {
      if (err) return context.fail(err);
      context.succeed({ identity: data.IdentityId, credentials: assumed.Credentials });
    });
  });
};
