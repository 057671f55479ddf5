"""What every engine offers: one ordered, transactional key-value space.

Keys are made by `store.keys.pack` from typed tuples, so that bytes sort as the tuples do. Values are bytes. Engines
know nothing else; documents, queues, indexes are small libraries above (`store.records`), in the manner of
FoundationDB's layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Reader(Protocol):
    """Reads; on the store itself each call sees the newest commit, in a snapshot all see the same one."""

    def get(self, key: bytes) -> bytes | None: ...

    def range(
        self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < end, in key order (or the reverse). Long ranges come in chunks; only in a
        snapshot or a transaction are all of one moment."""
        ...


class Transaction(Reader, Protocol):
    """Reads its own writes. All its writes take effect, or none."""

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def delete_range(self, start: bytes, end: bytes) -> None: ...


class Store(Reader, Protocol):
    async def transact(self, change: Callable[[Transaction], T]) -> T:
        """Run `change` alone (serialisable) and answer its result once its writes are durable.

        `change` is an ordinary function without side effects outside the transaction: an engine may run it
        again. What it raises undoes its writes and reaches the caller. It runs on the event loop: keep it short.
        """
        ...

    def recall(self, key: bytes) -> bytes | None:
        """Like `get`, for a watched key (`store.watch.declare`): remembered until any watched key changes anywhere."""
        ...

    def moment(self) -> bytes:
        """Another value after every commit, whoever made it: while it is the same, what was read is still so."""
        ...

    def snapshot(self) -> AbstractContextManager[Reader]:
        """One consistent view for several reads. Do not await while it is open."""
        ...

    def close(self) -> None: ...
