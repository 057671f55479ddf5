"""Former versions of items, kept while point-in-time recovery is on or a copy of the table is being made.

Each change leaves what was there before, under the item's key and the time. The state at a moment T is then, for each
item, the earliest version that was replaced at T or later, or else the present one: it can be read while writes go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from pileus.services.context import Cloud
from pileus.services.dynamodb import service
from pileus.services.dynamodb.catalog import Catalog
from pileus.services.dynamodb.schema import HISTORY, Table, past_prefix, table_head
from pileus.store.interface import Reader, Transaction
from pileus.store.keys import prefix_range, unpack

_STAMP = 8
_NOTHING = b""
"""The version of an item that was not there."""
_PIECE = 500


def stamp(seconds: float) -> bytes:
    return int(seconds * 1_000_000).to_bytes(_STAMP, "big")


def head(table: Table) -> bytes:
    return table_head(table.record.number, HISTORY)


def keep(tx: Transaction, table: Table, key: bytes, old: bytes | None, now: float) -> None:
    # Keys of items are prefix-free, so the versions of one lie together, in the order of items.
    place = head(table) + key[len(table.keys.head) :] + stamp(now)
    if tx.get(place) is None:
        tx.put(place, _NOTHING if old is None else old)


def state_at(
    reader: Reader, table: Table, moment: float, after: bytes = b"", limit: int = _PIECE
) -> tuple[list[bytes], bytes | None]:
    """Records of the table as they were at `moment`, from after one place on, and the place to go on from.

    A place is an item's key without the table's head. Read it in a snapshot or a transaction.
    """
    present = _present(reader, table, after, limit)
    former = _former(reader, table, stamp(moment), after, limit)
    records: list[bytes] = []
    last: bytes | None = None
    place, record = next(present, (None, b""))
    old_place, old = next(former, (None, b""))
    for _ in range(limit):
        if place is None and old_place is None:
            return records, None
        if old_place is None or (place is not None and place < old_place):
            last = place
            records.append(record)
            place, record = next(present, (None, b""))
            continue
        last = old_place
        if old:
            records.append(old)
        if place == old_place:
            place, record = next(present, (None, b""))
        old_place, old = next(former, (None, b""))
    return records, last


def _present(reader: Reader, table: Table, after: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
    start, end = table.keys.range()
    length = len(start)
    for key, record in reader.range(start + after + b"\0" if after else start, end, limit=limit):
        yield key[length:], record


def _former(reader: Reader, table: Table, moment: bytes, after: bytes, limit: int) -> Iterator[tuple[bytes, bytes]]:
    """Each item's version at the moment, where it has changed since."""
    start = head(table)
    length = len(start)
    current = after
    for key, version in reader.range(past_prefix(start + after) if after else start, past_prefix(start)):
        place, when = key[length:-_STAMP], key[-_STAMP:]
        if place == current or when < moment:
            continue
        current = place
        yield place, version


@service.every(3600, "history")
async def trim(cloud: Cloud) -> None:
    """Versions from before the recovery window, or that no copy needs any more."""
    for key, _ in list(cloud.store.range(*prefix_range("dynamodb", "table"))):
        account, region, name = (str(part) for part in unpack(key)[2:])
        table = cloud.part(Catalog).find(cloud.store, account, region, name)
        if table is not None:
            await _trim(cloud, table)


async def _trim(cloud: Cloud, table: Table) -> None:
    start, end = head(table), past_prefix(head(table))
    days = table.record.recovery_days
    oldest = stamp(cloud.clock.time() - days * 24 * 3600)
    if table.record.copying:
        return
    while True:
        found = [key for key, _ in cloud.store.range(start, end, limit=_PIECE)]
        if not found:
            return
        old = [key for key in found if key[-_STAMP:] < oldest or not days]

        def change(tx: Transaction, old: list[bytes] = old) -> None:
            for key in old:
                tx.delete(key)

        if old:
            await cloud.store.transact(change)
        start = found[-1] + b"\0"
        await asyncio.sleep(0)
