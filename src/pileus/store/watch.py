"""What processes tell each other of their commits, and the keys that they remember until one says that they changed.

After a commit, and before anybody is answered, a process writes a new mark into a small file that all processes of the
data directory have mapped: looking costs a memory read instead of a query. There are two marks. The one for every
commit tells readers that the state which they hold is no longer the newest. The one for watched keys (those that begin
with a declared prefix: every request looks at them, and they hardly ever change) makes all processes forget what they
remember of them.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

_MARK_BYTES = 8

_prefixes: tuple[bytes, ...] = ()


def declare(prefix: bytes) -> None:
    """Watches all keys that begin with `prefix`. Called while modules are imported, so that every process of a data
    directory watches the same."""
    global _prefixes
    _prefixes = (*_prefixes, prefix)


def is_watched(key: bytes) -> bool:
    return key.startswith(_prefixes)


def overlaps(start: bytes, end: bytes) -> bool:
    """Whether a range of keys may hold a watched one."""
    return any(start < prefix + b"\xff" and end > prefix for prefix in _prefixes)


class Watch:
    """The marks of one data directory, and what this process remembers since the watched keys last changed."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < 2 * _MARK_BYTES:
                os.ftruncate(descriptor, 2 * _MARK_BYTES)
            self._shared = mmap.mmap(descriptor, 2 * _MARK_BYTES)
        finally:
            os.close(descriptor)
        # No mark comes twice, whichever process writes it: a reader could miss the change in between.
        self._own = os.urandom(_MARK_BYTES // 2)
        self._count = 0
        self._seen = b""
        self._remembered: dict[bytes, bytes | None] = {}
        # A process that died between its commit and its mark left the others behind: whoever replaces it marks.
        self.mark(True)

    def mark(self, watched: bool) -> None:
        """Tells of a commit, and whether it changed a watched key."""
        self._count = (self._count + 1) & 0xFFFFFFFF
        mark = self._own + self._count.to_bytes(_MARK_BYTES // 2, "little")
        # This one first: who sees the second forgets, and must not then remember the state before this commit again.
        self._shared[:_MARK_BYTES] = mark
        if watched:
            self._shared[_MARK_BYTES:] = mark

    def commits(self) -> bytes:
        """Another value after every commit, in whichever process."""
        return self._shared[:_MARK_BYTES]

    def remembered(self) -> dict[bytes, bytes | None]:
        """What is still true. Look up and fill it without awaiting in between."""
        mark = self._shared[_MARK_BYTES:]
        if mark != self._seen:
            self._seen = mark
            self._remembered = {}
        return self._remembered

    def close(self) -> None:
        self._shared.close()
