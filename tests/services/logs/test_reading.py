"""Any mix of chunks is read in order, forwards and backwards, from any place to any other."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.services.logs.events import _chunked
from pileus.services.logs.reading import FIRST, LAST, Found, backwards, forwards
from pileus.services.logs.records import CHUNKS, LogGroup, LogStream, append
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
    inside = [found for found in ordered if start <= found.position[0] < end]
    assert list(forwards(store, GROUP, stream, (start, -1, 0), (end, -1, 0))) == inside
    assert list(backwards(store, GROUP, stream, (start, -1, 0), (end, -1, 0))) == inside[::-1]
