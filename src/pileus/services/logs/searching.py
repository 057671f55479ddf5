"""FilterLogEvents: the events of a group's streams, merged in the order of time.

A stream is opened when the search comes to its first event (its last one, where it goes backwards): an answer costs
what it shows, however many streams there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush, heapreplace
from typing import Any, NamedTuple

from pileus.services.context import Context
from pileus.services.logs import service
from pileus.services.logs.events import ANSWER_BYTES, span
from pileus.services.logs.groups import position
from pileus.services.logs.names import group_name, invalid, on_group
from pileus.services.logs.patterns import Matches, compiled
from pileus.services.logs.reading import LAST, Found, Position, backwards, forwards
from pileus.services.logs.records import (
    LogGroup,
    LogStream,
    get_group,
    get_stream,
    size_of,
    streams_by_begin,
    streams_by_time,
    streams_of,
    streams_since,
)
from pileus.services.operation import Shape
from pileus.store import paging
from pileus.store.interface import Reader

_SEARCHED_EVENTS = 100_000
"""Most events that one FilterLogEvents looks at; it answers with a token then, as AWS does."""

Place = tuple[int, str, int, int]
"""Of an event in a group: its time, its stream's name, its place in the stream."""
Candidate = tuple[int, str, LogStream]
"""A stream, and a time: neither it nor one that follows has an event that the search would come to before."""


class _Backwards(tuple[Any, ...]):
    """A place that comes before those that it is after."""

    __slots__ = ()

    def __lt__(self, other: tuple[Any, ...]) -> bool:
        return tuple.__gt__(self, other)


class Search(NamedTuple):
    reader: Reader
    group: LogGroup
    after: Position
    before: Position
    reverse: bool

    def candidates(self, names: list[str], prefix: str) -> Iterable[Candidate]:
        reader, group, since = self.reader, self.group, self.after[0]
        if names:
            return self._in_order((name, get_stream(reader, group, name)) for name in names)
        if prefix:
            return self._in_order(streams_of(reader, group, prefix))
        if self.reverse:
            return self._from_the_end()
        if since:
            return self._in_order(streams_since(reader, group, since))
        return streams_by_begin(reader, group)

    def _in_order(self, streams: Iterable[tuple[str, LogStream]]) -> list[Candidate]:
        found = []
        for name, stream in streams:
            first, last = stream.first, stream.last
            if first is not None and last is not None and last >= self.after[0] and first <= self.before[0]:
                edge = min(last, self.before[0]) if self.reverse else max(first, self.after[0])
                found.append((edge, name, stream))
        return sorted(found, key=lambda candidate: candidate[:2], reverse=self.reverse)

    def _from_the_end(self) -> Iterator[Candidate]:
        for (last, name), stream in streams_by_time(self.reader, self.group, descending=True):
            if last < self.after[0] or stream.last is None:
                return
            yield last, name, stream

    def events(self, candidates: Iterable[Candidate]) -> Iterator[tuple[Place, LogStream, Found]]:
        read = backwards if self.reverse else forwards
        order: Callable[[Place], Any] = _Backwards if self.reverse else tuple
        coming = iter(candidates)
        following = next(coming, None)
        opened: list[tuple[Any, Found, str, LogStream, Iterator[Found]]] = []
        """A heap: the next event of each stream that is open."""

        def at(found: Found, name: str, stream: LogStream, rest: Iterator[Found]) -> Any:
            time, number, index = found.position
            return order((time, name, number, index)), found, name, stream, rest

        while True:
            while following is not None and (
                not opened or (following[0] >= opened[0][0][0] if self.reverse else following[0] <= opened[0][0][0])
            ):
                _, name, stream = following
                rest = read(self.reader, self.group, stream, self.after, self.before)
                first = next(rest, None)
                if first is not None:
                    heappush(opened, at(first, name, stream, rest))
                following = next(coming, None)
            if not opened:
                return
            place, found, name, stream, rest = opened[0]
            yield place, stream, found
            later = next(rest, None)
            if later is None:
                heappop(opened)
            else:
                heapreplace(opened, at(later, name, stream, rest))


@service.operation("FilterLogEvents", access=on_group("FilterLogEvents"))
async def filter_log_events(context: Context, request: Shape) -> Shape:
    name = group_name(context, request)
    names, prefix = request.get("logStreamNames") or [], request.get("logStreamNamePrefix") or ""
    if names and prefix:
        raise invalid("logStreamNames and logStreamNamePrefix are mutually exclusive.")
    matches = compiled(request.get("filterPattern") or "")
    after, before = span(request)
    if request.get("endTime") is not None:
        before = (request["endTime"] + 1, -1, 0)  # inclusive here
    reverse = request.get("startFromHead") is False
    resumed = position(request.get("nextToken"))
    if resumed is not None:
        if [type(part) for part in resumed] != [int, str, int, int]:
            raise invalid("The specified nextToken is invalid.")
        # One millisecond may hold events of several streams: the exact place is looked at below.
        edge = int(str(resumed[0]))
        after, before = (after, min(before, (edge + 1, -1, 0))) if reverse else (max(after, (edge, -1, 0)), before)
    with context.store.snapshot() as reader:
        search = Search(reader, get_group(reader, name), after, before, reverse)
        events = search.events(search.candidates(list(dict.fromkeys(names)), prefix))
        if resumed is not None:
            order: Callable[[Any], Any] = _Backwards if reverse else tuple
            start = order(resumed)
            events = (event for event in events if start < event[0])
        return _answer(events, matches, request.get("limit") or 10_000)


def _answer(found: Iterator[tuple[Place, LogStream, Found]], matches: Matches, limit: int) -> Shape:
    events: list[Shape] = []
    size = 0
    token: str | None = None
    last: Place = LAST[0], "", 0, 0
    for searched, (place, stream, event) in enumerate(found):
        length = size_of(event.message)
        if (events and (len(events) >= limit or size + length > ANSWER_BYTES)) or searched >= _SEARCHED_EVENTS:
            token = paging.encode(tuple(last))
            break
        last = place
        if matches(event.message):
            size += length
            events.append(
                {
                    "logStreamName": place[1],
                    "timestamp": place[0],
                    "message": event.message,
                    "ingestionTime": event.ingested,
                    "eventId": _event_id(stream, event.position),
                }
            )
    return {"events": events, "searchedLogStreams": [], **({"nextToken": token} if token else {})}


def _event_id(stream: LogStream, position: Position) -> str:
    """56 digits, as AWS's are: the moment, the stream, the place in it."""
    time, number, index = position
    return f"{time:013d}{int.from_bytes(stream.id, 'big'):020d}{number:014d}{index:09d}"
