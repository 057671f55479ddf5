exports.handler = function (event, context) {
  if (!context.identity || !context.identity.cognitoIdentityId) {
    return context.fail('Caller did not authenticate with Cognito associated credentials');
  }
  console.log('Caller identity is ' + context.identity.cognitoIdentityId);
  context.succeed(context.identity.cognitoIdentityId);
};
