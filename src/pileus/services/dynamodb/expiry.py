"""Time to live: items by their time of expiry, so that nothing else is looked at to find the expired ones.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
"""

from __future__ import annotations

from decimal import Decimal

from pileus.services.dynamodb.schema import Table, table_head
from pileus.services.dynamodb.values import Item
from pileus.store.interface import Transaction

_FIVE_YEARS = 5 * 365 * 24 * 3600
_LATEST = 2**63


def expires(table: Table, item: Item | None) -> int | None:
    """Second of the item's expiry, where it has one."""
    value = None if item is None else item.get(table.record.ttl)
    if value is None or "N" not in value:
        return None
    seconds = int(Decimal(value["N"]))
    return seconds if 0 < seconds < _LATEST else None


def entry(table: Table, seconds: int, key: bytes) -> bytes:
    return table_head(table.record.number, table.record.ttl_index) + seconds.to_bytes(8, "big") + key


def maintain(tx: Transaction, table: Table, key: bytes, before: Item | None, after: Item | None) -> None:
    old, new = expires(table, before), expires(table, after)
    if old == new:
        return
    if old is not None:
        tx.delete(entry(table, old, key))
    if new is not None:
        tx.put(entry(table, new, key), b"")


def due(table: Table, now: float) -> tuple[bytes, bytes]:
    """The range of entries that have expired by now. What expired more than five years ago is left alone, as on AWS:
    it is taken for a number that means something else."""
    head = table_head(table.record.number, table.record.ttl_index)
    oldest = max(int(now) - _FIVE_YEARS, 0)
    return head + oldest.to_bytes(8, "big"), head + (int(now) + 1).to_bytes(8, "big")


def item_key(table: Table, entry_key: bytes) -> bytes:
    return entry_key[len(table_head(table.record.number, table.record.ttl_index)) + 8 :]
