"""Tables: CreateTable, DescribeTable, ListTables, DeleteTable and what describes the account.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithTables.html
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from pileus.aws.errors import constraints_broken
from pileus.security.policy.document import parse
from pileus.services.context import Context
from pileus.services.dynamodb import cleaning, service, tag_records
from pileus.services.dynamodb.access import everything, on_table, table_access
from pileus.services.dynamodb.catalog import Catalog, described_table, locate
from pileus.services.dynamodb.constraints import name_faults
from pileus.services.dynamodb.definitions import (
    attribute_types,
    check_stream,
    check_throughput,
    check_used,
    encryption,
    global_indexes,
    local_indexes,
    table_keys,
    unsupported,
    warm,
)
from pileus.services.dynamodb.descriptions import describe
from pileus.services.dynamodb.errors import invalid_parameters, resource_in_use, resource_not_found, validation
from pileus.services.dynamodb.schema import StreamRecord, Table, TableRecord, encode_record, record_key
from pileus.services.operation import Access, Shape
from pileus.store.interface import Transaction
from pileus.store.keys import pack, prefix_range, unpack

_LIST_LIMIT = 100
_NUMBER = pack("dynamodb", "number")


def next_number(tx: Transaction) -> int:
    """A number for a table or a stream that no other had or will have."""
    stored = tx.get(_NUMBER)
    number = (int.from_bytes(stored, "big") if stored else 0) + 1
    tx.put(_NUMBER, number.to_bytes(8, "big"))
    return number


def new_stream(tx: Transaction, view: str, now: float) -> StreamRecord:
    label = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return StreamRecord(label, view, next_number(tx), created=now)


async def change_table(context: Context, name: str, change: Callable[[Transaction, Table], TableRecord]) -> Table:
    """Changes a table's record; answers the table as it is then."""
    account, region, short = locate(context, name)
    catalog = context.cloud.part(Catalog)

    def transaction(tx: Transaction) -> None:
        table = catalog.find(tx, account, region, short)
        if table is None:
            raise _gone(short)
        tx.put(table.store_key, encode_record(change(tx, table)))

    await context.store.transact(transaction)
    table = catalog.find(context.store, account, region, short)
    if table is None:
        raise _gone(short)
    return table


def _gone(name: str) -> Exception:
    return resource_not_found(f"Requested resource not found: Table: {name} not found")


@dataclass(frozen=True)
class NewTable:
    """A checked request for a table, whatever operation brought it."""

    record: TableRecord
    stream_view: str = ""
    tags: tuple[tuple[str, str], ...] = ()


async def create(context: Context, new: NewTable) -> Table:
    record = new.record
    key = record_key(record.account, record.region, record.name)
    now = context.cloud.clock.time()

    def change(tx: Transaction) -> None:
        if tx.get(key) is not None:
            raise resource_in_use(f"Table already exists: {record.name}")
        stream = new_stream(tx, new.stream_view, now) if new.stream_view else None
        made = msgspec.structs.replace(record, number=next_number(tx), stream=stream)
        tx.put(key, encode_record(made))
        tag_records.put(tx, made.number, new.tags)
        if stream is not None:
            tag_records.register_stream(tx, made, stream)

    await context.store.transact(change)
    table = context.cloud.part(Catalog).find(context.store, record.account, record.region, record.name)
    if table is None:
        raise _gone(record.name)
    return table


def _create_access(context: Context, request: Shape) -> Iterable[Access]:
    yield table_access(context, "CreateTable", request["TableName"], request=request)
    if request.get("Tags"):
        yield table_access(context, "TagResource", request["TableName"], request=request)
    if request.get("ResourcePolicy"):
        yield table_access(context, "PutResourcePolicy", request["TableName"], request=request)


@service.operation(
    "CreateTable",
    access=_create_access,
    actions=("dynamodb:CreateTable", "dynamodb:TagResource", "dynamodb:PutResourcePolicy"),
)
async def create_table(context: Context, request: Shape) -> Shape:
    table = await create(context, checked(context, request))
    shape = describe(context, table, "CREATING")
    _warming(shape, request)
    requested = {index["IndexName"]: index for index in request.get("GlobalSecondaryIndexes") or ()}
    for index in shape.get("GlobalSecondaryIndexes", ()):
        index["IndexStatus"] = "CREATING"
        _warming(index, requested[index["IndexName"]])
    shape.get("BillingModeSummary", {}).pop("LastUpdateToPayPerRequestDateTime", None)
    return {"TableDescription": shape}


def _warming(shape: Shape, request: Shape) -> None:
    """A new table or index says only what it is warmed for because somebody asked for it: recorded."""
    if request.get("WarmThroughput"):
        shape["WarmThroughput"]["Status"] = "UPDATING"
    else:
        del shape["WarmThroughput"]


