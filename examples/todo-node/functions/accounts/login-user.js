/** Trades a name and its password for temporary credentials of the user role.
 *
 * This function decides who the caller is; Cognito then vouches for them with a signed token, and STS turns the token
 * into credentials. Whatever they call afterwards, Lambda reads their identity from those credentials. */
import { CognitoIdentityClient, GetOpenIdTokenForDeveloperIdentityCommand } from "@aws-sdk/client-cognito-identity";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { AssumeRoleWithWebIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { DECOY, Refused, matches, parsePassword, parseUsername } from "./credentials.js";

const { USERS_TABLE, IDENTITY_POOL_ID, DEVELOPER_PROVIDER, USER_ROLE_ARN, SESSION_SECONDS } = process.env;
const database = DynamoDBDocumentClient.from(new DynamoDBClient());
const cognito = new CognitoIdentityClient();
const sts = new STSClient();

export async function handler(event) {
  const username = await authenticate(event);
  if (!username) return new Refused("WrongPassword", "This name and password do not belong together.").answer();
  return { username, ...(await temporaryCredentials(username)) };
}

async function authenticate(event) {
  let username, password;
  try {
    username = parseUsername(event);
    password = parsePassword(event);
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
  const { Item: user } = await database.send(
    new GetCommand({ TableName: USERS_TABLE, Key: { username }, ConsistentRead: true }),
  );
  const known = await matches(user?.passwordHash ?? DECOY, password);
  return user && known ? username : null;
}

async function temporaryCredentials(username) {
  // Cognito makes an identity at a name's first login, and finds the same one ever after.
  const { IdentityId, Token } = await cognito.send(
    new GetOpenIdTokenForDeveloperIdentityCommand({
      IdentityPoolId: IDENTITY_POOL_ID,
      Logins: { [DEVELOPER_PROVIDER]: username },
    }),
  );
  const { Credentials } = await sts.send(
    new AssumeRoleWithWebIdentityCommand({
      WebIdentityToken: Token,
      RoleArn: USER_ROLE_ARN,
      RoleSessionName: `${username}_authenticated`,
      DurationSeconds: Number(SESSION_SECONDS),
    }),
  );
  return {
    identityId: IdentityId,
    credentials: {
      accessKeyId: Credentials.AccessKeyId,
      secretAccessKey: Credentials.SecretAccessKey,
      sessionToken: Credentials.SessionToken,
      expiration: Credentials.Expiration.toISOString(),
    },
  };
}
