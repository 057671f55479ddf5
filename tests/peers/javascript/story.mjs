// The AWS SDK for JavaScript does what the page does, and what a server in JavaScript would do. Takes the stack's outputs
// as JSON; the cloud's endpoint and the root's credentials come from the environment, as the SDK reads them.
import assert from "node:assert/strict";
import {
  CognitoIdentityClient,
  GetCredentialsForIdentityCommand,
  GetIdCommand,
  GetOpenIdTokenForDeveloperIdentityCommand,
} from "@aws-sdk/client-cognito-identity";
import { DynamoDBClient, ScanCommand, paginateQuery } from "@aws-sdk/client-dynamodb";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { AssumeRoleWithWebIdentityCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const out = JSON.parse(process.argv[2]);
const username = process.argv[3];
const password = "correct horse battery";
const once = { maxAttempts: 1 };

async function invoke(lambda, FunctionName, payload) {
  const output = await lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(payload) }));
  assert.equal(output.FunctionError, undefined);
  return JSON.parse(output.Payload.transformToString());
}

async function denied(call, name) {
  await assert.rejects(call, (error) => {
    assert.equal(error.name, name);
    assert.ok(error.$metadata.requestId, "an error names its request");
    return true;
  });
}

// A guest registers and logs in.
const cognito = new CognitoIdentityClient(once);
const { IdentityId } = await cognito.send(new GetIdCommand({ IdentityPoolId: out.IdentityPoolId }));
const { Credentials: given } = await cognito.send(new GetCredentialsForIdentityCommand({ IdentityId }));
assert.ok(given.Expiration > new Date());
const guest = new LambdaClient({
  ...once,
  credentials: { accessKeyId: given.AccessKeyId, secretAccessKey: given.SecretKey, sessionToken: given.SessionToken },
});
assert.deepEqual(await invoke(guest, out.RegisterUser, { username, password }), { username });
assert.equal((await invoke(guest, out.RegisterUser, { username, password })).error.code, "NameTaken");
assert.equal((await invoke(guest, out.LoginUser, { username, password: "wrong" })).error.code, "WrongPassword");
await denied(() => invoke(guest, out.ListTodos, {}), "AccessDeniedException");

// A user keeps todos, and nothing else.
const { credentials: session, identityId } = await invoke(guest, out.LoginUser, { username, password });
const credentials = { ...session, expiration: new Date(session.expiration) };
const user = new LambdaClient({ ...once, credentials });
await invoke(user, out.AddTodo, { id: "1", title: "Write the letter ✉️" });
assert.equal((await invoke(user, out.UpdateTodo, { id: "1", done: true })).todo.done, true);
const { todos } = await invoke(user, out.ListTodos, {});
assert.deepEqual(
  todos.map(({ title, done }) => ({ title, done })),
  [{ title: "Write the letter ✉️", done: true }],
);
await denied(() => invoke(user, out.LoginUser, {}), "AccessDeniedException");
const asUser = { ...once, credentials };
await denied(
  () => new DynamoDBClient(asUser).send(new ScanCommand({ TableName: out.TodosTable })),
  "AccessDeniedException",
);
await denied(
  () =>
    new LambdaClient({ ...asUser, credentials: { ...credentials, secretAccessKey: "guess" } }).send(
      new InvokeCommand({ FunctionName: out.ListTodos }),
    ),
  "InvalidSignatureException",
);
const caller = await new STSClient(asUser).send(new GetCallerIdentityCommand({}));
assert.ok(caller.Arn.endsWith(`/${username}_authenticated`));

// The same person by the other way: a developer's token, and the role by STS.
const developer = await cognito.send(
  new GetOpenIdTokenForDeveloperIdentityCommand({
    IdentityPoolId: out.IdentityPoolId,
    Logins: { "login.todo": username },
  }),
);
assert.equal(developer.IdentityId, identityId);
const assumed = await new STSClient(once).send(
  new AssumeRoleWithWebIdentityCommand({
    RoleArn: out.UserRoleArn,
    RoleSessionName: "js",
    WebIdentityToken: developer.Token,
  }),
);
const again = new LambdaClient({
  ...once,
  credentials: {
    accessKeyId: assumed.Credentials.AccessKeyId,
    secretAccessKey: assumed.Credentials.SecretAccessKey,
    sessionToken: assumed.Credentials.SessionToken,
  },
});
assert.equal((await invoke(again, out.ListTodos, {})).todos.length, 1);

// The operator sees all: the todos by whose they are, and the site.
const stored = [];
const pages = paginateQuery(
  { client: new DynamoDBClient(once), pageSize: 1 },
  {
    TableName: out.TodosTable,
    KeyConditionExpression: "#owner = :owner",
    ExpressionAttributeNames: { "#owner": "owner" },
    ExpressionAttributeValues: { ":owner": { S: identityId } },
  },
);
for await (const page of pages) stored.push(...page.Items);
assert.equal(stored.length, 1);
const s3 = new S3Client({ ...once, forcePathStyle: true });
const place = { Bucket: out.SiteBucket, Key: `${username}.txt` };
const { ETag } = await s3.send(new PutObjectCommand({ ...place, Body: "hello", ContentType: "text/plain" }));
const object = await s3.send(new GetObjectCommand(place));
assert.equal(await object.Body.transformToString(), "hello");
assert.equal(object.ETag, ETag);
console.log("done");
