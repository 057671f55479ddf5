"""Takes a name and a password, and keeps the password's hash. A name can be taken once."""

import os
from datetime import UTC, datetime

import boto3
from botocore.exceptions import ClientError
from credentials import HASHER, RefusedError, parse_password, parse_username

users = boto3.resource("dynamodb").Table(os.environ["USERS_TABLE"])


def handler(event, context):
    try:
        username, password = parse_username(event), parse_password(event)
        keep(username, HASHER.hash(password))
    except RefusedError as refused:
        return refused.answer()
    return {"username": username}


def keep(username, password_hash):
    user = {
        "username": username,
        "passwordHash": password_hash,
        "createdAt": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        # The condition is checked with the write: of two people who ask for a name at once, one gets it.
        users.put_item(Item=user, ConditionExpression="attribute_not_exists(username)")
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            raise RefusedError("NameTaken", "This name is taken.") from None
        raise
