"""What CloudWatch Logs keeps: groups, streams, and the events in chunks.

A chunk is what one request brought to a stream, cut so that its events lie within a second: a stream is read in the
order of time with few chunks open. Chunks lie under short ids, so that a group's name may be long.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import groupby

import msgspec

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.logs.names import GroupName
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

CHUNK_SPAN = 1_000
"""Milliseconds."""
CHUNK_BYTES = 16 * 1024
_STEP = 1_000
"""Milliseconds."""
EVENT_OVERHEAD = 26
"""Bytes that each event counts beside its text, as AWS counts (https://aws.amazon.com/cloudwatch/pricing/)."""


class LogGroup(msgspec.Struct):
    id: bytes
    created: int
    retention: int | None = None
    tags: dict[str, str] = {}
    deletion_protection: bool = False


class LogStream(msgspec.Struct):
    id: bytes
    created: int
    first: int | None = None
    last: int | None = None
    ingested: int | None = None
    sequence: int = 0
    """The number of the last chunk."""
    widest: int = 0
    """Milliseconds that the widest chunk's events lie apart: readers need look no further for what overlaps."""
    ended: int | None = None
    """Where it stands in ENDS."""
    began: int | None = None
    """Where it stands in BEGINS, None while it has no events."""


class Chunk(msgspec.Struct, array_like=True):
    ingested: int
    events: list[tuple[int, str]]
    size: int


class _Sized(msgspec.Struct, array_like=True):
    """A chunk, its events left as they are."""

    ingested: int
    events: msgspec.Raw
    size: int


GROUPS = Records(LogGroup, "logs", "group")
"""(account, region, name)"""
STREAMS = Records(LogStream, "logs", "stream")
"""(group's id, stream's name)"""
ENDS = Records(bool, "logs", "end")
"""(group's id, when the stream's last event was, stream's name): what to look through for streams of late. Times are in
whole seconds, so that a busy stream moves seldom; a stream without events stands at 0."""
BEGINS = Records(bool, "logs", "begin")
"""(group's id, when the stream's first event was, stream's name), in whole seconds too: what to go through for events
from the first one on."""
CHUNKS = Records(Chunk, "logs", "chunk")
"""(group's id, stream's id, first event's milliseconds, sequence)"""
_SIZED = Records(_Sized, "logs", "chunk")
SIZES = Records(int, "logs", "size")
"""(group's id): stored bytes."""


def new_id() -> bytes:
    return secrets.token_bytes(8)


def get_group(reader: Reader, name: GroupName) -> LogGroup:
    group = GROUPS.get(reader, *name)
    if group is None:
        raise AWSError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def get_stream(reader: Reader, group: LogGroup, name: str) -> LogStream:
    stream = STREAMS.get(reader, group.id, name)
    if stream is None:
        raise AWSError("ResourceNotFoundException", "The specified log stream does not exist.")
    return stream


def streams_of(
    reader: Reader, group: LogGroup, prefix: str = "", *, after: str | None = None
) -> Iterator[tuple[str, LogStream]]:
    """Those whose names begin with `prefix`, by name; only those behind the name `after`."""
    place = prefix if after is None else max(prefix, after)
    exact = STREAMS.get(reader, group.id, prefix) if prefix and after is None else None
    if exact is not None:
        yield prefix, exact
    for key, stream in STREAMS.scan(reader, group.id, after=(group.id, place) if place else None):
        name = str(key[1])
        if not name.startswith(prefix):
            return
        yield name, stream


def end_of(last: int | None) -> int:
    return (last or 0) // _STEP


def put_stream(tx: Transaction, group: LogGroup, name: str, stream: LogStream) -> None:
    end = end_of(stream.last)
    if stream.ended != end:
        if stream.ended is not None:
            ENDS.delete(tx, group.id, stream.ended, name)
        ENDS.put(tx, group.id, end, name, value=True)
        stream.ended = end
    begin = None if stream.first is None else stream.first // _STEP
    if stream.began != begin:
        if stream.began is not None:
            BEGINS.delete(tx, group.id, stream.began, name)
        if begin is not None:
            BEGINS.put(tx, group.id, begin, name, value=True)
        stream.began = begin
    STREAMS.put(tx, group.id, name, value=stream)


def delete_stream(tx: Transaction, group: LogGroup, name: str, stream: LogStream) -> None:
    """The record; chunks are the caller's."""
    if stream.ended is not None:
        ENDS.delete(tx, group.id, stream.ended, name)
    if stream.began is not None:
        BEGINS.delete(tx, group.id, stream.began, name)
    STREAMS.delete(tx, group.id, name)


def streams_since(reader: Reader, group: LogGroup, moment: int) -> Iterator[tuple[str, LogStream]]:
    """Those whose last event is not before `moment`, and a few more."""
    for key, _ in ENDS.scan(reader, group.id, after=(group.id, end_of(moment))):
        stream = STREAMS.get(reader, group.id, key[2])
        if stream is not None:
            yield str(key[2]), stream


def streams_by_begin(reader: Reader, group: LogGroup) -> Iterator[tuple[int, str, LogStream]]:
    """Those that have events, with a time that none of them is before: of each, and of all that follow it."""
    for key, _ in BEGINS.scan(reader, group.id):
        stream = STREAMS.get(reader, group.id, key[2])
        if stream is not None:
            yield int(str(key[1])) * _STEP, str(key[2]), stream


def streams_by_time(
    reader: Reader, group: LogGroup, *, descending: bool, near: int | None = None
) -> Iterator[tuple[tuple[int, str], LogStream]]:
    """By the time of the last event and by name; from somewhat before the moment `near` on, in that direction."""
    edge = None if near is None else (group.id, end_of(near) + (1 if descending else 0))
    found = ENDS.scan(reader, group.id, after=edge, reverse=descending)
    for _, together in groupby(found, key=lambda row: row[0][1]):
        streams = ((str(key[2]), STREAMS.get(reader, group.id, key[2])) for key, _ in together)
        rows = [((stream.last or 0, name), stream) for name, stream in streams if stream is not None]
        yield from sorted(rows, key=lambda row: row[0], reverse=descending)


def stored_bytes(reader: Reader, group: LogGroup, stream: LogStream) -> int:
    """Of all the stream's chunks; their events are not looked at."""
    return sum(chunk.size for _, chunk in _SIZED.scan(reader, group.id, stream.id))


def append(tx: Transaction, group: LogGroup, stream: LogStream, chunk: Chunk) -> None:
    """Puts a chunk at the stream's end; the caller writes the stream's record."""
    first, last = chunk.events[0][0], chunk.events[-1][0]
    stream.sequence += 1
    stream.widest = max(stream.widest, last - first)
    CHUNKS.put(tx, group.id, stream.id, first, stream.sequence, value=chunk)


def size_of(text: str) -> int:
    """Bytes that an event counts."""
    return (len(text) if text.isascii() else len(text.encode())) + EVENT_OVERHEAD


def resize(tx: Transaction, group: LogGroup, more: int) -> None:
    SIZES.put(tx, group.id, value=max(0, (SIZES.get(tx, group.id) or 0) + more))


def milliseconds(context: Context) -> int:
    return int(context.cloud.clock.time() * 1000)
