"""The embedded engine: one WITHOUT ROWID table in SQLite's WAL mode, with group commit.

Reads run inline on a connection of their own. Changes from concurrent requests are gathered: the event loop runs them
one after the other inside one SQLite transaction, each in a savepoint of its own, and one commit makes all durable.
Only the commit, which waits for the disk, leaves the event loop: statements released to another thread would wait for
the interpreter's lock at every step. What was not committed is not visible to reads, so nothing undurable is answered.

With durability `full` each commit is fsynced (https://www.sqlite.org/pragma.html#pragma_synchronous); with `relaxed`
it survives the process's death but may be lost, whole, at power loss.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeVar

from pileus.aws.errors import AWSError
from pileus.store.interface import Reader, Transaction
from pileus.store.watch import Watch, is_watched, overlaps

T = TypeVar("T")

_GET = "SELECT value FROM pairs WHERE key = ?"
_FORWARD = "SELECT key, value FROM pairs WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"
_REVERSE = "SELECT key, value FROM pairs WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?"
_PUT = "INSERT INTO pairs (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_DELETE = "DELETE FROM pairs WHERE key = ?"
_DELETE_RANGE = "DELETE FROM pairs WHERE key >= ? AND key < ?"

_LOCK_WAIT_SECONDS = 30
_GROUP = 256
"""Most changes in one commit: bounds how long the event loop runs changes without looking elsewhere."""
_CHUNK = 128
_REMEMBERED = 65_536
"""Most keys remembered: whoever asks for names that do not exist must not fill the memory."""
_WAL_LIMIT_BYTES = 64 << 20
_CHECKPOINT_SECONDS = 1.0


class StoreFullError(AWSError):
    """The disk refused a write; nothing of it was kept."""

    def __init__(self) -> None:
        super().__init__("InternalServerError", "The disk is full: nothing was written.", status=500)


class _Pending:
    __slots__ = ("change", "future", "result")

    def __init__(self, change: Callable[[Transaction], Any], future: asyncio.Future[Any]) -> None:
        self.change = change
        self.future = future
        self.result: Any = None


class SQLiteStore:
    """Implements `store.interface.Store`. Raises OSError where the file cannot be opened or written."""

    def __init__(self, path: Path, durability: Literal["full", "relaxed"] = "full") -> None:
        self._path = path
        self._durability = durability
        fresh = not path.exists()
        if fresh:
            path.touch(mode=0o600)
        try:
            self._writer = self._connect()
            self._writer.execute("PRAGMA page_size = 8192")
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
            # Checkpoints run on the commit thread (_maintain), never inside a request's commit.
            self._writer.execute("PRAGMA wal_autocheckpoint = 0")
            self._writer.execute("PRAGMA cache_size = -32768")
            self._writer.execute(
                "CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
            )
            self._reader = self._connect()
            self._reader.execute("PRAGMA cache_size = -32768")
            self._reader.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise OSError(f"{path}: {error}") from error
        self._watch = Watch(path.with_name(f"{path.name}-watch"))
        self._pending: list[_Pending] = []
        self._running = False
        self._snapshots = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._maintenance: asyncio.TimerHandle | None = None
        self._closed = False

    def _connect(self) -> sqlite3.Connection:
        # One connection is never used by two threads at once; the commit thread has the writer while a commit runs.
        return sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)

    # Reads

    def get(self, key: bytes) -> bytes | None:
        row = self._reader.execute(_GET, (key,)).fetchone()
        return None if row is None else row[0]

    def recall(self, key: bytes) -> bytes | None:
        remembered = self._watch.remembered()
        try:
            return remembered[key]
        except KeyError:
            if self._snapshots:
                return self.get(key)  # what an older snapshot holds must not outlive it
            value = remembered[key] = self.get(key)
            return value

    def range(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return _pairs(self._reader, start, end, reverse, limit)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Reader]:
        if self._snapshots == 0:
            self._reader.execute("BEGIN")
        self._snapshots += 1
        try:
            yield self
        finally:
            self._snapshots -= 1
            if self._snapshots == 0:
                self._reader.execute("COMMIT")

    # Changes

    async def transact(self, change: Callable[[Transaction], T]) -> T:
        loop = asyncio.get_running_loop()
        pending = _Pending(change, loop.create_future())
        self._pending.append(pending)
        if not self._running:
            self._running = True
            # Not at once: requests that are ready in this turn of the loop share the commit.
            loop.call_soon(self._next_group, loop)
        result: T = await pending.future
        return result

    def _next_group(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._pending:
            self._running = False
            if self._maintenance is None and not self._closed:
                self._maintenance = loop.call_later(_CHECKPOINT_SECONDS, self._maintain, loop)
            return
        group, self._pending = self._pending[:_GROUP], self._pending[_GROUP:]
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                _fail(group, _translate(error))
                loop.call_soon(self._next_group, loop)
                return
            # Another process is writing: wait for it off the event loop.
            waiting = loop.run_in_executor(self._thread, self._begin_waiting)
            waiting.add_done_callback(lambda done: self._begun(loop, group, done.exception()))
            return
        self._begun(loop, group, None)

    def _begin_waiting(self) -> None:
        self._writer.execute(f"PRAGMA busy_timeout = {_LOCK_WAIT_SECONDS * 1000}")
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        finally:
            self._writer.execute("PRAGMA busy_timeout = 0")

    def _begun(self, loop: asyncio.AbstractEventLoop, group: list[_Pending], failed: BaseException | None) -> None:
        if failed is not None:
            _fail(group, _translate(failed))
            loop.call_soon(self._next_group, loop)
            return
        succeeded: list[_Pending] = []
        wrote = watched = False
        for pending in group:
            if pending.future.cancelled():
                continue
            tx = _SQLiteTransaction(self._writer)
            try:
                pending.result = pending.change(tx)
            except BaseException as error:
                try:
                    tx.undo()
                except sqlite3.Error as broken:
                    # SQLite itself rolled the whole transaction back (a full disk): nothing of the group is kept.
                    _fail(group, _translate(error if isinstance(error, sqlite3.Error) else broken))
                    self._rollback()
                    loop.call_soon(self._next_group, loop)
                    return
                if not pending.future.done():
                    pending.future.set_exception(_translate(error))
            else:
                tx.keep()
                wrote = wrote or tx.dirty
                watched = watched or tx.watched
                succeeded.append(pending)
        if not wrote:
            self._writer.execute("ROLLBACK")
            self._finish(loop, succeeded, None)
        elif self._durability == "relaxed":
            self._finish(loop, succeeded, self._commit(watched))
        else:
            committing = loop.run_in_executor(self._thread, self._commit, watched)
            committing.add_done_callback(lambda done: self._finish(loop, succeeded, done.result()))

    def _commit(self, watched: bool) -> BaseException | None:
        try:
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            return error
        if watched:
            self._watch.mark()
        return None

    def _rollback(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def _finish(self, loop: asyncio.AbstractEventLoop, group: list[_Pending], failed: BaseException | None) -> None:
        if failed is not None:
            _fail(group, _translate(failed))
        else:
            for pending in group:
                if not pending.future.done():
                    pending.future.set_result(pending.result)
        if self._pending and self._wal_is_long():
            checkpoint = loop.run_in_executor(self._thread, self._checkpoint, "RESTART")
            checkpoint.add_done_callback(lambda _done: self._next_group(loop))
        else:
            loop.call_soon(self._next_group, loop)

    # The write-ahead log goes back into the database while nobody writes, or when it has grown long.

    def _maintain(self, loop: asyncio.AbstractEventLoop) -> None:
        self._maintenance = None
        if not self._running:
            loop.run_in_executor(self._thread, self._checkpoint, "PASSIVE")

    def _wal_is_long(self) -> bool:
        try:
            return Path(f"{self._path}-wal").stat().st_size > _WAL_LIMIT_BYTES
        except FileNotFoundError:
            return False

    def _checkpoint(self, mode: str) -> None:
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(self._connect()) as connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durability == 'full' else 'NORMAL'}")
            connection.execute(f"PRAGMA wal_checkpoint({mode})")

    def close(self) -> None:
        """Call when no change is under way."""
        self._closed = True
        if self._maintenance is not None:
            self._maintenance.cancel()
        self._thread.shutdown(wait=True)
        self._reader.close()
        self._writer.close()
        self._watch.close()


class _SQLiteTransaction:
    """One change inside the group's transaction; its savepoint is made only when it first writes."""

    __slots__ = ("_connection", "dirty", "watched")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.dirty = False
        self.watched = False

    def get(self, key: bytes) -> bytes | None:
        row = self._connection.execute(_GET, (key,)).fetchone()
        return None if row is None else row[0]

    def range(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return _pairs(self._connection, start, end, reverse, limit)

    def put(self, key: bytes, value: bytes) -> None:
        self._mark(is_watched(key))
        self._connection.execute(_PUT, (key, value))

    def delete(self, key: bytes) -> None:
        self._mark(is_watched(key))
        self._connection.execute(_DELETE, (key,))

    def delete_range(self, start: bytes, end: bytes) -> None:
        self._mark(overlaps(start, end))
        self._connection.execute(_DELETE_RANGE, (start, end))

    def _mark(self, watched: bool) -> None:
        if watched:
            self.watched = True
        if not self.dirty:
            self.dirty = True
            self._connection.execute("SAVEPOINT change")

    def keep(self) -> None:
        if self.dirty:
            self._connection.execute("RELEASE change")

    def undo(self) -> None:
        if self.dirty:
            self._connection.execute("ROLLBACK TO change")
            self._connection.execute("RELEASE change")


def _pairs(
    connection: sqlite3.Connection, start: bytes, end: bytes, reverse: bool, limit: int | None
) -> Iterator[tuple[bytes, bytes]]:
    """In chunks, each read to its end at once: an open cursor would be disturbed by a change's own writes, and would
    hold the connection at an old state for as long as somebody keeps it."""
    statement = _REVERSE if reverse else _FORWARD
    left = limit
    while left is None or left > 0:
        size = _CHUNK if left is None else min(_CHUNK, left)
        rows = connection.execute(statement, (start, end, size)).fetchall()
        yield from rows
        if len(rows) < size:
            return
        if reverse:
            end = rows[-1][0]
        else:
            start = rows[-1][0] + b"\0"
        if left is not None:
            left -= size


def _fail(group: list[_Pending], error: BaseException) -> None:
    for pending in group:
        if not pending.future.done():
            pending.future.set_exception(error)


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _translate(error: BaseException) -> BaseException:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return StoreFullError() if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) else error
