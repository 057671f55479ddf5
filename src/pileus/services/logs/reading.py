"""A stream's events in the order of time, forwards or backwards, from chunks that may overlap by their span.

Positions are (timestamp, chunk's number, index in the chunk): unique in a stream, and what paging goes by. Chunks are
opened one after the other and only while a reader wants more: whoever takes ten events pays for a chunk or two.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace
from typing import NamedTuple

from pileus.services.logs.records import CHUNKS, Chunk, LogGroup, LogStream
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
    opened: list[tuple[int, int, int, Chunk]] = []
    """The next event of each chunk that is open: its position, and the chunk. A heap."""

    def earlier(edge: tuple[int, int]) -> Iterator[Found]:
        while opened and opened[0][:2] < edge:
            time, number, index, chunk = opened[0]
            if (time, number, index) >= before:
                opened.clear()
                return
            yield Found((time, number, index), chunk.events[index][1], chunk.ingested)
            index += 1
            if index < len(chunk.events):
                heapreplace(opened, (chunk.events[index][0], number, index, chunk))
            else:
                heappop(opened)

    lowest = max(0, after[0] - stream.widest)
    for (_, _, first, number), chunk in CHUNKS.scan(reader, group.id, stream.id, after=(group.id, stream.id, lowest)):
        assert isinstance(first, int) and isinstance(number, int)  # noqa: S101 - so are the keys made
        if (first, number, 0) >= before:
            break
        # Whatever follows is in this chunk or in a later one.
        yield from earlier((first, number))
        index = bisect_right(_Positions(chunk, number), after)
        if index < len(chunk.events):
            heappush(opened, (chunk.events[index][0], number, index, chunk))
    yield from earlier(LAST[:2])


def backwards(reader: Reader, group: LogGroup, stream: LogStream, after: Position, before: Position) -> Iterator[Found]:
    """The same, newest first."""
    opened: list[tuple[int, int, int, Chunk]] = []
    """As above, the positions' signs turned."""

    def later(edge: tuple[int, int]) -> Iterator[Found]:
        while opened and (-opened[0][0], -opened[0][1]) > edge:
            time, number, index, chunk = -opened[0][0], -opened[0][1], -opened[0][2], opened[0][3]
            if (time, number, index) <= after:
                opened.clear()
                return
            yield Found((time, number, index), chunk.events[index][1], chunk.ingested)
            index -= 1
            if index >= 0:
                heapreplace(opened, (-chunk.events[index][0], -number, -index, chunk))
            else:
                heappop(opened)

    lowest = max(0, after[0] - stream.widest)
    edge = (group.id, stream.id, before[0] + 1)
    for (_, _, first, number), chunk in CHUNKS.scan(reader, group.id, stream.id, after=edge, reverse=True):
        assert isinstance(first, int) and isinstance(number, int)  # noqa: S101 - so are the keys made
        if first < lowest:
            break
        # No event of this chunk or of an earlier one is later than its first event by more than the widest span.
        yield from later((first + stream.widest, number))
        index = bisect_left(_Positions(chunk, number), before) - 1
        if index >= 0:
            heappush(opened, (-chunk.events[index][0], -number, -index, chunk))
    yield from later((-1, 0))


class _Positions:
    """A chunk's positions, for bisection."""

    def __init__(self, chunk: Chunk, number: int) -> None:
        self._events = chunk.events
        self._number = number

    def __len__(self) -> int:
        return len(self._events)

    def __getitem__(self, index: int) -> Position:
        return self._events[index][0], self._number, index
