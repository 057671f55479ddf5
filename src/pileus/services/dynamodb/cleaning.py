"""Clearing away what deleted tables and indexes leave behind, a piece at a time, so that nothing waits for it."""

from __future__ import annotations

import asyncio
from typing import cast

from pileus.services.context import Cloud
from pileus.services.dynamodb import service, statistics, tag_records
from pileus.services.dynamodb.schema import Table, past_prefix, table_head
from pileus.store.interface import Transaction
from pileus.store.keys import pack, prefix_range, unpack

_PIECE = 500
_QUEUE = ("dynamodb", "discarded")


def discard(tx: Transaction, table: Table, now: float) -> None:
    """All that lies under a table's number is to go; its stream can be read for another day."""
    number = table.record.number
    _queue(tx, *prefix_range("ddb", number))
    statistics.forget(tx, number)
    tag_records.forget(tx, number)
    end_stream(tx, table, now)


def discard_index(tx: Transaction, table: Table, index: int) -> None:
    head = table_head(table.record.number, index)
    _queue(tx, head, past_prefix(head))


def _queue(tx: Transaction, start: bytes, end: bytes) -> None:
    tx.put(pack(*_QUEUE, start), end)


def end_stream(tx: Transaction, table: Table, now: float) -> None:
    stream = table.record.stream
    if stream is None or not stream.enabled:
        return
    where = (table.record.account, table.record.region, table.record.name, stream.label)
    entry = tag_records.streams.get(tx, *where)
    if entry is not None:
        entry.stream.enabled = False
        entry.stream.ended = now
        tag_records.streams.put(tx, *where, value=entry)


async def clear(cloud: Cloud) -> None:
    """Everything that is queued. Safe to run twice at once and to be cut off anywhere."""
    while True:
        queued = next(iter(cloud.store.range(*prefix_range(*_QUEUE), limit=1)), None)
        if queued is None:
            return
        entry, end = queued
        start = cast(bytes, unpack(entry)[2])

        def change(tx: Transaction, entry: bytes = entry, start: bytes = start, end: bytes = end) -> None:
            found = [key for key, _ in tx.range(start, end, limit=_PIECE)]
            if found:
                tx.delete_range(start, found[-1] + b"\0")
            if len(found) < _PIECE:
                tx.delete(entry)

        await cloud.store.transact(change)
        await asyncio.sleep(0)


class _Running:
    """Keeps the task from being collected while it runs."""

    def __init__(self, cloud: Cloud) -> None:
        self.task: asyncio.Task[None] | None = None


def start(cloud: Cloud) -> None:
    running = cloud.part(_Running)
    if running.task is None or running.task.done():
        running.task = asyncio.get_running_loop().create_task(clear(cloud))


@service.every(60, "cleaning")
async def clear_leftovers(cloud: Cloud) -> None:
    """What a killed process had not cleared."""
    await clear(cloud)
