"""The embedded engine: one WITHOUT ROWID table in SQLite's WAL mode, with group commit.

Reads run inline on a connection of their own, which holds one read transaction for as long as nobody commits: to begin
and end one costs more than a read. It is let go of after a moment, or the write-ahead log could never be emptied.

Large values lie in a table of their own: when SQLite looks a key up in a WITHOUT ROWID table, it copies the whole of
every longer row that it compares with (https://www.sqlite.org/fileformat2.html#b_tree_pages: the payload that spills).

Changes from concurrent requests are gathered: the event loop runs them one after the other inside one SQLite
transaction (`group`), each whole or not at all, and one commit makes all durable. Only the commit, which waits for the
disk, leaves the event loop: statements released to another thread would wait for the interpreter's lock at every step.
What was not committed is not visible to reads, so nothing undurable is answered.

With durability `full` each commit is fsynced (https://www.sqlite.org/pragma.html#pragma_synchronous); with `relaxed`
it survives the process's death but may be lost, whole, at power loss.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeVar

import apsw

from pileus.aws.errors import AWSError
from pileus.store.group import GET, PAGE_BYTES, Group, pairs
from pileus.store.interface import Reader, Transaction
from pileus.store.watch import Watch

T = TypeVar("T")

log = logging.getLogger("pileus.store")

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL, large INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS large (id INTEGER PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TRIGGER IF NOT EXISTS large_replaced AFTER UPDATE ON pairs WHEN old.large IS NOT NULL"
    " BEGIN DELETE FROM large WHERE id = old.large; END",
    "CREATE TRIGGER IF NOT EXISTS large_deleted AFTER DELETE ON pairs WHEN old.large IS NOT NULL"
    " BEGIN DELETE FROM large WHERE id = old.large; END",
)
_LOCK_WAIT_SECONDS = 30
_GROUP = 256
"""Most changes in one commit: bounds how long the event loop runs changes without looking elsewhere."""
_REMEMBERED = 65_536
"""Most keys remembered: whoever asks for names that do not exist must not fill the memory."""
_LOG_LIMIT_PAGES = 8192
"""Of the write-ahead log, which a start after a kill reads from end to end; also how many pages are written, at most,
before somebody looks how long it is."""
_HOLD_SECONDS = 0.25
"""For which the reading connection holds its transaction at most, if nobody commits."""
_RESTART_WAIT_MS = 100
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
            self._writer.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
            # Checkpoints run on the commit thread (_maintain), never inside a request's commit.
            self._writer.execute("PRAGMA wal_autocheckpoint = 0")
            self._writer.execute("PRAGMA cache_size = -32768")
            self._prepare()
            self._reader = self._connect()
            self._reader.execute("PRAGMA cache_size = -32768")
            self._reader.execute("PRAGMA query_only = ON")
            self._read = self._reader.cursor().execute
        except apsw.Error as error:
            raise OSError(f"{path}: {error}") from error
        self._watch = Watch(path.with_name(f"{path.name}-watch"))
        self._pending: list[_Pending] = []
        self._running = False
        self._snapshots = 0
        self._mark = b""
        """The newest commit that a read has seen."""
        self._held = False
        """Whether the reading connection holds its transaction, begun after `_mark`."""
        self._release: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._checkpoints = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._unlooked = 0
        """Pages written since somebody last looked at the log's length."""
        self._log_is_long = False
        self._checkpointing = False
        self._maintenance: asyncio.TimerHandle | None = None
        self._closed = False

    def _connect(self) -> apsw.Connection:
        # One connection is never used by two threads at once; the commit thread has the writer while a commit runs.
        return apsw.Connection(str(self._path))

    def _prepare(self) -> None:
        columns = [row[1] for row in self._writer.execute("PRAGMA table_info(pairs)").fetchall()]
        if columns and "large" not in columns:
            # Data of an earlier version: its values stay where they are until they are written anew.
            self._writer.execute("ALTER TABLE pairs ADD COLUMN large INTEGER")
        for statement in _SCHEMA:
            self._writer.execute(statement)

    # Reads

    def get(self, key: bytes) -> bytes | None:
        if self._watch.commits() != self._mark or not self._held:
            self._look()
        value: bytes | None = self._read(GET, (key,)).get
        return value

    def _look(self) -> None:
        """Before a read: lets go of a state that is no longer the newest, holds one that has been so for two reads."""
        if self._snapshots:
            return
        mark = self._watch.commits()
        if mark != self._mark:
            self._let_go()
            self._mark = mark
        elif not self._held:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return  # nobody would let go of it
            self._reader.execute("BEGIN")
            self._held = True
            if self._release is None:
                self._release = loop.call_later(_HOLD_SECONDS, self._let_go)

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self._reader.execute("COMMIT")
        if self._release is not None:
            self._release.cancel()
            self._release = None

    def recall(self, key: bytes) -> bytes | None:
        remembered = self._watch.remembered()
        try:
            return remembered[key]
        except KeyError:
            if self._snapshots:
                return self.get(key)  # what an older snapshot holds must not outlive it
            value = remembered[key] = self.get(key)
            return value

    def moment(self) -> bytes:
        return self._watch.commits()

    def range(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return pairs(self._reader, start, end, reverse, limit, self._look)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Reader]:
        begun = False
        if self._snapshots == 0:
            self._look()
            if not self._held:
                self._reader.execute("BEGIN")
                begun = True
        self._snapshots += 1
        try:
            yield self
        finally:
            self._snapshots -= 1
            if begun:
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
        if self._writer.in_transaction:
            self._rollback()  # what could not be rolled back when it failed
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            if not isinstance(error, _BUSY):
                _fail(group, _translate(error))
                loop.call_soon(self._next_group, loop)
                return
            # Another process is writing: wait for it off the event loop.
            waiting = loop.run_in_executor(self._thread, self._begin_waiting)
            waiting.add_done_callback(lambda done: self._begun(loop, group, done.exception()))
            return
        self._begun(loop, group, None)

    def _begin_waiting(self) -> None:
        self._writer.set_busy_timeout(_LOCK_WAIT_SECONDS * 1000)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        finally:
            self._writer.set_busy_timeout(0)

    def _begun(self, loop: asyncio.AbstractEventLoop, group: list[_Pending], failed: BaseException | None) -> None:
        succeeded: list[_Pending] = []
        written = 0
        watched = False
        if failed is None:
            try:
                written, watched = self._run(group, succeeded)
            except Exception as error:
                failed = error
        if failed is not None:
            # Nothing of the group is kept, and everyone is told: who is forgotten here would wait forever.
            self._rollback()
            _fail(group, _translate(failed))
            loop.call_soon(self._next_group, loop)
            return
        self._unlooked += written
        if not written:
            self._rollback()
            self._finish(loop, succeeded, None)
        elif self._durability == "relaxed":
            self._finish(loop, succeeded, self._commit(watched))
        else:
            committing = loop.run_in_executor(self._thread, self._commit, watched)
            committing.add_done_callback(lambda done: self._finish(loop, succeeded, done.exception() or done.result()))

    def _run(self, waiting: list[_Pending], succeeded: list[_Pending]) -> tuple[int, bool]:
        """How many pages were written, at most, and whether watched keys were. Raises apsw.Error, and what a change
        raised, where the whole transaction is lost: SQLite itself rolls it back when the disk is full."""
        group = Group(self._writer)
        for pending in waiting:
            if pending.future.cancelled():
                continue
            change = group.change()
            try:
                pending.result = pending.change(change)
                change.keep()
            except BaseException as error:
                try:
                    change.undo()
                except apsw.Error as broken:
                    raise (error if isinstance(error, apsw.Error) else broken) from None
                if not self._writer.in_transaction:
                    raise
                if not pending.future.done():
                    pending.future.set_exception(_translate(error))
            else:
                succeeded.append(pending)
        group.flush()
        return group.pages, group.watched

    def _commit(self, watched: bool) -> BaseException | None:
        try:
            self._writer.execute("COMMIT")
        except apsw.Error as error:
            self._rollback()
            return error
        self._watch.mark(watched)
        return None

    def _rollback(self) -> None:
        if self._writer.in_transaction:
            with contextlib.suppress(apsw.Error):  # tried again before the next group
                self._writer.execute("ROLLBACK")

    def _finish(self, loop: asyncio.AbstractEventLoop, group: list[_Pending], failed: BaseException | None) -> None:
        if failed is not None:
            _fail(group, _translate(failed))
        else:
            for pending in group:
                if not pending.future.done():
                    pending.future.set_result(pending.result)
        due = self._unlooked >= _LOG_LIMIT_PAGES
        if due:
            self._unlooked = 0
        if self._log_is_long or (due and self._checkpointing):
            self._let_go()
            # Other processes let go of what they hold when they next read, and then read past the log.
            self._watch.mark(False)
            restarting = loop.run_in_executor(self._checkpoints, self._restart_log)
            restarting.add_done_callback(lambda _done: self._next_group(loop))
            return
        if due:
            self._start_checkpoint(loop)
        loop.call_soon(self._next_group, loop)

    # The write-ahead log goes back into the database while nobody writes, and beside the writing when it has grown
    # long. Then writing waits only for what came meanwhile, and goes on at the start of the log. A disk that cannot
    # keep up is waited for.

    def _maintain(self, loop: asyncio.AbstractEventLoop) -> None:
        self._maintenance = None
        if not self._running:
            self._let_go()
            self._start_checkpoint(loop)

    def _start_checkpoint(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._closed:
            self._checkpointing = True
            loop.run_in_executor(self._checkpoints, self._checkpoint)

    def _checkpoint(self) -> None:
        try:
            with self._connected() as connection:
                pages, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                self._log_is_long = pages >= _LOG_LIMIT_PAGES
        except apsw.Error as error:
            log.warning("the log was not written back, and will be tried again: %s", error)
        finally:
            self._checkpointing = False

    def _restart_log(self) -> None:
        self._log_is_long = False
        try:
            with self._connected() as connection:
                connection.set_busy_timeout(_RESTART_WAIT_MS)
                connection.execute("PRAGMA wal_checkpoint(RESTART)")
        except apsw.Error as error:
            log.warning("the log was not begun anew, and will be tried again: %s", error)

    def _connected(self) -> contextlib.closing[apsw.Connection]:
        """A connection for the checkpoint thread. Raises apsw.Error."""
        connection = self._connect()
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durability == 'full' else 'NORMAL'}")
        return contextlib.closing(connection)

    def close(self) -> None:
        """Call when no change is under way."""
        self._closed = True
        if self._maintenance is not None:
            self._maintenance.cancel()
        self._thread.shutdown(wait=True)
        self._checkpoints.shutdown(wait=True)
        self._let_go()
        self._reader.close()
        self._writer.close()
        self._watch.close()


def _fail(group: list[_Pending], error: BaseException) -> None:
    for pending in group:
        if not pending.future.done():
            pending.future.set_exception(error)


_BUSY = (apsw.BusyError, apsw.LockedError)


def _translate(error: BaseException) -> BaseException:
    return StoreFullError() if isinstance(error, apsw.FullError | apsw.IOError) else error
