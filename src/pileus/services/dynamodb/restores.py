"""RestoreTableFromBackup, RestoreTableToPointInTime.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Restore.Tutorial.html
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec

from pileus.aws.errors import AWSError
from pileus.services.context import Cloud, Context
from pileus.services.dynamodb import copies, jobs, service
from pileus.services.dynamodb.access import table_access
from pileus.services.dynamodb.backups import backed_up_records, backup_arn, find
from pileus.services.dynamodb.catalog import Catalog, check_name
from pileus.services.dynamodb.definitions import global_indexes, local_indexes, throughput_of, unsupported
from pileus.services.dynamodb.descriptions import describe
from pileus.services.dynamodb.errors import validation
from pileus.services.dynamodb.recovery import backed_up_table, earliest
from pileus.services.dynamodb.schema import Table, TableRecord, Throughput, encode_record, record_item
from pileus.services.dynamodb.statistics import Statistics
from pileus.services.dynamodb.tables import NewTable, change_table, copy_of, create
from pileus.services.dynamodb.writes import Write, check_table
from pileus.services.operation import Access, Shape
from pileus.store.interface import Transaction

_PIECE = 200
_ACTIONS = ("dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem",
            "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem")  # fmt: skip


def _target_access(context: Context, action: str, request: Shape) -> Iterable[Access]:
    """A restore needs what it takes to fill the new table."""
    for needed in (action, *(name.partition(":")[2] for name in _ACTIONS)):
        yield table_access(context, needed, request["TargetTableName"], request=request)


def _from_backup_access(context: Context, request: Shape) -> Iterable[Access]:
    yield Access("dynamodb:RestoreTableFromBackup", request["BackupArn"])
    yield from _target_access(context, "RestoreTableFromBackup", request)


def _to_point_access(context: Context, request: Shape) -> Iterable[Access]:
    source = request.get("SourceTableArn") or request.get("SourceTableName") or ""
    if source:
        yield table_access(context, "RestoreTableToPointInTime", source, request=request)
    yield from _target_access(context, "RestoreTableToPointInTime", request)


def _target(context: Context, request: Shape, source: TableRecord, summary: dict[str, Any]) -> NewTable:
    """The table to restore into: as the source was, but for what the request overrides, streams and time to live."""
    name = request["TargetTableName"]
    check_name(name, "TargetTableName")
    unsupported(request, "SSESpecificationOverride")
    billing = request.get("BillingModeOverride") or source.billing
    throughput = source.throughput
    if request.get("ProvisionedThroughputOverride"):
        throughput = throughput_of(request["ProvisionedThroughputOverride"])
    if billing == "PAY_PER_REQUEST":
        throughput = Throughput()
    local = [index for index in source.indexes if not index.is_global]
    others = [index for index in source.indexes if index.is_global]
    types = dict(source.attributes)
    if request.get("LocalSecondaryIndexOverride") is not None:
        given = request["LocalSecondaryIndexOverride"]
        local = local_indexes(given, types, (source.partition, source.sort)) if given else []
    if request.get("GlobalSecondaryIndexOverride") is not None:
        given = request["GlobalSecondaryIndexOverride"]
        others = global_indexes(given, types, billing, local) if given else []
    indexes = tuple(
        msgspec.structs.replace(index, number=number, status="ACTIVE")
        for number, index in enumerate([*local, *others], 1)
    )
    used = {source.partition, source.sort}.union(*(index.partition + index.sort for index in indexes))
    now = context.cloud.clock.time()
    return NewTable(
        TableRecord(
            account=context.account,
            region=context.region,
            name=name,
            id=str(uuid.uuid4()),
            number=0,
            created=now,
            attributes={name: kind for name, kind in types.items() if name in used},
            partition=source.partition,
            sort=source.sort,
            indexes=indexes,
            next_index=len(indexes) + 1,
            status="CREATING",
            billing=billing,
            on_demand_since=now if billing == "PAY_PER_REQUEST" else 0.0,
            throughput=throughput,
            on_demand=dict(request.get("OnDemandThroughputOverride") or source.on_demand),
            table_class=source.table_class,
            restored={**summary, "RestoreInProgress": True},
        )
    )


async def _start(context: Context, new: NewTable, **source: Any) -> Shape:
    try:
        table = await create(context, new)
    except AWSError as error:
        if error.code == "ResourceInUseException":
            raise AWSError("TableAlreadyExistsException", f"Table already exists: {new.record.name}") from None
        raise
    record = table.record

    def change(tx: Transaction) -> None:
        target = {"account": record.account, "region": record.region, "table": record.name, "number": record.number}
        jobs.put(tx, "restore", **target, **source)

    await context.store.transact(change)
    jobs.start(context.cloud)
    return {"TableDescription": describe(context, table)}


@service.operation(
    "RestoreTableFromBackup",
    access=_from_backup_access,
    actions=("dynamodb:RestoreTableFromBackup", *_ACTIONS),
)
async def restore_table_from_backup(context: Context, request: Shape) -> Shape:
    backup = find(context, request["BackupArn"])
    if backup.status != "AVAILABLE":
        raise AWSError("BackupInUseException", f"Backup is being created: {request['BackupArn']}")
    summary = {"SourceBackupArn": backup_arn(backup), "RestoreDateTime": context.cloud.clock.time()}
    new = _target(context, request, backup.table, summary)
    return await _start(context, new, backup=backup.id)


@service.operation(
    "RestoreTableToPointInTime",
    access=_to_point_access,
    actions=("dynamodb:RestoreTableToPointInTime", *_ACTIONS),
)
async def restore_table_to_point_in_time(context: Context, request: Shape) -> Shape:
    name = request.get("SourceTableArn") or request.get("SourceTableName")
    if not name:
        raise validation("One of SourceTableArn or SourceTableName must be specified")
    table = backed_up_table(context, name)
    record = table.record
    if not record.recovery_days:
        raise AWSError(
            "PointInTimeRecoveryUnavailableException",
            f"Point in time recovery is not enabled for table '{record.name}'",
        )
    now = context.cloud.clock.time()
    wanted = now if request.get("UseLatestRestorableTime") else None
    if request.get("RestoreDateTime") is not None:
        if wanted is not None:
            raise validation("Only one of RestoreDateTime and UseLatestRestorableTime can be specified")
        wanted = request["RestoreDateTime"].timestamp()
    if wanted is None:
        raise validation("One of RestoreDateTime or UseLatestRestorableTime must be specified")
    if not earliest(record, now) <= wanted <= now:
        raise AWSError(
            "InvalidRestoreTimeException",
            "RestoreDateTime must be between EarliestRestorableDateTime and LatestRestorableDateTime",
        )
    summary = {"SourceTableArn": table.arn, "RestoreDateTime": wanted}
    new = _target(context, request, record, summary)

    def begin(tx: Transaction, table: Table) -> TableRecord:
        return copies.begin(table, now)

    where = (record.account, record.region, record.name)
    await change_table(context, table.arn, begin)
    try:
        return await _start(context, new, source=where, source_number=record.number, moment=wanted)
    except AWSError:
        await copies.end(context.cloud, where, record.number)
        raise


@jobs.handles("restore")
async def _restore(cloud: Cloud, arguments: dict[str, Any]) -> None:
    where = (arguments["account"], arguments["region"], arguments["table"])
    catalog = cloud.part(Catalog)
    async for records in _source(cloud, arguments):
        table = catalog.find(cloud.store, *where)
        if table is None or table.record.number != arguments["number"]:
            break
        for first in range(0, len(records), _PIECE):
            await fill(cloud, table, records[first : first + _PIECE])
            await asyncio.sleep(0)
    await cloud.store.transact(lambda tx: finish(cloud, tx, where, arguments["number"]))
    if "source" in arguments:
        account, region, name = arguments["source"]
        await copies.end(cloud, (account, region, name), arguments["source_number"])


async def _source(cloud: Cloud, arguments: dict[str, Any]) -> AsyncIterator[list[bytes]]:
    if "backup" in arguments:
        first = 0
        while records := backed_up_records(cloud, arguments["backup"], first, _PIECE):
            yield records
            first += len(records)
        return
    account, region, name = arguments["source"]
    async for records in copies.records_at(
        cloud, (account, region, name), arguments["source_number"], arguments["moment"]
    ):
        yield records


async def fill(cloud: Cloud, table: Table, records: list[bytes]) -> None:
    writes = [Write(table, table.keys.key(record_item(record)), record=record) for record in records]
    now = cloud.clock.time()

    def change(tx: Transaction) -> None:
        check_table(tx, table)
        for write in writes:
            write.perform(tx, now)

    await cloud.store.transact(change)
    statistics = cloud.part(Statistics)
    for write in writes:
        statistics.add(write)


def finish(cloud: Cloud, tx: Transaction, where: tuple[str, str, str], number: int) -> None:
    table = cloud.part(Catalog).find(tx, *where)
    if table is not None and table.record.number == number:
        restored = {**table.record.restored, "RestoreInProgress": False} if table.record.restored else {}
        tx.put(table.store_key, encode_record(copy_of(table.record, status="ACTIVE", restored=restored)))
