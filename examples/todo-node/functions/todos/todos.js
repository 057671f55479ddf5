/** The caller's todos. Whose they are is known by `context.identity` alone: Lambda fills it in from the credentials that
 * the call was signed with, so nothing in the payload can change it. */
import { ConditionalCheckFailedException, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DeleteCommand, DynamoDBDocumentClient, PutCommand, QueryCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";

const database = DynamoDBDocumentClient.from(new DynamoDBClient());
const TableName = process.env.TODOS_TABLE;
const PAGE = 200;
const PARSERS = { title: parseTitle, done: parseDone };

/** The caller's todos, oldest first, a page at a time: `next` is where the following one starts. */
export const listTodos = answering(async (owner, event) => {
  const page = await database.send(
    new QueryCommand({
      TableName,
      KeyConditionExpression: "#owner = :owner",
      ExpressionAttributeNames: { "#owner": "owner" },
      ExpressionAttributeValues: { ":owner": owner },
      ConsistentRead: true,
      Limit: PAGE,
      ExclusiveStartKey: event.after === undefined ? undefined : { owner, id: parseId({ id: event.after }) },
    }),
  );
  return { todos: page.Items.map(shown), next: page.LastEvaluatedKey?.id ?? null };
});

/** Adds a todo to the caller's. The page chooses its id, so that a call that is tried again adds one todo, not two; the
 * id can only ever name one of the caller's own. */
export const addTodo = answering(async (owner, event) => {
  const todo = {
    owner,
    id: parseId(event),
    title: parseTitle(event),
    done: false,
    createdAt: new Date().toISOString(),
  };
  try {
    await database.send(new PutCommand({ TableName, Item: todo, ConditionExpression: "attribute_not_exists(id)" }));
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
  }
  return { todo: shown(todo) };
});

/** Changes the title of one of the caller's todos, or whether it is done, or both. */
export const updateTodo = answering(async (owner, event) => {
  const id = parseId(event);
  const names = Object.keys(PARSERS).filter((name) => name in event);
  if (names.length === 0) throw new Refused("NothingToChange", "Say what to change: title, done, or both.");
  try {
    const { Attributes } = await database.send(
      new UpdateCommand({
        TableName,
        Key: { owner, id },
        UpdateExpression: `SET ${names.map((name) => `#${name} = :${name}`).join(", ")}`,
        ConditionExpression: "attribute_exists(id)",
        ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
        ExpressionAttributeValues: Object.fromEntries(names.map((name) => [`:${name}`, PARSERS[name](event)])),
        ReturnValues: "ALL_NEW",
      }),
    );
    return { todo: shown(Attributes) };
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException)
      throw new Refused("NotFound", "This todo is not there any more.");
    throw error;
  }
});

/** Deletes one of the caller's todos. One that is not there is as good as deleted. */
export const deleteTodo = answering(async (owner, event) => {
  const id = parseId(event);
  await database.send(new DeleteCommand({ TableName, Key: { owner, id } }));
  return { id };
});

/** What the caller is told instead of an answer. */
class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Makes a handler of a function from (owner, event) to an answer. */
function answering(operation) {
  return async (event, context) => {
    try {
      return await operation(parseOwner(context), event ?? {});
    } catch (error) {
      if (error instanceof Refused) return { error: { code: error.code, message: error.message } };
      throw error;
    }
  };
}

function parseOwner(context) {
  const owner = context.identity?.cognitoIdentityId;
  if (!owner) throw new Refused("NotLoggedIn", "Caller did not authenticate with Cognito associated credentials.");
  return owner;
}

function parseId({ id }) {
  if (typeof id !== "string" || !/^[0-9a-z-]{1,40}$/.test(id))
    throw new Refused("InvalidId", "A todo's id has 1 to 40 small letters, digits or hyphens.");
  return id;
}

function parseTitle({ title }) {
  const words = typeof title === "string" ? title.split(/\s+/).filter(Boolean).join(" ") : "";
  if (words.length < 1 || words.length > 500) throw new Refused("InvalidTitle", "A todo has 1 to 500 characters.");
  return words;
}

function parseDone({ done }) {
  if (typeof done !== "boolean") throw new Refused("InvalidDone", "A todo is done, or it is not: true or false.");
  return done;
}

/** A todo as the page sees it: its owner is nobody's business, not even the owner's. */
function shown({ id, title, done, createdAt }) {
  return { id, title, done, createdAt };
}
