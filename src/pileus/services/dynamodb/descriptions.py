"""TableDescription: what DescribeTable and its kin show of a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pileus.services.context import Context
from pileus.services.dynamodb import throughput
from pileus.services.dynamodb.schema import INITIAL_UNITS, Index, StreamRecord, Table, Throughput
from pileus.services.dynamodb.statistics import Statistics


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def key_schema(partition: tuple[str, ...], sort: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        *({"AttributeName": name, "KeyType": "HASH"} for name in partition),
        *({"AttributeName": name, "KeyType": "RANGE"} for name in sort),
    ]


def _projection(index: Index) -> dict[str, Any]:
    shape: dict[str, Any] = {"ProjectionType": index.projection}
    if index.projection == "INCLUDE":
        shape["NonKeyAttributes"] = list(index.non_key)
    return shape


def _warm(given: dict[str, int], billing: str, units: Throughput) -> dict[str, Any]:
    """A table is warm for what a new on-demand one can take, or for what is provisioned."""
    provisioned = {"ReadUnitsPerSecond": units.read, "WriteUnitsPerSecond": units.write}
    return {**(INITIAL_UNITS if billing == "PAY_PER_REQUEST" else provisioned), **given, "Status": "ACTIVE"}


def _index(table: Table, index: Index, items: int, size: int, now: float) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "IndexName": index.name,
        "KeySchema": key_schema(index.partition, index.sort),
        "Projection": _projection(index),
        "IndexSizeBytes": size,
        "ItemCount": items,
        "IndexArn": f"{table.arn}/index/{index.name}",
    }
    if index.is_global:
        shape["IndexStatus"] = index.status
        if index.status == "CREATING":
            shape["Backfilling"] = True
        shape["ProvisionedThroughput"] = throughput.shape(index.throughput, now)
        if index.on_demand:
            shape["OnDemandThroughput"] = dict(index.on_demand)
        shape["WarmThroughput"] = _warm(index.warm, table.record.billing, index.throughput)
    return shape


def stream_arn(table: Table, stream: StreamRecord) -> str:
    return f"{table.arn}/stream/{stream.label}"


def describe(context: Context, table: Table, status: str | None = None) -> dict[str, Any]:
    record = table.record
    statistics = context.cloud.part(Statistics)
    items, size = statistics.read(context.store, table)
    now = context.cloud.clock.time()
    shape: dict[str, Any] = {
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind in record.attributes.items()
        ],
        "TableName": record.name,
        "KeySchema": key_schema((record.partition,), (record.sort,) if record.sort else ()),
        "TableStatus": status or record.status,
        "CreationDateTime": moment(record.created),
        "ProvisionedThroughput": throughput.shape(record.throughput, now),
        "TableSizeBytes": size,
        "ItemCount": items,
        "TableArn": table.arn,
        "TableId": record.id,
        "DeletionProtectionEnabled": record.deletion_protection,
    }
    if record.billing == "PAY_PER_REQUEST" or record.on_demand_since:
        shape["BillingModeSummary"] = {"BillingMode": record.billing}
        if record.on_demand_since:
            shape["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"] = moment(record.on_demand_since)
    if record.on_demand:
        shape["OnDemandThroughput"] = dict(record.on_demand)
    shape["WarmThroughput"] = _warm(record.warm, record.billing, record.throughput)
    for member, is_global in (("LocalSecondaryIndexes", False), ("GlobalSecondaryIndexes", True)):
        indexes = [
            _index(table, index, *statistics.read(context.store, table, index.number), now)
            for index in record.indexes
            if index.is_global is is_global
        ]
        if indexes:
            shape[member] = indexes
    if record.stream is not None:
        if record.stream.enabled:
            shape["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": record.stream.view}
        shape["LatestStreamLabel"] = record.stream.label
        shape["LatestStreamArn"] = stream_arn(table, record.stream)
    if record.encryption:
        shape["SSEDescription"] = dict(record.encryption)
    if record.table_class:
        shape["TableClassSummary"] = {"TableClass": record.table_class}
    if record.restored:
        restored = dict(record.restored)
        restored["RestoreDateTime"] = moment(restored["RestoreDateTime"])
        shape["RestoreSummary"] = restored
    return shape
