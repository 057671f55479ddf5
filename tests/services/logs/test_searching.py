"""Streams of any kind are searched in the order of their events, and few are opened for few events."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.services.logs.reading import FIRST, LAST
from pileus.services.logs.records import (
    BEGINS,
    CHUNKS,
    ENDS,
    STREAMS,
    Chunk,
    LogGroup,
    LogStream,
    append,
    new_id,
    put_stream,
)
from pileus.services.logs.searching import Search
from pileus.store.sqlite import SQLiteStore

GROUP = LogGroup(b"g" * 8, 0)
_TIMES = st.integers(0, 5_000)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = SQLiteStore(tmp_path / "store.db", "relaxed")
    yield opened
    opened.close()


def fill(store: Any, streams: dict[str, list[int]]) -> None:
    def write(tx: Any) -> None:
        for records in (STREAMS, BEGINS, ENDS, CHUNKS):
            records.delete_all(tx, GROUP.id)
        for name, times in streams.items():
            stream = LogStream(new_id(), 0)
            for time in times:  # each by itself, in any order
                append(tx, GROUP, stream, Chunk(1, [(time, name)], 30))
                stream.first = time if stream.first is None else min(stream.first, time)
                stream.last = time if stream.last is None else max(stream.last, time)
                put_stream(tx, GROUP, name, stream)
            put_stream(tx, GROUP, name, stream)

    asyncio.run(store.transact(write))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.lists(_TIMES, max_size=6), max_size=6),
    st.one_of(st.just(0), _TIMES),
    st.one_of(st.none(), _TIMES),
    st.booleans(),
)
def test_events_of_all_streams_in_order(
    store: Any, streams: dict[str, list[int]], start: int, end: int | None, reverse: bool
) -> None:
    fill(store, streams)
    after = (start, -1, 0) if start else FIRST
    before = LAST if end is None else (end + 1, -1, 0)
    search = Search(store, GROUP, after, before, reverse)
    found = [place[:2] for place, _, _ in search.events(search.candidates([], ""))]
    expected = [
        (time, name)
        for name, times in streams.items()
        for time in times
        if start <= time and (end is None or time <= end)
    ]
    assert found == sorted(expected, reverse=reverse)


class Counting:
    """A reader that counts what was taken from it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.taken = 0

    def get(self, *arguments: Any) -> Any:
        self.taken += 1
        return self._store.get(*arguments)

    def range(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        for pair in self._store.range(*arguments, **options):
            self.taken += 1
            yield pair


@pytest.mark.parametrize("reverse", [False, True])
def test_a_few_events_open_few_streams(store: Any, reverse: bool) -> None:
    fill(store, {f"s{number:04}": [10_000 * number] for number in range(1000)})
    counting: Any = Counting(store)
    search = Search(counting, GROUP, FIRST, LAST, reverse)
    assert len(list(islice(search.events(search.candidates([], "")), 10))) == 10
    assert counting.taken < 100
