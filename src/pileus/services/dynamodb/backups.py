"""On-demand backups: CreateBackup, DescribeBackup, ListBackups, DeleteBackup.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/BackupRestore.html
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import msgspec

from pileus.aws import arn as arns
from pileus.aws.errors import AWSError
from pileus.services.context import Cloud, Context
from pileus.services.dynamodb import copies, jobs, service
from pileus.services.dynamodb.access import everything, on_table
from pileus.services.dynamodb.descriptions import describe, moment
from pileus.services.dynamodb.recovery import backed_up_table
from pileus.services.dynamodb.schema import Table, TableRecord, record_size
from pileus.services.dynamodb.tables import change_table
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store.interface import Transaction
from pileus.store.keys import pack, prefix_range
from pileus.store.records import Records


class Backup(msgspec.Struct):
    """What is known of a backup; its items lie under its ARN's last part."""

    id: str
    name: str
    account: str
    region: str
    created: float
    table: TableRecord
    status: str = "CREATING"
    items: int = 0
    size: int = 0


_backups = Records(Backup, "dynamodb", "backup")


def _items(identity: str) -> tuple[bytes, bytes]:
    return prefix_range("ddbk", identity)


def backup_arn(backup: Backup) -> str:
    return arns.arn("dynamodb", backup.region, backup.account, f"table/{backup.table.name}/backup/{backup.id}")


def find(context: Context, arn: str) -> Backup:
    try:
        parsed = arns.parse(arn)
        parts = parsed.resource.split("/")
    except ValueError:
        parts = []
    if len(parts) != 4 or parts[2] != "backup":
        raise AWSError("ValidationException", f"Invalid BackupArn: {arn}")
    backup = _backups.get(context.store, parsed.account, parsed.region, parts[3])
    if backup is None:
        raise AWSError("BackupNotFoundException", f"Backup not found: {arn}")
    return backup


def on_backup(action: str) -> AccessRule:
    def access(context: Context, request: Shape) -> Iterable[Access]:
        return (Access(f"dynamodb:{action}", request["BackupArn"]),)

    return access


def _details(backup: Backup) -> Shape:
    return {
        "BackupArn": backup_arn(backup),
        "BackupName": backup.name,
        "BackupSizeBytes": backup.size,
        "BackupStatus": backup.status,
        "BackupType": "USER",
        "BackupCreationDateTime": moment(backup.created),
    }


@service.operation("CreateBackup", access=on_table("CreateBackup"))
async def create_backup(context: Context, request: Shape) -> Shape:
    table = backed_up_table(context, request["TableName"])
    identity = f"{int(context.cloud.clock.time() * 1000):014d}-{secrets.token_hex(4)}"
    made: list[Backup] = []

    def change(tx: Transaction, table: Table) -> TableRecord:
        now = context.cloud.clock.time()
        record = table.record
        backup = Backup(identity, request["BackupName"], record.account, record.region, now, record)
        made[:] = [backup]
        _backups.put(tx, record.account, record.region, identity, value=backup)
        jobs.put(tx, "backup", account=record.account, region=record.region, id=identity)
        return copies.begin(table, now)

    await change_table(context, table.arn, change)
    jobs.start(context.cloud)
    return {"BackupDetails": _details(made[0])}


@jobs.handles("backup")
async def _copy(cloud: Cloud, arguments: dict[str, Any]) -> None:
    place = (arguments["account"], arguments["region"], arguments["id"])
    backup = _backups.get(cloud.store, *place)
    if backup is None:
        return
    where = (backup.account, backup.region, backup.table.name)
    # A job that is taken up again starts anew.
    await cloud.store.transact(lambda tx: tx.delete_range(*_items(arguments["id"])))
    count = size = 0
    async for records in copies.records_at(cloud, where, backup.table.number, backup.created):

        def change(tx: Transaction, first: int = count, records: list[bytes] = records) -> None:
            for number, record in enumerate(records, first):
                tx.put(pack("ddbk", arguments["id"], number), record)

        await cloud.store.transact(change)
        count += len(records)
        size += sum(map(record_size, records))

    def finish(tx: Transaction) -> None:
        current = _backups.get(tx, *place)
        if current is not None:
            current.status, current.items, current.size = "AVAILABLE", count, size
            _backups.put(tx, *place, value=current)

    await cloud.store.transact(finish)
    await copies.end(cloud, where, backup.table.number)


