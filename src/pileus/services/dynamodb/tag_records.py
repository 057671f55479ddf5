"""Tags of tables, and the register of streams, which outlive their tables by a day."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from pileus.services.dynamodb.errors import invalid_parameters, validation
from pileus.services.dynamodb.schema import StreamRecord, TableRecord
from pileus.services.operation import Shape
from pileus.services.system_tags import own, reserved
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

_MAX_TAGS = 50
_ALLOWED = re.compile(r"[\w\s.:/=+\-@]*").fullmatch
_tags = Records(dict[str, str], "dynamodb", "tags")


class StreamEntry(msgspec.Struct, omit_defaults=True):
    """A stream as DynamoDB Streams shows it."""

    account: str
    region: str
    table: str
    stream: StreamRecord
    keys: tuple[tuple[str, str], ...]


streams = Records(StreamEntry, "dynamodb", "stream")


def checked(tags: Iterable[Shape]) -> tuple[tuple[str, str], ...]:
    pairs = tuple((tag["Key"], tag["Value"]) for tag in tags)
    for key, value in pairs:
        if not (_ALLOWED(key) and _ALLOWED(value)):
            raise validation(
                "One or more parameter values are not valid. Tag keys and values can only contain letters, "
                "whitespace, numbers and the characters + - = . _ : / @"
            )
        if not key:
            raise validation("One or more parameter values are not valid. The tag key cannot be empty")
        refuse_reserved(key)
    if len({key for key, _ in pairs}) != len(pairs):
        raise validation("One or more parameter values are not valid. Duplicate Tag Keys found in the tag list")
    return pairs


def refuse_reserved(key: str) -> None:
    if reserved(key):
        raise validation("One or more parameter values are not valid. The 'aws:' prefix is reserved for tags")


def get(reader: Reader, number: int) -> dict[str, str]:
    return _tags.get(reader, number) or {}


def put(tx: Transaction, number: int, tags: Iterable[tuple[str, str]]) -> None:
    kept = {**get(tx, number), **dict(tags)}
    if len(own(kept)) > _MAX_TAGS:
        raise invalid_parameters(f"The number of tags exceeds the limit of {_MAX_TAGS}")
    if kept:
        _tags.put(tx, number, value=kept)


def remove(tx: Transaction, number: int, keys: Iterable[str]) -> None:
    unwanted = set(keys)
    kept = {key: value for key, value in get(tx, number).items() if key not in unwanted}
    if kept:
        _tags.put(tx, number, value=kept)
    else:
        _tags.delete(tx, number)


def forget(tx: Transaction, number: int) -> None:
    _tags.delete(tx, number)


def register_stream(tx: Transaction, table: TableRecord, stream: StreamRecord) -> None:
    keys = [(table.partition, "HASH")]
    if table.sort:
        keys.append((table.sort, "RANGE"))
    entry = StreamEntry(table.account, table.region, table.name, stream, tuple(keys))
    streams.put(tx, table.account, table.region, table.name, stream.label, value=entry)
