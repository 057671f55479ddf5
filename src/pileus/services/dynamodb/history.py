"""Former versions of items, kept while point-in-time recovery is on or a copy of the table is being made.

Each change leaves what was there before, under the item's key and the time. The state at a moment T is then, for each
item, the earliest version that was replaced at T or later, or else the present one: it can be read while writes go on.
"""

from __future__ import annotations

from pileus.services.dynamodb.schema import HISTORY, Table, table_head
from pileus.store.interface import Transaction

_STAMP = 8
NOTHING = b""
"""The version of an item that was not there."""


def stamp(seconds: float) -> bytes:
    return int(seconds * 1_000_000).to_bytes(_STAMP, "big")


def _entry(table: Table, key: bytes, moment: bytes) -> bytes:
    # The item's key is prefix-free, so the versions of one item lie together, in the order of items.
    return table_head(table.record.number, HISTORY) + key[len(table.keys.head) :] + moment


def keep(tx: Transaction, table: Table, key: bytes, old: bytes | None, now: float) -> None:
    place = _entry(table, key, stamp(now))
    if tx.get(place) is None:
        tx.put(place, NOTHING if old is None else old)
