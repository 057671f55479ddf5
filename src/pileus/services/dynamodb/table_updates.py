"""UpdateTable.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTable.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.dynamodb import backfill, cleaning, jobs, service, tag_records, throughput
from pileus.services.dynamodb.access import on_table
from pileus.services.dynamodb.catalog import check_name, described_table
from pileus.services.dynamodb.definitions import (
    MOST_UNITS,
    attribute_types,
    encryption,
    global_index,
    throughput_of,
    unsupported,
)
from pileus.services.dynamodb.descriptions import describe
from pileus.services.dynamodb.errors import invalid_parameters, resource_in_use, resource_not_found, validation
from pileus.services.dynamodb.schema import Index, Table, TableRecord, Throughput
from pileus.services.dynamodb.tables import change_table, check_settled, new_stream
from pileus.services.operation import Shape
from pileus.store.interface import Transaction

_NOTHING = (
    "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or "
    "SSESpecification or ReplicaUpdates is required"
)
_CHANGES = (
    "ProvisionedThroughput", "BillingMode", "StreamSpecification", "GlobalSecondaryIndexUpdates", "SSESpecification",
    "ReplicaUpdates", "TableClass", "DeletionProtectionEnabled", "OnDemandThroughput", "WarmThroughput",
    "VectorIndexUpdates", "MultiRegionConsistency", "GlobalTableWitnessUpdates", "GlobalTableSettingsReplicationMode",
)  # fmt: skip
_ONE_INDEX = "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"


@service.operation("UpdateTable", access=on_table("UpdateTable"))
async def update_table(context: Context, request: Shape) -> Shape:
    name = request["TableName"]
    check_name(name)
    _check(request)
    former = described_table(context, name).record
    now = context.cloud.clock.time()

    def change(tx: Transaction, table: Table) -> TableRecord:
        nonlocal former
        check_settled(table)
        former = table.record
        return _Change(tx, table, request, now).apply()

    table = await change_table(context, name, change)
    jobs.start(context.cloud)
    cleaning.start(context.cloud)
    shape = describe(context, table, "UPDATING")
    _show_former_units(shape, request, former, now)
    if request.get("DeletionProtectionEnabled") is not None and len(request) == 2:
        shape["TableStatus"] = "ACTIVE"
    return {"TableDescription": shape}


def _show_former_units(shape: Shape, request: Shape, former: TableRecord, now: float) -> None:
    """While they are being updated, a table and its indexes have the units that they had."""
    if former.billing != "PROVISIONED" or request.get("BillingMode") == "PAY_PER_REQUEST":
        return
    if request.get("ProvisionedThroughput"):
        _show_units(shape, former.throughput, now)
    updates = request.get("GlobalSecondaryIndexUpdates") or ()
    updated = {update["Update"]["IndexName"] for update in updates if update.get("Update")}
    units = {index.name: index.throughput for index in former.indexes}
    for index in shape.get("GlobalSecondaryIndexes") or ():
        if index["IndexName"] in updated:
            index["IndexStatus"] = "UPDATING"
            _show_units(index, units[index["IndexName"]], now)


def _show_units(shape: Shape, former: Throughput, now: float) -> None:
    shown = throughput.shape(former, now)
    for member in ("NumberOfDecreasesToday", "ReadCapacityUnits", "WriteCapacityUnits"):
        shape["ProvisionedThroughput"][member] = shown[member]


def _check(request: Shape) -> None:
    # An empty list of index updates is as good as none.
    if not any(request.get(change) is not None and request[change] != [] for change in _CHANGES):
        raise validation(_NOTHING)
    unsupported(
        request, "ReplicaUpdates", "VectorIndexUpdates", "MultiRegionConsistency", "GlobalTableWitnessUpdates",
        "GlobalTableSettingsReplicationMode",
    )  # fmt: skip
    if request.get("BillingMode") == "PROVISIONED" and not request.get("ProvisionedThroughput"):
        raise invalid_parameters("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
    if request.get("ProvisionedThroughput"):
        throughput_of(request["ProvisionedThroughput"])
    seen: set[str] = set()
    for update in request.get("GlobalSecondaryIndexUpdates") or ():
        actions = [update[action] for action in ("Update", "Create", "Delete") if update.get(action)]
        if not actions:
            raise invalid_parameters(
                "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, "
                "GlobalSecondaryIndexUpdate.Delete must not be null"
            )
        if len(actions) > 1:
            raise invalid_parameters(
                "Only one of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, "
                "GlobalSecondaryIndexUpdate.Delete may be specified"
            )
        name = actions[0]["IndexName"]
        check_name(name, "IndexName")
        if name in seen:
            raise invalid_parameters(
                f"Only one global secondary index update per index is allowed simultaneously. Index: {name}"
            )
        seen.add(name)


class _Change:
    """One UpdateTable inside its transaction."""

    def __init__(self, tx: Transaction, table: Table, request: Shape, now: float) -> None:
        self.tx = tx
        self.table = table
        self.request = request
        self.now = now
        self.record = table.record
        self.indexes = list(table.record.indexes)
        self.changes: dict[str, Any] = {}

    def apply(self) -> TableRecord:
        request = self.request
        billing = request.get("BillingMode") or self.record.billing
        given = request.get("ProvisionedThroughput")
        if given and billing == "PAY_PER_REQUEST":
            raise invalid_parameters(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
            )
        self._index_updates(billing)
        if given:
            self.changes["throughput"] = self._throughput(self.record.throughput, given)
        self._billing(billing)
        if request.get("StreamSpecification"):
            self._stream(request["StreamSpecification"])
        for parameter, field in (("OnDemandThroughput", "on_demand"), ("WarmThroughput", "warm")):
            if request.get(parameter):
                self.changes[field] = dict(request[parameter])
        if request.get("TableClass"):
            self.changes["table_class"] = request["TableClass"]
        if request.get("DeletionProtectionEnabled") is not None:
            self.changes["deletion_protection"] = request["DeletionProtectionEnabled"]
        if request.get("SSESpecification"):
            self.changes["encryption"] = encryption(request["SSESpecification"])
        return msgspec.structs.replace(self.record, indexes=tuple(self.indexes), **self.changes)

    def _throughput(self, current: Throughput, given: Shape) -> Throughput:
        wanted = throughput_of(given)
        if (wanted.read, wanted.write) == (current.read, current.write):
            raise validation(
                "The provisioned throughput for the table will not change. The requested value equals the current "
                f"value. Current ReadCapacityUnits provisioned for the table: {current.read}. "
                f"Requested ReadCapacityUnits: {wanted.read}. "
                f"Current WriteCapacityUnits provisioned for the table: {current.write}. "
                f"Requested WriteCapacityUnits: {wanted.write}. "
                "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
            )
        return throughput.changed(current, wanted.read, wanted.write, self.now)

    def _billing(self, billing: str) -> None:
        if billing == self.record.billing:
            return
        self.changes["billing"] = billing
        if billing == "PAY_PER_REQUEST":
            self.changes["on_demand_since"] = self.now
            self.changes["throughput"] = throughput.given_up(self.record.throughput, self.now)
            self.indexes = [
                msgspec.structs.replace(index, throughput=throughput.given_up(index.throughput, self.now))
                if index.is_global
                else index
                for index in self.indexes
            ]
            return
        unset = [index.name for index in self.indexes if index.is_global and not index.throughput.read]
        if unset:
            raise invalid_parameters(f"ProvisionedThroughput must be specified for index: {','.join(unset)}")

    def _index_updates(self, billing: str) -> None:
        updates = self.request.get("GlobalSecondaryIndexUpdates") or ()
        if sum(1 for update in updates if not update.get("Update")) > 1:
            raise AWSError("LimitExceededException", _ONE_INDEX)
        types = dict(self.record.attributes)
        given = attribute_types(self.request.get("AttributeDefinitions") or [])
        for name, kind in given.items():
            if types.get(name, kind) != kind:
                raise invalid_parameters(
                    "Attributes cannot be redefined. Please check that your attribute has the same type as "
                    f"previously defined. Existing schema: Schema:[SchemaElement: key{{{name}:{types[name]}:HASH}}] "
                    f"New schema: Schema:[SchemaElement: key{{{name}:{kind}:HASH}}]"
                )
            types[name] = kind
        for update in updates:
            if update.get("Create"):
                self._create(update["Create"], given, billing)
            elif update.get("Delete"):
                self._delete(update["Delete"]["IndexName"])
            else:
                self._update(update["Update"])
        used = {self.record.partition, self.record.sort}
        for index in self.indexes:
            used.update(index.partition, index.sort)
        self.changes["attributes"] = {name: kind for name, kind in types.items() if name in used}

    def _create(self, shape: Shape, types: dict[str, Any], billing: str) -> None:
        index = global_index(shape, types, billing)
        if any(other.name == index.name for other in self.indexes):
            raise validation(f"Attempting to create an index which already exists: {index.name}")
        if any(other.status == "CREATING" for other in self.indexes):
            raise AWSError("LimitExceededException", _ONE_INDEX)
        if sum(other.is_global for other in self.indexes) >= 20:
            raise invalid_parameters("GlobalSecondaryIndex count exceeds the per-table limit of 20")
        number = self.record.next_index
        self.changes["next_index"] = number + 1
        self.indexes.append(msgspec.structs.replace(index, number=number, status="CREATING"))
        backfill.queue(self.tx, self.table, index.name)

    def _find(self, name: str) -> Index:
        for index in self.indexes:
            if index.name == name and index.is_global:
                return index
        raise resource_not_found(f"Requested resource not found: Index: {name} not found")

    def _delete(self, name: str) -> None:
        index = self._find(name)
        if index.status == "CREATING":
            raise resource_in_use(f"Attempt to change a resource which is still in use: Index is being created: {name}")
        self.indexes.remove(index)
        cleaning.discard_index(self.tx, self.table, index.number)

    def _update(self, shape: Shape) -> None:
        given = shape.get("ProvisionedThroughput") or {}
        if any(units > MOST_UNITS for units in given.values()):
            raise validation(
                "This operation cannot be performed with given input values. Please contact DynamoDB service team for "
                "more info: Action Blocked: IndexUpdate"
            )
        index = self._find(shape["IndexName"])
        changes: dict[str, Any] = {}
        if shape.get("ProvisionedThroughput"):
            changes["throughput"] = self._throughput(index.throughput, shape["ProvisionedThroughput"])
        for parameter, field in (("OnDemandThroughput", "on_demand"), ("WarmThroughput", "warm")):
            if shape.get(parameter):
                changes[field] = dict(shape[parameter])
        self.indexes[self.indexes.index(index)] = msgspec.structs.replace(index, **changes)

    def _stream(self, specification: Shape) -> None:
        stream = self.record.stream
        enabled, view = specification["StreamEnabled"], specification.get("StreamViewType")
        if enabled:
            if stream is not None and stream.enabled:
                raise validation("Table already has an enabled stream: " + self.table.arn + "/stream/" + stream.label)
            if not view:
                raise invalid_parameters("StreamSpecification must have StreamViewType when StreamEnabled is true")
            made = new_stream(self.tx, view, self.now)
            self.changes["stream"] = made
            tag_records.register_stream(self.tx, self.record, made)
            return
        if stream is None or not stream.enabled:
            raise validation(f"Table is not enabled for streaming; its stream cannot be disabled: {self.record.name}")
        cleaning.end_stream(self.tx, self.table, self.now)
        self.changes["stream"] = msgspec.structs.replace(stream, enabled=False, ended=self.now)
