"""The records of streams: written with the change that they tell of, read by DynamoDB Streams.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
A stream has one shard: its records are in the order of all the table's changes, of which an item's are a part.
"""

from __future__ import annotations

import hashlib
from typing import Any, cast

import orjson

from pileus.services.dynamodb.schema import StreamRecord, Table
from pileus.services.dynamodb.values import Item, item_size
from pileus.store.interface import Reader, Transaction
from pileus.store.keys import pack, unpack

_FIRST = 10**20
"""Sequence numbers are at least 21 digits long: this and microseconds since the epoch, or one more than the last."""
RETENTION_SECONDS = 24 * 3600


def head(number: int) -> bytes:
    return pack("dds", number)


def record_key(number: int, sequence: int) -> bytes:
    return pack("dds", number, sequence - _FIRST)


def sequence_of(key: bytes) -> int:
    return _FIRST + cast(int, unpack(key)[2])


def bounds(number: int) -> tuple[bytes, bytes]:
    start = head(number)
    return start, start + b"\xff"


def sequence_at(seconds: float) -> int:
    return _FIRST + int(seconds * 1_000_000)


def last_sequence(reader: Reader, number: int) -> int | None:
    for key, _ in reader.range(*bounds(number), reverse=True, limit=1):
        return sequence_of(key)
    return None


def append(
    tx: Transaction,
    table: Table,
    stream: StreamRecord,
    before: Item | None,
    after: Item | None,
    now: float,
    identity: dict[str, str] | None,
) -> None:
    sequence = sequence_at(now)
    last = last_sequence(tx, stream.number)
    if last is not None and last >= sequence:
        sequence = last + 1
    keys = table.keys.of(after if after is not None else before or {})
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": int(now),
        "Keys": keys,
        "SequenceNumber": str(sequence),
    }
    size = item_size(keys)
    if after is not None and stream.view in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
        change["NewImage"] = after
        size += item_size(after)
    if before is not None and stream.view in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"):
        change["OldImage"] = before
        size += item_size(before)
    change["SizeBytes"] = size
    change["StreamViewType"] = stream.view
    record: dict[str, Any] = {
        "eventID": hashlib.md5(f"{stream.number}/{sequence}".encode(), usedforsecurity=False).hexdigest(),
        "eventName": "INSERT" if before is None else "REMOVE" if after is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": table.record.region,
        "dynamodb": change,
    }
    if identity is not None:
        record["userIdentity"] = identity
    tx.put(record_key(stream.number, sequence), orjson.dumps(record))
