"""The guest book. Who writes is known by `context.identity` alone: the platform fills it in from the credentials that
the call was signed with, so nothing in the payload can change it."""

import os
from datetime import UTC, datetime

import boto3
from boto3.dynamodb.conditions import Key

notes = boto3.resource("dynamodb").Table(os.environ["NOTES_TABLE"])


def handler(event, context):
    text = str(event.get("text", "")).strip()
    if text:
        moment = datetime.now(UTC).isoformat()
        guest = context.identity.cognito_identity_id
        notes.put_item(Item={"book": "guests", "written": moment, "guest": guest, "text": text[:500]})
    found = notes.query(KeyConditionExpression=Key("book").eq("guests"), ScanIndexForward=False, Limit=50)
    return [{"written": note["written"], "text": note["text"]} for note in found["Items"]]
