"""A stream's events in the order of time, forwards or backwards, from chunks that may overlap by their span.

Positions are (timestamp, chunk's number, index in the chunk): unique in a stream, and what paging goes by.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from pileus.services.logs.records import CHUNKS, LogGroup, LogStream
from pileus.store.interface import Reader

Position = tuple[int, int, int]
FIRST: Position = (0, 0, 0)
LAST: Position = (1 << 62, 0, 0)


class Found(NamedTuple):
    position: Position
    message: str
    ingested: int


def forwards(reader: Reader, group: LogGroup, stream: LogStream, after: Position, before: Position) -> Iterator[Found]:
    """Events with after < position < before."""
    waiting: list[Found] = []
    for first, chunk in _chunks(reader, group, stream, after, before, reverse=False):
        while waiting and waiting[0].position[0] < first:
            yield heapq.heappop(waiting)
        for found in chunk:
            if after < found.position < before:
                heapq.heappush(waiting, found)
    while waiting:
        yield heapq.heappop(waiting)


def backwards(reader: Reader, group: LogGroup, stream: LogStream, after: Position, before: Position) -> Iterator[Found]:
    """The same, newest first."""
    waiting: list[tuple[Position, Found]] = []
    for first, chunk in _chunks(reader, group, stream, after, before, reverse=True):
        while waiting and waiting[0][1].position[0] > first + stream.widest:
            yield heapq.heappop(waiting)[1]
        for found in chunk:
            if after < found.position < before:
                timestamp, number, index = found.position
                heapq.heappush(waiting, ((-timestamp, -number, -index), found))
    while waiting:
        yield heapq.heappop(waiting)[1]


def _chunks(
    reader: Reader, group: LogGroup, stream: LogStream, after: Position, before: Position, *, reverse: bool
) -> Iterator[tuple[int, list[Found]]]:
    lowest, highest = max(0, after[0] - stream.widest), before[0]
    edge = (group.id, stream.id, highest + 1 if reverse else lowest)
    for (_, _, first, number), chunk in CHUNKS.scan(reader, group.id, stream.id, after=edge, reverse=reverse):
        assert isinstance(first, int) and isinstance(number, int)  # noqa: S101 - so are the keys made
        if not lowest <= first <= highest:
            break
        events = enumerate(chunk.events)
        yield first, [Found((time, number, index), text, chunk.ingested) for index, (time, text) in events]
