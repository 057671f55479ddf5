"""Any mix of chunks is read in order, forwards and backwards, from any place to any other."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.services.logs.events import _chunked
from pileus.services.logs.reading import FIRST, LAST, Found, backwards, forwards
from pileus.services.logs.records import (
    CHUNKS,
    GROUPS,
    STREAMS,
    Chunk,
    LogGroup,
    LogStream,
    append,
    streams_by_begin,
    streams_by_time,
    streams_since,
)
from pileus.services.logs.streams import place
from pileus.store.sqlite import SQLiteStore

GROUP = LogGroup(b"g" * 8, 0)
_BATCHES = st.lists(st.lists(st.integers(0, 60_000), min_size=1, max_size=8).map(sorted), max_size=6)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = SQLiteStore(tmp_path / "store.db", "relaxed")
    yield opened
    opened.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(_BATCHES, st.integers(0, 60_000), st.integers(0, 60_000), st.binary(min_size=8, max_size=8))
def test_all_events_in_order(store: Any, batches: list[list[int]], start: int, end: int, name: bytes) -> None:
    stream = LogStream(name, 0)
    expected: list[Found] = []

    def write(tx: Any) -> None:
        CHUNKS.delete_all(tx, GROUP.id, name)
        for batch in batches:
            for chunk in _chunked([(moment, str(moment)) for moment in batch], 1):
                append(tx, GROUP, stream, chunk)
                expected.extend(
                    Found((moment, stream.sequence, index), text, 1)
                    for index, (moment, text) in enumerate(chunk.events)
                )

    asyncio.run(store.transact(write))
    ordered = sorted(expected, key=lambda found: found.position)
    assert list(forwards(store, GROUP, stream, FIRST, LAST)) == ordered
    assert list(backwards(store, GROUP, stream, FIRST, LAST)) == ordered[::-1]
    for read, turned in ((forwards, 1), (backwards, -1)):
        middle = ordered[len(ordered) // 2].position if ordered else FIRST
        edges = (middle, LAST) if turned == 1 else (FIRST, middle)
        beyond = [found for found in ordered if edges[0] < found.position < edges[1]]
        assert list(read(store, GROUP, stream, *edges)) == beyond[::turned], "from one event on"
    inside = [found for found in ordered if start <= found.position[0] < end]
    assert list(forwards(store, GROUP, stream, (start, -1, 0), (end, -1, 0))) == inside
    assert list(backwards(store, GROUP, stream, (start, -1, 0), (end, -1, 0))) == inside[::-1]


class Counting:
    """A reader that counts the chunks that were taken from it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.taken = 0

    def range(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        for pair in self._store.range(*arguments, **options):
            self.taken += 1
            yield pair


def test_ten_of_thousands_in_one_millisecond_take_few_chunks(store: Any) -> None:
    stream = LogStream(b"s" * 8, 0)

    def write(tx: Any) -> None:
        for number in range(2000):
            append(tx, GROUP, stream, Chunk(1, [(5, str(number))], 30))

    asyncio.run(store.transact(write))
    for read, expected in ((forwards, range(10)), (backwards, range(1999, 1989, -1))):
        reader: Any = Counting(store)
        found = [event.message for event in islice(read(reader, GROUP, stream, FIRST, LAST), 10)]
        assert found == [str(number) for number in expected]
        assert reader.taken < 20


def test_the_last_ten_of_a_long_stream_take_few_chunks(store: Any) -> None:
    stream = LogStream(b"l" * 8, 0)
    events = [(10 * number, f"event {number}") for number in range(20_000)]

    def write(tx: Any) -> None:
        for chunk in _chunked(events, 1):
            append(tx, GROUP, stream, chunk)

    asyncio.run(store.transact(write))
    reader: Any = Counting(store)
    found = [event.message for event in islice(backwards(reader, GROUP, stream, FIRST, LAST), 10)]
    assert found == [text for _, text in events[:-11:-1]]
    assert reader.taken < 5


def test_streams_of_older_data_find_their_places(store: Any) -> None:
    cloud = Mock(store=store)
    names = ("a", "b")

    def write(tx: Any) -> None:
        GROUPS.put(tx, "0", "us-east-1", "group", value=GROUP)
        for number, name in enumerate(names):
            STREAMS.put(tx, GROUP.id, name, value=LogStream(name.encode() * 8, 0, 7, 20_000 * (2 - number)))

    asyncio.run(store.transact(write))
    assert list(streams_by_time(store, GROUP, descending=False)) == []
    for _ in range(2):
        asyncio.run(place(cloud))
        assert [key for key, _ in streams_by_time(store, GROUP, descending=False)] == [(20_000, "b"), (40_000, "a")]
    assert [name for name, _ in streams_since(store, GROUP, 30_000)] == ["a"]
    assert [(edge, name) for edge, name, _ in streams_by_begin(store, GROUP)] == [(0, "a"), (0, "b")]
