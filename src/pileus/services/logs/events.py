"""Log events: put, read, searched, expired."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from pileus.metering import units
from pileus.services.context import Cloud, Context
from pileus.services.logs import service
from pileus.services.logs.groups import position
from pileus.services.logs.names import group_name, invalid, on_stream
from pileus.services.logs.reading import FIRST, LAST, Found, Position, backwards, forwards
from pileus.services.logs.records import (
    CHUNK_BYTES,
    CHUNK_SPAN,
    CHUNKS,
    GROUPS,
    STREAMS,
    Chunk,
    LogGroup,
    LogStream,
    append,
    delete_stream,
    get_group,
    get_stream,
    milliseconds,
    put_stream,
    resize,
    size_of,
)
from pileus.services.logs.streams import sequence_token
from pileus.services.operation import Shape
from pileus.store import paging
from pileus.store.interface import Transaction

_HOUR = 3_600_000
_DAY = 24 * _HOUR
_OLDEST = 14 * _DAY
_NEWEST = 2 * _HOUR
_BATCH_BYTES = 1_048_576
_BATCH_EVENTS = 10_000
ANSWER_BYTES = 1_000_000


@service.operation("PutLogEvents", access=on_stream("PutLogEvents"))
async def put_log_events(context: Context, request: Shape) -> Shape:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""
    name = group_name(context, request)
    events = [(event["timestamp"], event["message"]) for event in request["logEvents"]]
    _check_batch(events)
    now = milliseconds(context)

    def change(tx: Transaction) -> tuple[LogStream, dict[str, int], int]:
        group = get_group(tx, name)
        stream = get_stream(tx, group, request["logStreamName"])
        kept, rejected = _accepted(events, group, now)
        size = 0
        for chunk in _chunked(kept, now):
            append(tx, group, stream, chunk)
            size += chunk.size
        if kept:
            stream.first = kept[0][0] if stream.first is None else min(stream.first, kept[0][0])
            stream.last = kept[-1][0] if stream.last is None else max(stream.last, kept[-1][0])
            stream.ingested = now
            put_stream(tx, group, request["logStreamName"], stream)
            resize(tx, group, size)
        return stream, rejected, size

    stream, rejected, size = await context.store.transact(change)
    context.meter(units.LOGS_INGESTED_BYTES, size, account=name.account)
    answer: Shape = {"nextSequenceToken": sequence_token(stream)}
    return {**answer, "rejectedLogEventsInfo": rejected} if rejected else answer


def _check_batch(events: list[tuple[int, str]]) -> None:
    if len(events) > _BATCH_EVENTS or sum(size_of(text) for _, text in events) > _BATCH_BYTES:
        raise invalid(f"Upload too large: more than {_BATCH_EVENTS} events or {_BATCH_BYTES} bytes")
    times = [time for time, _ in events]
    if times != sorted(times):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if times and times[-1] - times[0] > _DAY:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")


def _accepted(events: list[tuple[int, str]], group: LogGroup, now: int) -> tuple[list[tuple[int, str]], dict[str, int]]:
    """The events that are neither too old nor too new, and where the others lie."""
    expired = now - group.retention * _DAY if group.retention else 0
    rejected: dict[str, int] = {}
    too_old = sum(time < now - _OLDEST for time, _ in events)
    gone = sum(time < expired for time, _ in events)
    too_new = sum(time > now + _NEWEST for time, _ in events)
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if gone:
        rejected["expiredLogEventEndIndex"] = gone
    if too_new:
        rejected["tooNewLogEventStartIndex"] = len(events) - too_new
    return events[max(too_old, gone) : len(events) - too_new], rejected


def _chunked(events: list[tuple[int, str]], now: int) -> Iterator[Chunk]:
    gathered: list[tuple[int, str]] = []
    size = 0
    for time, text in events:
        if gathered and (time - gathered[0][0] > CHUNK_SPAN or size > CHUNK_BYTES):
            yield Chunk(now, gathered, size)
            gathered, size = [], 0
        gathered.append((time, text))
        size += size_of(text)
    if gathered:
        yield Chunk(now, gathered, size)


@service.operation("GetLogEvents", access=on_stream("GetLogEvents"))
async def get_log_events(context: Context, request: Shape) -> Shape:
    name = group_name(context, request)
    token: str = request.get("nextToken") or ""
    direction, _, rest = token.partition("/")
    edge = _position(rest)
    if token and (direction not in ("f", "b") or edge is None):
        raise invalid("The specified nextToken is invalid.")
    after, before = span(request)
    forward = direction == "f" if token else bool(request.get("startFromHead"))
    if edge is not None:
        after, before = (max(after, edge), before) if forward else (after, min(before, edge))
    with context.store.snapshot() as reader:
        group = get_group(reader, name)
        stream = get_stream(reader, group, request["logStreamName"])
        read = forwards if forward else backwards
        found = list(_within(read(reader, group, stream, after, before), request.get("limit") or 10_000))
    if not forward:
        found.reverse()
    first, last = (found[0].position, found[-1].position) if found else (edge or before, edge or after)
    return {
        "events": [
            {"timestamp": event.position[0], "message": event.message, "ingestionTime": event.ingested}
            for event in found
        ],
        "nextForwardToken": f"f/{paging.encode(last)}",
        "nextBackwardToken": f"b/{paging.encode(first)}",
    }


def _position(token: str) -> Position | None:
    decoded = position(token)
    if decoded is None:
        return None
    if len(decoded) != 3 or not all(isinstance(part, int) for part in decoded):
        raise invalid("The specified nextToken is invalid.")
    return decoded  # type: ignore[return-value]


def span(request: Shape) -> tuple[Position, Position]:
    """The positions that startTime (inclusive) and endTime (exclusive for GetLogEvents) lie between."""
    start, end = request.get("startTime"), request.get("endTime")
    return (start, -1, 0) if start else FIRST, (min(end, LAST[0]), -1, 0) if end is not None else LAST


def _within(found: Iterator[Found], limit: int) -> Iterator[Found]:
    """As many as an answer holds, one at least."""
    size = 0
    for event in islice(found, limit):
        length = size_of(event.message)
        size += length
        if size > ANSWER_BYTES and size > length:
            return
        yield event


@service.every(3600, "retention")
async def expire(cloud: Cloud) -> None:
    """Removes what its group keeps no longer; streams that are empty then go too."""
    now = int(cloud.clock.time() * 1000)
    for key, group in list(GROUPS.scan(cloud.store)):
        if group.retention is None:
            continue
        before = now - group.retention * _DAY
        for (_, stream_name), stream in list(STREAMS.scan(cloud.store, group.id)):
            if stream.first is not None and stream.first < before:
                await cloud.store.transact(
                    lambda tx, key=key, name=str(stream_name), before=before: _expire_stream(tx, key, name, before)  # type: ignore[misc]
                )


def _expire_stream(tx: Transaction, key: Any, name: str, before: int) -> None:
    group = GROUPS.get(tx, *key)
    stream = STREAMS.get(tx, group.id, name) if group else None
    if group is None or stream is None:
        return
    size = 0
    for chunk_key, chunk in list(CHUNKS.scan(tx, group.id, stream.id)):
        if chunk.events[-1][0] >= before:
            stream.first = chunk.events[0][0]
            put_stream(tx, group, name, stream)
            break
        CHUNKS.delete(tx, *chunk_key)
        size += chunk.size
    else:
        delete_stream(tx, group, name, stream)
    resize(tx, group, -size)
