"""The caller's todos. Whose they are is known by `context.identity` alone: Lambda fills it in from the credentials that
the call was signed with, so nothing in the payload can change it."""

import os
import re

import boto3
from botocore.exceptions import ClientError

table = boto3.resource("dynamodb").Table(os.environ["TODOS_TABLE"])

_ID = re.compile(r"[0-9a-z-]{1,40}")
_TITLE_LENGTH = range(1, 501)


class RefusedError(Exception):
    """What the caller is told instead of an answer."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def answering(function):
    """Makes a handler of a function from (owner, event) to an answer."""

    def handler(event, context):
        try:
            return function(parse_owner(context), event if isinstance(event, dict) else {})
        except RefusedError as refused:
            return {"error": {"code": refused.code, "message": str(refused)}}

    return handler


def parse_owner(context):
    owner = context.identity.cognito_identity_id if context.identity else None
    if not owner:
        raise RefusedError("NotLoggedIn", "Caller did not authenticate with Cognito associated credentials.")
    return owner


def parse_id(event):
    identifier = event.get("id")
    if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
        raise RefusedError("InvalidId", "A todo's id has 1 to 40 small letters, digits or hyphens.")
    return identifier


def parse_title(event):
    title = event.get("title")
    title = " ".join(title.split()) if isinstance(title, str) else ""
    if len(title) not in _TITLE_LENGTH:
        raise RefusedError("InvalidTitle", "A todo has 1 to 500 characters.")
    return title


def parse_done(event):
    if not isinstance(event.get("done"), bool):
        raise RefusedError("InvalidDone", "A todo is done, or it is not: true or false.")
    return event["done"]


def condition_failed(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"


def shown(item):
    """A todo as the page sees it: its owner is nobody's business, not even the owner's."""
    return {name: item[name] for name in ("id", "title", "done", "createdAt")}
