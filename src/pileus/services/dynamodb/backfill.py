"""Filling a new global index, or the times of expiry of a table that gets a time to live, from the items there are.

Writes maintain the index from its first moment; the filling adds what was there before, a piece at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from pileus.services.context import Cloud
from pileus.services.dynamodb import expiry, jobs, statistics
from pileus.services.dynamodb.catalog import Catalog
from pileus.services.dynamodb.schema import (
    MAX_PARTITION_KEY,
    MAX_SORT_KEY,
    IndexPlan,
    Table,
    encode_key,
    encode_record,
    pack_record,
    record_item,
)
from pileus.services.dynamodb.values import Item, item_size
from pileus.store.interface import Transaction

_PIECE = 200


def queue(tx: Transaction, table: Table, index: str) -> None:
    """`index` is the one to fill, empty for the times of expiry."""
    record = table.record
    jobs.put(tx, "backfill", account=record.account, region=record.region, table=record.name, index=index)


@jobs.handles("backfill")
async def fill(cloud: Cloud, arguments: dict[str, Any]) -> None:
    catalog = cloud.part(Catalog)
    where = (arguments["account"], arguments["region"], arguments["table"])
    name = arguments["index"]
    after: bytes | None = None
    entries = size = 0
    number = 0
    while True:

        def piece(tx: Transaction, after: bytes | None = after) -> tuple[bytes | None, int, int, int]:
            table = catalog.find(tx, *where)
            if table is None:
                return None, 0, 0, 0
            add = _adder(table, name)
            if add is None:
                return None, 0, 0, 0
            start, end = table.keys.range()
            last = None
            count = grown = 0
            for key, record in tx.range(start if after is None else after + b"\0", end, limit=_PIECE):
                last = key
                added = add(tx, key, record_item(record))
                count += added > 0
                grown += added
            if last is None and name:
                _finish(tx, table, name)
            plan = table.by_name.get(name)
            return last, count, grown, plan.index.number if plan else 0

        after, count, grown, place = await cloud.store.transact(piece)
        entries += count
        size += grown
        number = place or number
        if after is None:
            break
        await asyncio.sleep(0)
    table = catalog.find(cloud.store, *where)
    if table is not None and number:
        # Writes meanwhile may have been counted twice; the count is approximate until the next recount.
        await cloud.store.transact(lambda tx: statistics.put(tx, table.record.number, number, entries, size))


def _adder(table: Table, name: str) -> Callable[[Transaction, bytes, Item], int] | None:
    if not name:
        return (lambda tx, key, item: _add_expiry(tx, table, key, item)) if table.record.ttl else None
    plan = table.by_name.get(name)
    if plan is None or plan.index.status != "CREATING":
        return None
    return lambda tx, key, item: _add_entry(tx, plan, item)


def _add_entry(tx: Transaction, plan: IndexPlan, item: Item) -> int:
    """Items that violate the index's key schema stay out of it, as on AWS. Answers the entry's size."""
    if not _fits(plan, item):
        return 0
    projected = plan.project(item)
    size = item_size(projected)
    tx.put(plan.keys.key(item), pack_record(projected, size))
    return size


def _fits(plan: IndexPlan, item: Item) -> bool:
    for place, (name, kind) in enumerate(plan.keys.attributes):
        value = item.get(name)
        if value is None or kind not in value or value[kind] == "":
            return False
        limit = MAX_PARTITION_KEY if place < len(plan.keys.partition) else MAX_SORT_KEY
        if kind != "N" and len(encode_key(value, kind)) - 1 > limit:
            return False
    return True


def _add_expiry(tx: Transaction, table: Table, key: bytes, item: Item) -> int:
    expiry.maintain(tx, table, key, None, item)
    return 0


def _finish(tx: Transaction, table: Table, name: str) -> None:
    indexes = tuple(
        msgspec.structs.replace(index, status="ACTIVE") if index.name == name else index
        for index in table.record.indexes
    )
    tx.put(table.store_key, encode_record(msgspec.structs.replace(table.record, indexes=indexes)))
