"""The changes of one SQLite transaction, one after the other, and what they write, which goes to SQLite at the end.

A statement costs more than what it does: a savepoint for each change, a look at the same record for each of sixteen
writes to a table, a second write of a key would all be statements. So what the changes read and write is kept here, by
key; a change that fails leaves nothing of it behind. Only a change that asks for a range needs SQLite to know, and gets
a savepoint of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apsw

from pileus.store.watch import is_watched, overlaps

_VALUE = "coalesce((SELECT large.value FROM large WHERE id = pairs.large), pairs.value)"
GET = f"SELECT {_VALUE} FROM pairs WHERE key = ?"  # noqa: S608 - a constant
_FORWARD = f"SELECT key, {_VALUE} FROM pairs WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"  # noqa: S608 - a constant
_REVERSE = f"SELECT key, {_VALUE} FROM pairs WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?"  # noqa: S608 - a constant
_PUT = (
    "INSERT INTO pairs (key, value, large) VALUES (?, ?, ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, large = excluded.large"
)
_PUT_LARGE = "INSERT INTO large (value) VALUES (?)"
_DELETE = "DELETE FROM pairs WHERE key = ?"
_DELETE_RANGE = "DELETE FROM pairs WHERE key >= ? AND key < ?"

_FIRST_CHUNK = 16
_CHUNK = 128
"""Pairs that a range fetches at once: few at first, since most readers show a short page and want no more."""
_INLINE_BYTES = 1900
"""Of a key and its value: what SQLite keeps whole in a page of a WITHOUT ROWID table."""
PAGE_BYTES = 8192


class Group:
    """What the changes of a transaction know and have written. All methods raise apsw.Error."""

    __slots__ = ("_connection", "_known", "_unwritten", "pages", "watched")

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: dict[bytes, bytes | None] = {}
        """As the changes so far have left it."""
        self._unwritten: dict[bytes, bytes | None] = {}
        self.pages = 0
        """Written to, at most."""
        self.watched = False
        """Whether a watched key was written."""

    def change(self) -> Change:
        return Change(self, self._connection)

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._known[key]
        except KeyError:
            value: bytes | None = self._connection.execute(GET, (key,)).get
            self._known[key] = value
            return value

    def take(self, written: Mapping[bytes, bytes | None]) -> None:
        """What a change has written, which is to be kept."""
        self._known.update(written)
        self._unwritten.update(written)

    def learn(self, written: Mapping[bytes, bytes | None], pages: int, *, forget: bool) -> None:
        """What a change has written to SQLite itself. `forget` says that it wrote more than it can tell."""
        if forget:
            self._known.clear()
        self._known.update(written)
        self.pages += pages
        self.note(written)

    def note(self, written: Iterable[bytes]) -> None:
        """Keys that were written."""
        self.watched = self.watched or any(map(is_watched, written))

    def flush(self) -> None:
        if self._unwritten:
            self.pages += write(self._connection, self._unwritten)
            self.note(self._unwritten)
            self._unwritten = {}


class Change:
    """Implements `store.interface.Transaction`: one change of a group. All methods raise apsw.Error."""

    __slots__ = ("_blind", "_connection", "_group", "_pages", "_saved", "_settled", "_written")

    def __init__(self, group: Group, connection: apsw.Connection) -> None:
        self._group = group
        self._connection = connection
        self._written: dict[bytes, bytes | None] = {}
        """What SQLite does not know yet."""
        self._settled: dict[bytes, bytes | None] = {}
        """What it knows, below a savepoint."""
        self._saved = False
        self._blind = False
        """Whether only SQLite knows what is there: a range of keys was deleted."""
        self._pages = 0

    def get(self, key: bytes) -> bytes | None:
        if key in self._written:
            return self._written[key]
        if self._saved:
            if key in self._settled:
                return self._settled[key]
            if self._blind:
                value: bytes | None = self._connection.execute(GET, (key,)).get
                return value
        return self._group.get(key)

    def range(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        return pairs(self._connection, start, end, reverse, limit, self._settle)

    def put(self, key: bytes, value: bytes) -> None:
        self._written[key] = value

    def delete(self, key: bytes) -> None:
        self._written[key] = None

    def delete_range(self, start: bytes, end: bytes) -> None:
        self._settle()
        self._save()
        self._connection.execute(_DELETE_RANGE, (start, end))
        self._pages += 1 + self._connection.changes()
        self._blind = True
        self._group.note(self._settled)
        self._settled = {}
        if overlaps(start, end):
            self._group.watched = True

    def _settle(self) -> None:
        """Lets SQLite know what was written so far, by the changes before this one too."""
        if not self._saved:
            self._group.flush()
        if self._written:
            self._save()
            self._pages += write(self._connection, self._written)
            self._settled.update(self._written)
            self._written = {}

    def _save(self) -> None:
        if not self._saved:
            self._connection.execute("SAVEPOINT change")
            self._saved = True

    def keep(self) -> None:
        if self._saved:
            self._settle()
            self._connection.execute("RELEASE change")
            self._group.learn(self._settled, self._pages, forget=self._blind)
        elif self._written:
            self._group.take(self._written)

    def undo(self) -> None:
        if self._saved:
            self._connection.execute("ROLLBACK TO change")
            self._connection.execute("RELEASE change")


def write(connection: apsw.Connection, pairs: Mapping[bytes, bytes | None]) -> int:
    """Puts each value under its key, and deletes the keys that have none. Answers how many pages that touches, at
    most."""
    pages = len(pairs)
    small: list[tuple[bytes, bytes, int | None]] = []
    gone: list[tuple[bytes]] = []
    for key, value in pairs.items():
        if value is None:
            gone.append((key,))
        elif len(key) + len(value) <= _INLINE_BYTES:
            small.append((key, value, None))
        else:
            pages += len(value) // PAGE_BYTES + 1
            connection.execute(_PUT_LARGE, (value,))
            small.append((key, b"", connection.last_insert_rowid()))
    if gone:
        connection.executemany(_DELETE, gone)
    if small:
        connection.executemany(_PUT, small)
    return pages


def pairs(
    connection: apsw.Connection,
    start: bytes,
    end: bytes,
    reverse: bool,
    limit: int | None,
    before: Callable[[], None],
) -> Iterator[tuple[bytes, bytes]]:
    """In chunks, each read to its end at once, after a call of `before`: an open cursor would be disturbed by a
    change's own writes, and would hold the connection at an old state for as long as somebody keeps it."""
    statement = _REVERSE if reverse else _FORWARD
    left = limit
    chunk = _FIRST_CHUNK
    while left is None or left > 0:
        size = chunk if left is None else min(_CHUNK, left)
        before()
        rows: list[Any] = connection.execute(statement, (start, end, size)).fetchall()
        yield from rows
        if len(rows) < size:
            return
        if reverse:
            end = rows[-1][0]
        else:
            start = rows[-1][0] + b"\0"
        if left is not None:
            left -= size
        chunk = _CHUNK
