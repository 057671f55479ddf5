"""Tags of buckets and objects: their limits, and the forms that they come in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from pileus.aws.errors import AWSError
from pileus.services.system_tags import reserved, system

_KEY_LENGTH = 128
_VALUE_LENGTH = 256
_OBJECT_TAGS = 10
_BUCKET_TAGS = 50
_CHARACTERS = re.compile(r"[\w\s_.:/=+\-@]*")


_RESERVED = {
    "Object": "Your TagKey cannot be prefixed with aws:",
    "Bucket": 'User-defined tag keys can\'t start with "aws:". This prefix is reserved for system tags. Remove "aws:" '
    "from your tag keys and try again.",
}


def of_header(text: str) -> dict[str, str]:
    """The object's tags in an `x-amz-tagging` header, a query string."""
    pairs = parse_qsl(text, keep_blank_values=True)
    if len(dict(pairs)) < len(pairs) or any(pair.count("=") > 1 for pair in text.split("&")):
        raise AWSError(
            "InvalidArgument",
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag "
            "name duplicates.",
            status=400,
            ArgumentName="x-amz-tagging",
            ArgumentValue=text,
        )
    return _checked(pairs, _OBJECT_TAGS, "Object")


def of_object(tag_set: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return _checked(((tag["Key"], tag["Value"]) for tag in tag_set), _OBJECT_TAGS, "Object")


def of_bucket(tag_set: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return _checked(((tag["Key"], tag["Value"]) for tag in tag_set), _BUCKET_TAGS, "Bucket")


def system_tags_of(tag_set: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    return system({tag["Key"]: tag["Value"] for tag in tag_set or ()})


def _checked(pairs: Iterable[tuple[str, str]], most: int, what: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    for key, value in pairs:
        if key in tags:
            raise AWSError("InvalidTag", "Cannot provide multiple Tags with the same key", status=400, TagKey=key)
        if not 0 < len(key) <= _KEY_LENGTH or not _CHARACTERS.fullmatch(key):
            raise AWSError("InvalidTag", "The TagKey you have provided is invalid", status=400, TagKey=key)
        if len(value) > _VALUE_LENGTH or not _CHARACTERS.fullmatch(value):
            raise AWSError(
                "InvalidTag", "The TagValue you have provided is invalid", status=400, TagKey=key, TagValue=value
            )
        if reserved(key):
            raise AWSError("InvalidTag", _RESERVED[what], status=400, TagKey=key)
        tags[key] = value
    if len(tags) > most:
        raise AWSError("BadRequest", f"{what} tags cannot be greater than {most}", status=400)
    return tags


def shape(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]
