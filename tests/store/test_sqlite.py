from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.store import sqlite
from pileus.store.interface import Transaction
from pileus.store.keys import pack, prefix_range
from pileus.store.records import Records
from pileus.store.sqlite import SQLiteStore, StoreFullError


@pytest.fixture(params=["full", "relaxed"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Callable[[SQLiteStore], Any]], Any]:
    """Runs a coroutine function against a fresh store of each durability."""

    def go(body: Callable[[SQLiteStore], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            store = SQLiteStore(tmp_path / "store.db", request.param)
            try:
                return await asyncio.wait_for(body(store), 20)
            finally:
                store.close()

        return asyncio.run(main())

    return go


def test_what_was_answered_is_read_by_everyone(run: Any, tmp_path: Path) -> None:
    async def body(store: SQLiteStore) -> None:
        await store.transact(lambda tx: tx.put(b"k", b"v"))
        assert store.get(b"k") == b"v"
        other = SQLiteStore(tmp_path / "store.db")
        assert other.get(b"k") == b"v"
        other.close()

    run(body)


def test_a_failed_change_leaves_nothing_and_disturbs_no_other(run: Any) -> None:
    def good(tx: Transaction) -> None:
        tx.put(b"good", b"1")

    def bad(tx: Transaction) -> None:
        tx.put(b"bad", b"1")
        tx.delete(b"good")
        raise RuntimeError("no")

    async def body(store: SQLiteStore) -> None:
        results = await asyncio.gather(
            store.transact(good), store.transact(bad), store.transact(good), return_exceptions=True
        )
        assert isinstance(results[1], RuntimeError)
        assert results[0] is results[2] is None
        assert store.get(b"good") == b"1"
        assert store.get(b"bad") is None

    run(body)


def test_concurrent_increments_are_serialised(run: Any) -> None:
    def increment(tx: Transaction) -> int:
        number = int(tx.get(b"n") or b"0") + 1
        tx.put(b"n", str(number).encode())
        return number

    async def body(store: SQLiteStore) -> None:
        answers = await asyncio.gather(*[store.transact(increment) for _ in range(300)])
        assert sorted(answers) == list(range(1, 301))

    run(body)


def test_two_processes_take_turns(run: Any, tmp_path: Path) -> None:
    def increment(tx: Transaction) -> None:
        tx.put(b"n", str(int(tx.get(b"n") or b"0") + 1).encode())

    async def body(store: SQLiteStore) -> None:
        child = os.fork()
        if child == 0:
            code = 1
            try:

                async def work() -> None:
                    own = SQLiteStore(tmp_path / "store.db", "relaxed")
                    await asyncio.gather(*[own.transact(increment) for _ in range(100)])

                # A loop of its own: the parent's came over with the fork, running.
                asyncio.events._set_running_loop(None)
                asyncio.new_event_loop().run_until_complete(work())
                code = 0
            finally:
                os._exit(code)
        for _ in range(100):
            await store.transact(increment)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert status == 0
        assert store.get(b"n") == b"200"

    run(body)


def test_ranges_read_their_own_writes_in_order(run: Any) -> None:
    def change(tx: Transaction) -> list[bytes]:
        for number in range(400):
            tx.put(pack("r", number), b"x")
        tx.delete(pack("r", 7))
        seen = []
        for key, _ in tx.range(*prefix_range("r")):
            seen.append(key)
            tx.delete(key)  # writing while reading must not disturb the reading
        return seen

    async def body(store: SQLiteStore) -> None:
        seen = await store.transact(change)
        assert seen == [pack("r", number) for number in range(400) if number != 7]
        assert list(store.range(*prefix_range("r"))) == []

    run(body)


def test_ranges_reverse_and_limit(run: Any) -> None:
    async def body(store: SQLiteStore) -> None:
        def fill(tx: Transaction) -> None:
            for number in range(300):
                tx.put(pack("r", number), b"")

        await store.transact(fill)
        backwards = [key for key, _ in store.range(*prefix_range("r"), reverse=True, limit=3)]
        assert backwards == [pack("r", number) for number in (299, 298, 297)]
        inside = await store.transact(lambda tx: list(tx.range(*prefix_range("r"), reverse=True, limit=200)))
        assert [key for key, _ in inside] == [pack("r", number) for number in range(299, 99, -1)]

    run(body)


def test_a_snapshot_stays_as_it_was(run: Any, tmp_path: Path) -> None:
    async def body(store: SQLiteStore) -> None:
        await store.transact(lambda tx: tx.put(b"k", b"old"))
        writer = SQLiteStore(tmp_path / "store.db", "relaxed")
        with store.snapshot() as reader:
            assert reader.get(b"k") == b"old"
            await writer.transact(lambda tx: tx.put(b"k", b"new"))
            assert reader.get(b"k") == b"old"
        assert store.get(b"k") == b"new"
        writer.close()

    run(body)


def test_a_range_that_was_left_holds_nothing_back(run: Any) -> None:
    async def body(store: SQLiteStore) -> None:
        def fill(tx: Transaction) -> None:
            for number in range(300):
                tx.put(pack("r", number), b"old")

        await store.transact(fill)
        left = store.range(*prefix_range("r"))
        next(left)
        await store.transact(lambda tx: tx.put(pack("r", 0), b"new"))
        assert store.get(pack("r", 0)) == b"new"
        assert next(left)[0] == pack("r", 1)

    run(body)


def test_a_full_store_says_so_and_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        store = SQLiteStore(tmp_path / "store.db", "relaxed")
        await store.transact(lambda tx: tx.put(b"before", b"1"))
        pages = store._writer.pragma("page_count")
        store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreFullError):
            await store.transact(lambda tx: tx.put(b"large", b"x" * 1_000_000))
        assert store.get(b"large") is None
        store._writer.execute(f"PRAGMA max_page_count = {pages + 1000}")
        await store.transact(lambda tx: tx.put(b"after", b"1"))
        assert store.get(b"before") == store.get(b"after") == b"1"
        store.close()

    asyncio.run(main())


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    SQLiteStore(tmp_path / "store.db").close()
    assert (tmp_path / "store.db").stat().st_mode & 0o077 == 0


def test_a_place_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    with pytest.raises(OSError, match="store"):
        SQLiteStore(tmp_path / "store.db")


def test_records_page_through_their_keys(run: Any) -> None:
    names: Records[dict[str, Any]] = Records(dict, "test", "names")

    async def body(store: SQLiteStore) -> None:
        def fill(tx: Transaction) -> None:
            for number in range(5):
                names.put(tx, "a", number, value={"number": number})
            names.put(tx, "b", 9, value={"number": 9})

        await store.transact(fill)
        assert [key for key, _ in names.scan(store, "a", limit=2)] == [("a", 0), ("a", 1)]
        assert [value["number"] for _, value in names.scan(store, "a", after=("a", 1))] == [2, 3, 4]
        assert [key for key, _ in names.scan(store, "a", after=("a", 3), reverse=True)] == [
            ("a", 2),
            ("a", 1),
            ("a", 0),
        ]
        await store.transact(lambda tx: names.delete_all(tx, "a"))
        assert [key for key, _ in names.scan(store)] == [("b", 9)]

    run(body)


def _rows(path: Path, statement: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "delete", "range"]), st.integers(0, 5), st.sampled_from([0, 10, 1890, 1901, 9000])
        ),
        max_size=20,
    )
)
@settings(max_examples=40, deadline=None)
def test_values_of_any_size_replace_each_other_and_leave_nothing_behind(steps: list[tuple[str, int, int]]) -> None:
    async def main(path: Path) -> None:
        store = SQLiteStore(path, "relaxed")
        wanted: dict[bytes, bytes] = {}
        for number, (what, name, size) in enumerate(steps):
            key = b"k%d" % name

            def change(
                tx: Transaction, what: str = what, key: bytes = key, value: bytes = bytes([number]) * size
            ) -> None:
                if what == "put":
                    tx.put(key, value)
                elif what == "delete":
                    tx.delete(key)
                else:
                    tx.delete_range(key, key + b"\xff")

            await store.transact(change)
            if what == "put":
                wanted[key] = bytes([number]) * size
            else:
                wanted.pop(key, None)
            assert store.get(key) == wanted.get(key)
        assert dict(store.range(b"", b"\xff")) == wanted
        store.close()
        large = sum(len(key) + len(value) > 1900 for key, value in wanted.items())
        assert _rows(path, "SELECT count(*) FROM large") == [(large,)]

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder) / "store.db"))


