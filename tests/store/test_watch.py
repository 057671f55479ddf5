from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pileus.store import watch
from pileus.store.keys import pack, prefix_range
from pileus.store.sqlite import SQLiteStore

PREFIX = pack("test", "watched")
watch.declare(PREFIX)


def test_what_is_remembered_is_forgotten_in_every_process_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        one, other = (SQLiteStore(tmp_path / "store.db", "relaxed") for _ in range(2))
        key = PREFIX + b"k"
        assert one.recall(key) is None
        assert other.recall(key) is None
        for value in (b"1", b"2"):
            await one.transact(lambda tx, value=value: tx.put(key, value))  # type: ignore[misc]
            assert one.recall(key) == other.recall(key) == value
        await other.transact(lambda tx: tx.delete_range(*prefix_range("test")))
        assert one.recall(key) is other.recall(key) is None
        one.close()
        other.close()

    asyncio.run(main())


def test_other_keys_forget_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        store = SQLiteStore(tmp_path / "store.db", "relaxed")
        key = PREFIX + b"k"
        await store.transact(lambda tx: tx.put(key, b"1"))
        assert store.recall(key) == b"1"
        mark = store._watch._shared[8:]
        await store.transact(lambda tx: tx.put(pack("test", "other"), b"x"))
        assert store._watch._shared[8:] == mark
        store.close()

    asyncio.run(main())


def test_a_change_that_failed_marks_nothing_and_leaves_the_truth(tmp_path: Path) -> None:
    async def main() -> None:
        store = SQLiteStore(tmp_path / "store.db", "relaxed")

        def fail(tx: object) -> None:
            tx.put(PREFIX + b"k", b"1")  # type: ignore[attr-defined]
            raise RuntimeError

        await asyncio.gather(store.transact(fail), return_exceptions=True)
        assert store.recall(PREFIX + b"k") is None
        store.close()

    asyncio.run(main())


@given(st.binary(max_size=6), st.binary(max_size=6), st.binary(max_size=4))
def test_a_range_that_holds_a_watched_key_is_noticed(start: bytes, end: bytes, rest: bytes) -> None:
    key = PREFIX + rest
    if start <= key < end and not rest.startswith(b"\xff"):
        assert watch.overlaps(start, end)
