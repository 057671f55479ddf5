"""Keys that every request looks at and that hardly ever change: remembered by each process, forgotten by all at once.

A key that begins with a declared prefix is watched. After a commit that changed one, and before anybody is answered,
the process writes a new random mark into a small file that all processes of the data directory have mapped; whoever
sees another mark than before forgets everything it remembered. Looking costs a memory read instead of a query.
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
    """The mark of one data directory, and what this process remembers since it last changed."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < _MARK_BYTES:
                os.ftruncate(descriptor, _MARK_BYTES)
            self._shared = mmap.mmap(descriptor, _MARK_BYTES)
        finally:
            os.close(descriptor)
        self._seen = b""
        self._remembered: dict[bytes, bytes | None] = {}
        # A process that died between its commit and its mark left the others behind: whoever replaces it marks.
        self.mark()

    def mark(self) -> None:
        self._shared[:] = os.urandom(_MARK_BYTES)

    def remembered(self) -> dict[bytes, bytes | None]:
        """What is still true. Look up and fill it without awaiting in between."""
        mark = self._shared[:]
        if mark != self._seen:
            self._seen = mark
            self._remembered = {}
        return self._remembered

    def close(self) -> None:
        self._shared.close()
