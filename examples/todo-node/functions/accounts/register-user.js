/** Takes a name and a password, and keeps the password's hash. A name can be taken once. */
import { ConditionalCheckFailedException, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, PutCommand } from "@aws-sdk/lib-dynamodb";
import { Refused, hash, parsePassword, parseUsername } from "./credentials.js";

const database = DynamoDBDocumentClient.from(new DynamoDBClient());

export async function handler(event) {
  try {
    const username = parseUsername(event);
    const password = parsePassword(event);
    await keep(username, await hash(password));
    return { username };
  } catch (error) {
    if (error instanceof Refused) return error.answer();
    throw error;
  }
}

async function keep(username, passwordHash) {
  const Item = { username, passwordHash, createdAt: new Date().toISOString() };
  try {
    // The condition is checked with the write: of two people who ask for a name at once, one gets it.
    await database.send(
      new PutCommand({
        TableName: process.env.USERS_TABLE,
        Item,
        ConditionExpression: "attribute_not_exists(username)",
      }),
    );
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) throw new Refused("NameTaken", "This name is taken.");
    throw error;
  }
}
