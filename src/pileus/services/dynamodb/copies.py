"""Copies of a table as it was at one moment: what backups, restores and exports are made of.

While a copy is made the table keeps the former versions of what changes (`history`), so that a piece that is read later
is as it was at the moment too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pileus.services.context import Cloud
from pileus.services.dynamodb import history
from pileus.services.dynamodb.catalog import Catalog
from pileus.services.dynamodb.schema import Table, TableRecord, encode_record
from pileus.services.dynamodb.tables import copy_of
from pileus.store.interface import Transaction

Where = tuple[str, str, str]


def begin(table: Table, now: float) -> TableRecord:
    """The table's record while one more copy is under way."""
    record = table.record
    return copy_of(record, copying=record.copying + 1, history_since=record.history_since or now)


async def end(cloud: Cloud, where: Where, number: int) -> None:
    """The copy is made; the versions that were kept for it go."""

    def change(tx: Transaction) -> None:
        table = cloud.part(Catalog).find(tx, *where)
        if table is None or table.record.number != number or not table.record.copying:
            return
        copying = table.record.copying - 1
        kept = table.record.history_since if copying or table.record.recovery_days else 0.0
        tx.put(table.store_key, encode_record(copy_of(table.record, copying=copying, history_since=kept)))

    await cloud.store.transact(change)


class SourceGoneError(Exception):
    """The table was deleted before its copy was complete."""


async def records_at(cloud: Cloud, where: Where, number: int, moment: float) -> AsyncIterator[list[bytes]]:
    """The records of a table as they were at `moment`, piece by piece."""
    after: bytes | None = b""
    while after is not None:
        table = cloud.part(Catalog).find(cloud.store, *where)
        if table is None or table.record.number != number:
            raise SourceGoneError
        with cloud.store.snapshot() as snapshot:
            records, after = history.state_at(snapshot, table, moment, after)
        yield records
        await asyncio.sleep(0)