def test_data_of_the_first_version_is_read_and_written_on(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        connection.execute("INSERT INTO pairs VALUES (x'61', zeroblob(5000)), (x'62', x'01')")
        connection.commit()

    async def main() -> None:
        store = SQLiteStore(path)
        assert store.get(b"a") == bytes(5000)
        await store.transact(lambda tx: tx.put(b"a", b"x" * 6000))
        assert dict(store.range(b"a", b"c")) == {b"a": b"x" * 6000, b"b": b"\1"}
        store.close()

    asyncio.run(main())


def test_a_reader_that_holds_its_state_sees_what_another_process_commits(tmp_path: Path) -> None:
    async def main() -> None:
        one, other = (SQLiteStore(tmp_path / "store.db", "relaxed") for _ in range(2))
        for number in range(5):
            value = b"%d" % number
            await other.transact(lambda tx, value=value: tx.put(b"k", value))  # type: ignore[misc]
            for _ in range(3):
                assert one.get(b"k") == value
                assert list(one.range(b"k", b"l")) == [(b"k", value)]
            with one.snapshot() as reader:
                await asyncio.sleep(0)
                assert reader.get(b"k") == value
        one.close()
        other.close()

    asyncio.run(main())


def test_a_snapshot_stays_as_it_was_though_another_process_commits(tmp_path: Path) -> None:
    async def main() -> None:
        one, other = (SQLiteStore(tmp_path / "store.db", "relaxed") for _ in range(2))
        await other.transact(lambda tx: tx.put(b"k", b"1"))
        for reads in range(3):
            for _ in range(reads):
                one.get(b"k")
            with one.snapshot() as reader:
                before = reader.get(b"k")
                await other.transact(lambda tx, reads=reads: tx.put(b"k", b"new %d" % reads))  # type: ignore[misc]
                assert reader.get(b"k") == before
            assert one.get(b"k") == b"new %d" % reads
        one.close()
        other.close()

    asyncio.run(main())


def test_an_idle_reader_does_not_keep_the_log_from_being_emptied(tmp_path: Path) -> None:
    async def main() -> None:
        store, other = (SQLiteStore(tmp_path / "store.db", "relaxed") for _ in range(2))
        await store.transact(lambda tx: tx.put(b"k", b"1"))
        for one in (store, other):
            assert one.get(b"k") == one.get(b"k") == one.get(b"k") == b"1"
            assert one._held
        await asyncio.sleep(0.4)
        assert not store._held
        assert not other._held
        assert _rows(tmp_path / "store.db", "PRAGMA wal_checkpoint(TRUNCATE)") == [(0, 0, 0)]
        store.close()
        other.close()

    asyncio.run(main())


def test_the_log_stays_short_though_writing_never_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_LOG_LIMIT_PAGES", 64)

    async def main() -> None:
        store = SQLiteStore(tmp_path / "store.db", "relaxed")
        for number in range(2000):
            await store.transact(lambda tx, number=number: tx.put(b"%d" % number, bytes(8000)))  # type: ignore[misc]
        assert (tmp_path / "store.db-wal").stat().st_size < 8 << 20
        assert (tmp_path / "store.db").stat().st_size > 8 << 20
        assert store.get(b"1999") == bytes(8000)
        store.close()

    asyncio.run(main())


class _FailingConnection(apsw.Connection):
    """Its `at`-th statement fails, as `how` says: alone, or with all that the transaction had written."""

    at = 0
    how = ""
    count = 0

    def execute(self, *arguments: Any, **options: Any) -> apsw.Cursor:
        self._fail_in_turn()
        return super().execute(*arguments, **options)

    def executemany(self, *arguments: Any, **options: Any) -> apsw.Cursor:
        self._fail_in_turn()
        return super().executemany(*arguments, **options)

    def _fail_in_turn(self) -> None:
        self.count += 1
        if self.count == self.at:
            if self.how == "all" and self.in_transaction:
                super().execute("ROLLBACK")
            raise apsw.FullError("database or disk is full")


@pytest.mark.parametrize("how", ["alone", "all"])
def test_a_store_that_fails_at_any_step_answers_everyone_and_goes_on(run: Any, how: str) -> None:
    """Each statement of a group of changes in turn: nobody waits forever, and what was answered is so."""
    statements = 0

    def put(key: bytes) -> Callable[[Transaction], None]:
        def change(tx: Transaction) -> None:
            tx.get(key)
            tx.put(key, b"1")
            if key.endswith(b"1"):
                assert list(tx.range(key, key + b"\0")) == [(key, b"1")]

        return change

    def look(tx: Transaction) -> None:
        tx.get(b"absent")

    async def body(store: SQLiteStore) -> None:
        nonlocal statements
        usual = store._writer
        broken = _FailingConnection(str(store._path))
        store._writer = broken
        for at in range(1, 40):
            broken.at, broken.how, broken.count = at, how, 0
            names = [b"%d-%d" % (at, number) for number in range(3)]
            changes = [look, *map(put, names), look]
            async with asyncio.timeout(5):
                answers = await asyncio.gather(*map(store.transact, changes), return_exceptions=True)
                for name, answer in zip(names, answers[1:-1], strict=True):
                    assert isinstance(answer, StoreFullError) == (store.get(name) is None)
                    assert answer is None or isinstance(answer, StoreFullError)
                statements = max(statements, broken.count)
                broken.at = 0
                await store.transact(put(b"after-%d" % at))
        broken.close()
        store._writer = usual

    run(body)
    assert 10 < statements < 40, "each one had its turn"
