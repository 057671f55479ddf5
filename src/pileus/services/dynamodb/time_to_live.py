"""UpdateTimeToLive, DescribeTimeToLive, and the deletion of what has expired.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
"""

from __future__ import annotations

import asyncio

from pileus.services.context import Cloud, Context
from pileus.services.dynamodb import backfill, cleaning, expiry, jobs, service
from pileus.services.dynamodb.access import on_table
from pileus.services.dynamodb.catalog import Catalog, described_table
from pileus.services.dynamodb.errors import validation
from pileus.services.dynamodb.schema import Table, TableRecord
from pileus.services.dynamodb.statistics import Statistics
from pileus.services.dynamodb.tables import change_table, copy_of
from pileus.services.dynamodb.writes import Write, check_table
from pileus.services.operation import Shape
from pileus.store.interface import Transaction
from pileus.store.keys import prefix_range, unpack

_PIECE = 100
_IDENTITY = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}


@service.operation("UpdateTimeToLive", access=on_table("UpdateTimeToLive"))
async def update_time_to_live(context: Context, request: Shape) -> Shape:
    specification = request["TimeToLiveSpecification"]
    name, enabled = specification["AttributeName"], specification["Enabled"]
    described_table(context, request["TableName"])

    def change(tx: Transaction, table: Table) -> TableRecord:
        current = table.record.ttl
        if enabled:
            if current == name:
                raise validation("TimeToLive is already enabled")
            if current:
                raise validation(
                    f"TimeToLive is active on a different AttributeName: current AttributeName is {current}"
                )
            backfill.queue(tx, table, "")
            number = table.record.next_index
            return copy_of(table.record, ttl=name, ttl_index=number, next_index=number + 1)
        if not current:
            raise validation("TimeToLive is already disabled")
        if current != name:
            raise validation(f"TimeToLive is active on a different AttributeName: current AttributeName is {current}")
        cleaning.discard_index(tx, table, table.record.ttl_index)
        return copy_of(table.record, ttl="")

    await change_table(context, request["TableName"], change)
    jobs.start(context.cloud)
    cleaning.start(context.cloud)
    return {"TimeToLiveSpecification": {"AttributeName": name, "Enabled": enabled}}


@service.operation("DescribeTimeToLive", access=on_table("DescribeTimeToLive"))
async def describe_time_to_live(context: Context, request: Shape) -> Shape:
    name = described_table(context, request["TableName"]).record.ttl
    description: Shape = {"TimeToLiveStatus": "ENABLED" if name else "DISABLED"}
    if name:
        description["AttributeName"] = name
    return {"TimeToLiveDescription": description}


@service.every(2, "expiry")
async def delete_expired(cloud: Cloud) -> None:
    for key, _ in list(cloud.store.range(*prefix_range("dynamodb", "table"))):
        account, region, name = (str(part) for part in unpack(key)[2:])
        table = cloud.part(Catalog).find(cloud.store, account, region, name)
        if table is not None and table.record.ttl:
            await _delete_expired(cloud, table)


async def _delete_expired(cloud: Cloud, table: Table) -> None:
    """A piece at a time. Each item is looked at again in the transaction that deletes it."""
    while True:
        now = cloud.clock.time()
        start, end = expiry.due(table, now)
        due = [key for key, _ in cloud.store.range(start, end, limit=_PIECE)]
        if not due:
            return
        writes = [Write(table, expiry.item_key(table, entry), identity=_IDENTITY) for entry in due]

        def change(tx: Transaction, writes: list[Write] = writes, due: list[bytes] = due, now: float = now) -> None:
            check_table(tx, table)
            for write, entry in zip(writes, due, strict=True):
                if tx.get(entry) is not None:
                    write.perform(tx, now)
                    tx.delete(entry)

        await cloud.store.transact(change)
        statistics = cloud.part(Statistics)
        for write in writes:
            statistics.add(write)
        await asyncio.sleep(0)
