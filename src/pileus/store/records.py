"""Records: typed structures under tuple keys, the way services keep what they know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from pileus.store.interface import Reader, Transaction
from pileus.store.keys import Element, pack, prefix_range, unpack

T = TypeVar("T")


class Records(Generic[T]):
    """A collection of values of one type (a msgspec.Struct or dict), each under a key of one or more elements.

    `Records(Role, "iam", "role")` keeps a role of account A named N by `put(tx, A, N, value=role)`.
    """

    def __init__(self, kind: type[T], *prefix: Element) -> None:
        self._prefix = prefix
        self._head = pack(*prefix)
        self._encode = msgspec.msgpack.Encoder().encode
        self.decode = msgspec.msgpack.Decoder(kind).decode

    def key(self, *key: Element) -> bytes:
        return self._head + pack(*key)

    def get(self, reader: Reader, *key: Element) -> T | None:
        value = reader.get(self._head + pack(*key))
        return None if value is None else self.decode(value)

    def put(self, tx: Transaction, *key: Element, value: T) -> None:
        tx.put(self._head + pack(*key), self._encode(value))

    def delete(self, tx: Transaction, *key: Element) -> None:
        tx.delete(self._head + pack(*key))

    def scan(
        self,
        reader: Reader,
        *within: Element,
        after: tuple[Element, ...] | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Iterator[tuple[tuple[Element, ...], T]]:
        """(key, value) of all records whose keys begin with `within`, in key order.

        `after`, a whole key, leaves out all up to and including it (for reverse, all from it on): paging.
        """
        start, end = prefix_range(*self._prefix, *within)
        if after is not None:
            if reverse:
                end = self.key(*after)
            else:
                start = self.key(*after) + b"\0"
        skip = len(self._prefix)
        for key, value in reader.range(start, end, reverse=reverse, limit=limit):
            yield unpack(key)[skip:], self.decode(value)

    def delete_all(self, tx: Transaction, *within: Element) -> None:
        tx.delete_range(*prefix_range(*self._prefix, *within))
