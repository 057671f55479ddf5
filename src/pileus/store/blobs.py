"""Blobs: bytes too many for a record, each in a file of its own that never changes once it has its name.

A blob is written beside, fsynced, renamed, and its directory fsynced, before `write` answers: a crash leaves a whole
blob or none. What a crash can leave is a blob that no record names, because the transaction that would have named it
did not happen. Whoever lets `sweep` collect those claims each blob in the transaction that records it:

    blob = await blobs.write(body)
    await store.transact(lambda tx: (blobs.claim(tx, blob.key), objects.put(tx, bucket, key, value=...)))

and, to delete, releases it in the transaction that forgets it and calls `delete` after. An area is a directory apart
with claims apart, so that one service's sweep cannot touch another's blobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from pathlib import Path
from typing import NamedTuple, Self

from pileus.store.interface import Reader, Transaction
from pileus.store.keys import pack

PIECE = 256 * 1024
_GATHER = 1024 * 1024
"""Bytes gathered before they are written: a hop to a thread costs as much as writing 128 KiB."""
_ORPHAN_AGE = 3600.0
"""A blob without a claim is an orphan after this many seconds; between `write` and its transaction lie milliseconds."""
_NOT_CACHED_FLAG = getattr(os, "RWF_NOWAIT", 0)


class Blob(NamedTuple):
    key: str
    size: int


class TooLargeError(ValueError):
    """More bytes came than `limit`."""


class Blobs:
    def __init__(self, directory: Path, durability: str, name: str = "") -> None:
        self.directory = directory
        self.name = name
        self.durable = durability == "full"
        self._incoming = directory / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._areas: dict[str, Blobs] = {}

    def area(self, name: str) -> Blobs:
        """Blobs of one owner, in a directory of their own."""
        if name not in self._areas:
            self._areas[name] = Blobs(self.directory / "areas" / name, "full" if self.durable else "relaxed", name)
        return self._areas[name]

    def put_area(self, name: str, blobs: Blobs) -> None:
        """Has the area's blobs kept by another."""
        self._areas[name] = blobs

    def path(self, key: str) -> Path:
        return self.directory / key[:2] / key

    async def write(self, pieces: AsyncIterable[bytes], *, limit: int | None = None) -> Blob:
        """Stores what `pieces` yields, durably. Raises TooLargeError, OSError, and what `pieces` raises; then nothing
        stays."""
        key = secrets.token_hex(16)
        beside = self._incoming / key
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            size = 0
            gathered: list[bytes] = []
            waiting = 0
            async for piece in pieces:
                size += len(piece)
                if limit is not None and size > limit:
                    raise TooLargeError(f"more than {limit} bytes")
                gathered.append(piece)
                waiting += len(piece)
                if waiting >= _GATHER:
                    await asyncio.to_thread(_write_all, descriptor, gathered)
                    gathered, waiting = [], 0
            await asyncio.to_thread(self._finish, descriptor, gathered, beside, self.path(key))
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                beside.unlink()
            raise
        finally:
            os.close(descriptor)
        return Blob(key, size)

    def _finish(self, descriptor: int, gathered: list[bytes], beside: Path, final: Path) -> None:
        _write_all(descriptor, gathered)
        if self.durable:
            os.fsync(descriptor)
        try:
            beside.rename(final)
        except FileNotFoundError:
            final.parent.mkdir(exist_ok=True, mode=0o700)
            if self.durable:
                _sync_directory(self.directory)
            beside.rename(final)
        if self.durable:
            _sync_directory(final.parent)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Reading:
        """The bytes from `start`, `length` of them or all that follow, in pieces. The file is opened now: a deletion
        from here on does not disturb it. Raises FileNotFoundError."""
        return Reading(self.path(key), start, length)

    def delete(self, keys: Iterable[str]) -> None:
        """Removes blobs whose records are gone. Those already gone are no error."""
        for key in keys:
            with contextlib.suppress(FileNotFoundError):
                self.path(key).unlink()

    def defer(self, keys: Iterable[str]) -> None:
        """Leaves released blobs to the sweep after next, for readers that open one blob after the other."""
        for key in keys:
            with contextlib.suppress(FileNotFoundError):
                os.utime(self.path(key))

    def claim(self, tx: Transaction, key: str) -> None:
        tx.put(self._claim(key), b"")

    def release(self, tx: Transaction, key: str) -> None:
        tx.delete(self._claim(key))

    def _claim(self, key: str) -> bytes:
        return pack("blobs", self.name, key)

    async def sweep(self, reader: Reader, *, age: float = _ORPHAN_AGE) -> int:
        """Removes the files that nobody claimed and nobody touched for `age` seconds; how many is the answer."""
        before = time.time() - age
        removed = 0
        for directory in await asyncio.to_thread(_subdirectories, self.directory):
            for key in await asyncio.to_thread(_untouched, directory, before):
                if directory == self._incoming or reader.get(self._claim(key)) is None:
                    with contextlib.suppress(FileNotFoundError):
                        (directory / key).unlink()
                        removed += 1
            await asyncio.sleep(0)
        return removed

    def tidy(self, tx: Transaction) -> None:
        """Drops what a sweep has left without use, where it leaves anything."""


class Reading:
    """An open blob's bytes, 256 KiB at a time."""

    def __init__(self, path: Path, start: int, length: int | None) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._position = start
        self._left = length if length is not None else os.fstat(self._descriptor).st_size - start

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        wanted = min(PIECE, self._left)
        if wanted <= 0 or self._descriptor < 0:
            self.close()
            raise StopAsyncIteration
        piece = self._cached(wanted)
        if piece is None:
            piece = await asyncio.to_thread(os.pread, self._descriptor, wanted, self._position)
        if not piece:
            self.close()
            raise OSError("a blob is shorter than its record says")
        self._position += len(piece)
        self._left -= len(piece)
        return piece

    def _cached(self, wanted: int) -> bytes | None:
        """The bytes if the kernel has them in memory: a sixth of the cost of asking a thread for them."""
        if not _NOT_CACHED_FLAG:
            return None
        buffer = bytearray(wanted)
        try:
            got = os.preadv(self._descriptor, [buffer], self._position, _NOT_CACHED_FLAG)
        except OSError:
            return None
        return bytes(buffer) if got == wanted else bytes(buffer[:got]) or None

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            self.close()


def _write_all(descriptor: int, pieces: list[bytes]) -> None:
    view = memoryview(b"".join(pieces) if len(pieces) != 1 else pieces[0])
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _subdirectories(directory: Path) -> list[Path]:
    return [entry for entry in directory.iterdir() if entry.is_dir() and entry.name != "areas"]


def _untouched(directory: Path, before: float) -> list[str]:
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries if max(entry.stat().st_mtime, entry.stat().st_ctime) < before]
