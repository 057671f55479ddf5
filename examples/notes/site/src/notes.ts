/** A person's notes and pictures. The browser asks DynamoDB and S3 itself, and names the person's own identity as the
 * partition and the prefix: with any other, the policy of their role denies the call. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { DeleteCommand, DynamoDBDocumentClient, PutCommand, paginateQuery } from "@aws-sdk/lib-dynamodb";
import type { Account } from "../../../todo/site/src/account";
import { type Credentials, locationOf } from "../../../todo/site/src/cloud";
import type { Config } from "../../../todo/site/src/config";

export interface NotesConfig extends Config {
  NotesTable: string;
  PicturesBucket: string;
}

export interface Note {
  id: string;
  text: string;
  hasPicture: boolean;
}

export interface Clients {
  database: DynamoDBDocumentClient;
  storage: S3Client;
}

export function connect(config: Config, credentials: Credentials): Clients {
  const options = { ...locationOf(config), credentials };
  return {
    database: DynamoDBDocumentClient.from(new DynamoDBClient(options)),
    // A bucket is a path of the endpoint, where there is one, and a host of its own on AWS.
    storage: new S3Client({ ...options, forcePathStyle: config.endpoint !== null }),
  };
}

export class Notes {
  constructor(
    private readonly config: NotesConfig,
    private readonly account: Account<Clients>,
  ) {}

  /** Newest first. */
  load(): Promise<Note[]> {
    return this.account.call(async ({ database, storage }) => {
      const [notes, pictures] = await Promise.all([this.query(database), this.listPictures(storage)]);
      return notes.map(({ id, text }) => ({ id, text, hasPicture: pictures.has(this.pictureKey(id)) }));
    });
  }

  save({ id, text }: Note, picture?: Blob): Promise<void> {
    return this.account.call(async ({ database, storage }) => {
      // The picture first: a note that says it has one does.
      if (picture) {
        const Body = new Uint8Array(await picture.arrayBuffer());
        await storage.send(new PutObjectCommand({ ...this.picture(id), Body, ContentType: picture.type }));
      }
      await database.send(new PutCommand({ TableName: this.config.NotesTable, Item: { ...this.key(id), text } }));
    });
  }

  delete(id: string): Promise<void> {
    return this.account.call(async ({ database, storage }) => {
      await database.send(new DeleteCommand({ TableName: this.config.NotesTable, Key: this.key(id) }));
      await storage.send(new DeleteObjectCommand(this.picture(id)));
    });
  }

  loadPicture(id: string): Promise<Blob> {
    return this.account.call(async ({ storage }) => {
      const { Body, ContentType } = await storage.send(new GetObjectCommand(this.picture(id)));
      const bytes = await Body!.transformToByteArray();
      return new Blob([new Uint8Array(bytes)], { type: ContentType });
    });
  }

  private async query(client: DynamoDBDocumentClient): Promise<{ id: string; text: string }[]> {
    const found = [];
    const pages = paginateQuery(
      { client },
      {
        TableName: this.config.NotesTable,
        KeyConditionExpression: "#owner = :owner",
        ExpressionAttributeNames: { "#owner": "owner" },
        ExpressionAttributeValues: { ":owner": this.account.identityId },
        ConsistentRead: true,
        ScanIndexForward: false,
      },
    );
    for await (const page of pages) found.push(...(page.Items as { id: string; text: string }[]));
    return found;
  }

  private async listPictures(client: S3Client): Promise<Set<string>> {
    const keys = new Set<string>();
    const Prefix = `${this.account.identityId}/`;
    for await (const page of paginateListObjectsV2({ client }, { Bucket: this.config.PicturesBucket, Prefix }))
      for (const object of page.Contents ?? []) keys.add(object.Key!);
    return keys;
  }

  private key(id: string): { owner: string; id: string } {
    return { owner: this.account.identityId!, id };
  }

  private picture(id: string): { Bucket: string; Key: string } {
    return { Bucket: this.config.PicturesBucket, Key: this.pictureKey(id) };
  }

  private pictureKey(id: string): string {
    return `${this.account.identityId}/${id}`;
  }
}