def checked(context: Context, request: Shape) -> NewTable:
    """A CreateTable request as a table to be made."""
    account, region, name = locate(context, request["TableName"])
    faults = list(name_faults(name, shortest=3))
    if faults:
        raise validation(constraints_broken(faults))
    unsupported(request, "VectorIndexes", "GlobalTableSourceArn")
    billing = request.get("BillingMode") or "PROVISIONED"
    for option in ("AttributeDefinitions", "KeySchema"):
        if request.get(option) is None:
            raise invalid_parameters(f"{option} must be specified")
    throughput = check_throughput(request.get("ProvisionedThroughput"), billing)
    types = attribute_types(request["AttributeDefinitions"])
    keys = table_keys(request["KeySchema"], types)
    local = local_indexes(request.get("LocalSecondaryIndexes"), types, keys)
    indexes = [*local, *global_indexes(request.get("GlobalSecondaryIndexes"), types, billing, local)]
    check_used(types, keys, indexes)
    policy = request.get("ResourcePolicy") or ""
    if policy:
        parse(policy)
    now = context.cloud.clock.time()
    tags = tag_records.checked(request.get("Tags") or ()) + context.system_tags
    record = TableRecord(
        account=account,
        region=region,
        name=name,
        id=str(uuid.uuid4()),
        number=0,
        created=now,
        attributes=types,
        partition=keys[0],
        sort=keys[1],
        indexes=tuple(msgspec.structs.replace(index, number=n) for n, index in enumerate(indexes, 1)),
        next_index=len(indexes) + 1,
        billing=billing,
        on_demand_since=now if billing == "PAY_PER_REQUEST" else 0.0,
        throughput=throughput,
        on_demand=dict(request.get("OnDemandThroughput") or {}),
        warm=warm(request, "table", billing),
        table_class=request.get("TableClass") or "",
        deletion_protection=bool(request.get("DeletionProtectionEnabled")),
        encryption=encryption(request.get("SSESpecification")),
        policy=policy,
        policy_revision=str(time.time_ns()) if policy else "",
    )
    return NewTable(record, check_stream(request.get("StreamSpecification")), tags)


@service.operation("DescribeTable", access=on_table("DescribeTable"))
async def describe_table(context: Context, request: Shape) -> Shape:
    return {"Table": describe(context, described_table(context, request["TableName"]))}


@service.operation("ListTables", access=everything("ListTables"))
async def list_tables(context: Context, request: Shape) -> Shape:
    limit = request.get("Limit") or _LIST_LIMIT
    start, end = prefix_range("dynamodb", "table", context.account, context.region)
    after = request.get("ExclusiveStartTableName")
    if after:
        start = record_key(context.account, context.region, after) + b"\0"
    names = [str(unpack(key)[4]) for key, _ in context.store.range(start, end, limit=limit + 1)]
    response: Shape = {"TableNames": names[:limit]}
    if len(names) > limit:
        response["LastEvaluatedTableName"] = names[limit - 1]
    return response


@service.operation("DeleteTable", access=on_table("DeleteTable"))
async def delete_table(context: Context, request: Shape) -> Shape:
    account, region, name = locate(context, request["TableName"])
    described_table(context, request["TableName"])
    catalog = context.cloud.part(Catalog)
    shape: Shape = {}
    now = context.cloud.clock.time()

    def change(tx: Transaction) -> None:
        table = catalog.find(tx, account, region, name)
        if table is None:
            raise _gone(name)
        check_settled(table)
        if table.record.copying:
            raise resource_in_use(f"Attempt to change a resource which is still in use: Table is being copied: {name}")
        if table.record.deletion_protection:
            raise validation(
                "Resource cannot be deleted as it is currently protected against deletion. "
                "Disable deletion protection first."
            )
        shape.update(_deleting(context, table))
        tx.delete(table.store_key)
        cleaning.discard(tx, table, now)

    await context.store.transact(change)
    cleaning.start(context.cloud)
    return {"TableDescription": shape}


def check_settled(table: Table) -> None:
    """A table that is being restored or imported stays as it is until that is done."""
    if table.record.status == "CREATING":
        raise resource_in_use(
            f"Attempt to change a resource which is still in use: Table is being created: {table.name}"
        )


def _deleting(context: Context, table: Table) -> Shape:
    shape = describe(context, table, "DELETING")
    kept = (
        "TableName", "TableStatus", "ProvisionedThroughput", "TableSizeBytes", "ItemCount", "TableArn", "TableId",
        "BillingModeSummary", "DeletionProtectionEnabled", "LatestStreamLabel", "LatestStreamArn", "TableClassSummary",
    )  # fmt: skip
    return {member: shape[member] for member in kept if member in shape}


@service.operation("DescribeLimits", access=everything("DescribeLimits"))
async def describe_limits(context: Context, request: Shape) -> Shape:
    return {
        "AccountMaxReadCapacityUnits": 80000,
        "AccountMaxWriteCapacityUnits": 80000,
        "TableMaxReadCapacityUnits": 40000,
        "TableMaxWriteCapacityUnits": 40000,
    }


def _describe_endpoints_access(context: Context, request: Shape) -> Iterable[Access]:
    return (Access("dynamodb:DescribeEndpoints", "*"),)


@service.operation("DescribeEndpoints", access=_describe_endpoints_access)
async def describe_endpoints(context: Context, request: Shape) -> Shape:
    return {"Endpoints": [{"Address": context.headers.get("host") or context.host, "CachePeriodInMinutes": 1440}]}


def copy_of(record: TableRecord, **changes: Any) -> TableRecord:
    return msgspec.structs.replace(record, **changes)
