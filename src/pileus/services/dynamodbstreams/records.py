"""GetShardIterator, GetRecords.

A shard iterator says where to go on and when it was given. It grants nothing: GetRecords is authorised on the stream
that it names like any other request.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

import orjson

from pileus.aws.errors import AWSError
from pileus.metering.units import DYNAMODB_STREAM_READ_REQUEST_UNITS
from pileus.services.context import Context
from pileus.services.dynamodb import stream_log
from pileus.services.dynamodb.tag_records import StreamEntry
from pileus.services.dynamodbstreams import service
from pileus.services.dynamodbstreams.streams import find, shard_id, starting_sequence, stream_access
from pileus.services.operation import Access, Shape

_LIFETIME_SECONDS = 15 * 60
_MAX_BYTES = 1 << 20
_MAX_RECORDS = 1000


def _iterator(arn: str, position: int, now: float) -> str:
    return f"{arn}|1|{base64.urlsafe_b64encode(orjson.dumps([str(position), int(now)])).decode()}"


def _opened(iterator: str) -> tuple[str, int, int]:
    """The stream's ARN, the sequence number to go on from, and when the iterator was given."""
    try:
        arn, version, rest = iterator.split("|")
        position, given = orjson.loads(base64.b64decode(rest, b"-_", validate=True))
        if version != "1" or type(given) is not int or not arn.startswith("arn:"):
            raise ValueError
        return arn, int(position), given
    except (ValueError, TypeError, binascii.Error):
        raise AWSError("ValidationException", "Invalid ShardIterator") from None


@service.operation(
    "GetShardIterator",
    access=lambda context, request: stream_access(context, "GetShardIterator", request["StreamArn"]),
    actions=("dynamodb:GetShardIterator",),
)
async def get_shard_iterator(context: Context, request: Shape) -> Shape:
    entry = find(context, request["StreamArn"])
    if request["ShardId"] != shard_id(entry):
        raise AWSError(
            "ResourceNotFoundException",
            f"Requested resource not found: Shard does not exist in stream: {request['ShardId']}",
        )
    position = _position(context, entry, request["ShardIteratorType"], request.get("SequenceNumber"))
    return {"ShardIterator": _iterator(request["StreamArn"], position, context.cloud.clock.time())}


def _position(context: Context, entry: StreamEntry, kind: str, sequence: str | None) -> int:
    if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        if sequence is None:
            raise AWSError("ValidationException", f"SequenceNumber must be specified for ShardIteratorType {kind}")
        if not sequence.isdigit() or not sequence.isascii():
            raise AWSError("ValidationException", f"Invalid SequenceNumber: {sequence}")
        number = int(sequence)
        horizon = stream_log.sequence_at(context.cloud.clock.time() - stream_log.RETENTION_SECONDS)
        if number < max(starting_sequence(entry), horizon):
            raise AWSError(
                "TrimmedDataAccessException",
                f"The operation attempted to read past the oldest stream record in a shard: {sequence}",
            )
        return number if kind == "AT_SEQUENCE_NUMBER" else number + 1
    if sequence is not None:
        raise AWSError("ValidationException", f"SequenceNumber cannot be specified for ShardIteratorType {kind}")
    first = starting_sequence(entry)
    if kind == "TRIM_HORIZON":
        return first
    last = stream_log.last_sequence(context.store, entry.stream.number)
    return first if last is None else last + 1


def _get_access(context: Context, request: Shape) -> Access:
    return stream_access(context, "GetRecords", _opened(request["ShardIterator"])[0])


@service.operation("GetRecords", access=_get_access, actions=("dynamodb:GetRecords",))
async def get_records(context: Context, request: Shape) -> Shape:
    arn, position, given = _opened(request["ShardIterator"])
    limit = request.get("Limit") or _MAX_RECORDS
    if limit > _MAX_RECORDS:
        raise AWSError(
            "ValidationException",
            f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: "
            f"Member must have value less than or equal to {_MAX_RECORDS}",
        )
    now = context.cloud.clock.time()
    entry = find(context, arn)
    if given + _LIFETIME_SECONDS < now:
        raise AWSError(
            "ExpiredIteratorException",
            f"Iterator expired. The iterator was created at time {given} while right now it is {int(now)}.",
        )
    if context.headers:
        # Lambda's own polling, which comes in process, costs nothing, as on AWS.
        context.meter(DYNAMODB_STREAM_READ_REQUEST_UNITS, 1, entry.account)
    number = entry.stream.number
    horizon = stream_log.sequence_at(now - stream_log.RETENTION_SECONDS)
    start = stream_log.record_key(number, max(position, horizon))
    records: list[Shape] = []
    size = 0
    full = False
    for key, stored in context.store.range(start, stream_log.bounds(number)[1]):
        if records and (size + len(stored) > _MAX_BYTES or len(records) >= limit):
            full = True
            break
        records.append(_record(stored))
        size += len(stored)
        position = stream_log.sequence_of(key) + 1
    response: Shape = {"Records": records}
    if entry.stream.enabled or full:
        response["NextShardIterator"] = _iterator(arn, position, now)
    return response


def _record(stored: bytes) -> dict[str, Any]:
    record: dict[str, Any] = orjson.loads(stored)
    change = record["dynamodb"]
    change["ApproximateCreationDateTime"] = datetime.fromtimestamp(change["ApproximateCreationDateTime"], UTC)
    return record