@service.operation("DescribeBackup", access=on_backup("DescribeBackup"))
async def describe_backup(context: Context, request: Shape) -> Shape:
    return {"BackupDescription": _description(context, find(context, request["BackupArn"]))}


def _description(context: Context, backup: Backup) -> Shape:
    table = describe(context, Table.of(backup.table))
    details: Shape = {
        "TableName": backup.table.name,
        "TableId": backup.table.id,
        "TableArn": table["TableArn"],
        "TableSizeBytes": backup.size,
        "KeySchema": table["KeySchema"],
        "TableCreationDateTime": table["CreationDateTime"],
        "ProvisionedThroughput": {
            "ReadCapacityUnits": backup.table.throughput.read,
            "WriteCapacityUnits": backup.table.throughput.write,
        },
        "ItemCount": backup.items,
        "BillingMode": backup.table.billing,
    }
    features: Shape = {}
    for member in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        if member in table:
            kept = ("IndexName", "KeySchema", "Projection")
            features[member] = [{name: index[name] for name in kept} for index in table[member]]
    if "StreamSpecification" in table:
        features["StreamDescription"] = table["StreamSpecification"]
    if backup.table.ttl:
        features["TimeToLiveDescription"] = {"TimeToLiveStatus": "ENABLED", "AttributeName": backup.table.ttl}
    return {
        "BackupDetails": _details(backup),
        "SourceTableDetails": details,
        "SourceTableFeatureDetails": features,
    }


@service.operation("ListBackups", access=everything("ListBackups"))
async def list_backups(context: Context, request: Shape) -> Shape:
    limit = request.get("Limit") or 100
    wanted = request.get("TableName")
    if wanted and wanted.startswith("arn:"):
        wanted = wanted.rpartition("/")[2]
    low, high = request.get("TimeRangeLowerBound"), request.get("TimeRangeUpperBound")
    kind = request.get("BackupType") or "ALL"
    start = request.get("ExclusiveStartBackupArn")
    after = (context.account, context.region, start.rpartition("/")[2]) if start else None
    found: list[Backup] = []
    for _, backup in _backups.scan(context.store, context.account, context.region, after=after):
        if (
            kind in ("ALL", "USER")
            and (not wanted or backup.table.name == wanted)
            and (low is None or backup.created >= low.timestamp())
            and (high is None or backup.created < high.timestamp())
        ):
            found.append(backup)
            if len(found) > limit:
                break
    response: Shape = {"BackupSummaries": [_summary(backup) for backup in found[:limit]]}
    if len(found) > limit:
        response["LastEvaluatedBackupArn"] = backup_arn(found[limit - 1])
    return response


def _summary(backup: Backup) -> Shape:
    record = backup.table
    table_arn = arns.arn("dynamodb", backup.region, backup.account, f"table/{record.name}")
    return {"TableName": record.name, "TableId": record.id, "TableArn": table_arn, **_details(backup)}


@service.operation("DeleteBackup", access=on_backup("DeleteBackup"))
async def delete_backup(context: Context, request: Shape) -> Shape:
    backup = find(context, request["BackupArn"])
    if backup.status == "CREATING":
        raise AWSError("BackupInUseException", f"Backup is being created: {request['BackupArn']}")
    description = _description(context, backup)
    description["BackupDetails"]["BackupStatus"] = "DELETED"

    def change(tx: Transaction) -> None:
        _backups.delete(tx, backup.account, backup.region, backup.id)
        tx.delete_range(*_items(backup.id))

    await context.store.transact(change)
    return {"BackupDescription": description}


def backed_up_records(cloud: Cloud, identity: str, first: int, limit: int) -> list[bytes]:
    end = _items(identity)[1]
    return [record for _, record in cloud.store.range(pack("ddbk", identity, first), end, limit=limit)]
