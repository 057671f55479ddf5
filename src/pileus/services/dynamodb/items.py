"""Single items: GetItem, PutItem, UpdateItem, DeleteItem.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orjson import Fragment

from pileus.aws.errors import AWSError
from pileus.security.policy.patterns import Value as KeyValue
from pileus.services.context import Context
from pileus.services.dynamodb import service
from pileus.services.dynamodb.access import common_keys, default_select, leading_keys, on_table
from pileus.services.dynamodb.capacity import Consumption, count, read_units
from pileus.services.dynamodb.catalog import open_table
from pileus.services.dynamodb.errors import detected, invalid_parameters, validation
from pileus.services.dynamodb.expressions import documents
from pileus.services.dynamodb.expressions.conditions import Test
from pileus.services.dynamodb.expressions.updates import BoundUpdate
from pileus.services.dynamodb.legacy import apply_updates, check_updates
from pileus.services.dynamodb.mentions import mentioned
from pileus.services.dynamodb.parameters import (
    binder,
    check_mixture,
    check_nested_keys,
    projection,
    write_condition,
)
from pileus.services.dynamodb.schema import Table, pack_record, record_item, record_size
from pileus.services.dynamodb.values import MAX_ITEM_SIZE, Item, check_item, item_size, type_of
from pileus.services.dynamodb.writes import Write, collection_size
from pileus.services.dynamodb.writing import commit_one
from pileus.services.operation import Shape

_NO_NAMES: frozenset[str] = frozenset()


def _keyed(table: Table | None, request: Shape) -> dict[str, KeyValue]:
    return {
        **common_keys(request),
        **leading_keys(table, [request["Key"]]),
        **mentioned(table, request, request["Key"]),
    }


def _read(table: Table | None, request: Shape) -> dict[str, KeyValue]:
    return {"dynamodb:select": default_select(request), **_keyed(table, request)}


def _put(table: Table | None, request: Shape) -> dict[str, KeyValue]:
    return {
        **common_keys(request),
        **leading_keys(table, [request["Item"]]),
        **mentioned(table, request, request["Item"]),
    }


@service.operation("GetItem", access=on_table("GetItem", describe=_read))
async def get_item(context: Context, request: Shape) -> Shape:
    key = request["Key"]
    branches = None
    nested: set[str] | frozenset[str] = _NO_NAMES
    if len(request) > 2:
        check_mixture(request, ("ProjectionExpression",), ("AttributesToGet",))
        check_item(key)
        bound = binder(request)
        branches = projection(request, bound)
        bound.finish()
        nested = bound.nested
    else:
        check_item(key)
    table = open_table(context, request["TableName"])
    place = table.key(key)
    if nested:
        check_nested_keys(table, set(nested))
    record = context.store.get(place)
    units = read_units(record_size(record) if record else 0, bool(request.get("ConsistentRead")))
    count(context, table, units, reading=True)
    response: Shape = {}
    if record is not None:
        if branches is None:
            response["Item"] = Fragment(record[4:])
        else:
            response["Item"] = documents.project(record_item(record), branches)
    if "ReturnConsumedCapacity" in request:
        consumption = Consumption(table, request["TableName"], reading=True)
        consumption.units = units
        add_capacity(response, request, consumption)
    return response


def add_capacity(response: Shape, request: Shape, consumption: Consumption) -> None:
    wanted = request.get("ReturnConsumedCapacity")
    if wanted and wanted != "NONE":
        response["ConsumedCapacity"] = consumption.shape(wanted)


def prepare_put(request: Shape) -> Callable[[Table], Write]:
    """Checks what can be checked without the table; answers what makes the write for it."""
    check_mixture(request, ("ConditionExpression",), ("Expected", "ConditionalOperator"))
    item: Item = request["Item"]
    size = check_item(item)
    if size > MAX_ITEM_SIZE:
        raise validation("Item size has exceeded the maximum allowed size")
    bound = binder(request)
    condition = write_condition(request, bound)
    bound.finish()
    record = pack_record(item, size)

    def make(table: Table) -> Write:
        table.check_item(item)
        check_nested_keys(table, bound.nested)
        return Write(table, table.keys.key(item), condition=condition, record=record)

    return make


def prepare_delete(request: Shape) -> Callable[[Table], Write]:
    check_mixture(request, ("ConditionExpression",), ("Expected", "ConditionalOperator"))
    key = request["Key"]
    check_item(key)
    bound = binder(request)
    condition = write_condition(request, bound)
    bound.finish()

    def make(table: Table) -> Write:
        place = table.key(key)
        check_nested_keys(table, bound.nested)
        return Write(table, place, condition=condition)

    return make


class Update:
    """UpdateExpression or AttributeUpdates, checked, and the paths that it changes."""

    def __init__(
        self,
        key: Item,
        expression: BoundUpdate | None,
        condition: Test | None,
        nested: set[str],
        updates: dict[str, Any] | None = None,
    ) -> None:
        self.key = key
        self.expression = expression
        self.condition = condition
        self.nested = nested
        self.updates = updates
        self.branches: dict[str | int, Any] = dict.fromkeys(updates or ())
        self.only_removes = bool(updates) and _only_deletes(updates or {})
        if expression is not None:
            self.branches = expression.branches
            self.only_removes = expression.only_removes

    @classmethod
    def requested(cls, request: Shape) -> Update:
        check_mixture(
            request,
            ("UpdateExpression", "ConditionExpression"),
            ("AttributeUpdates", "Expected", "ConditionalOperator"),
        )
        key: Item = request["Key"]
        check_item(key)
        updates: dict[str, Any] | None = request.get("AttributeUpdates")
        if updates is not None:
            check_updates(updates)
        bound = binder(request)
        text = request.get("UpdateExpression")
        expression = None if text is None else bound.update(text)
        condition = write_condition(request, bound)
        bound.finish()
        return cls(key, expression, condition, bound.nested, updates)

    def check(self, table: Table) -> None:
        for name in table.keys.names:
            if name in self.branches:
                raise invalid_parameters(f"Cannot update attribute {name}. This attribute is part of the key")
        types = self.expression.types if self.expression is not None else self._given_types()
        for name, (kind, index) in table.index_key_types.items():
            actual = types.get(name)
            if actual is not None and actual != kind:
                raise invalid_parameters(
                    f"Type mismatch for Index Key {name} Expected: {kind} Actual: {actual} IndexName: {index}"
                )
        check_nested_keys(table, self.nested)

    def _given_types(self) -> dict[str, str]:
        return {
            name: type_of(update["Value"])
            for name, update in (self.updates or {}).items()
            if update.get("Value") is not None
        }

    def apply(self, table: Table, old: Item | None) -> tuple[Item, int] | None:
        """The item after the update, and its size; None where there is none before and after."""
        if old is None and self.only_removes:
            # Removing from an item that is not there makes none, whatever the paths.
            return None
        item = dict(self.key) if old is None else old
        if self.expression is not None:
            self.expression.apply(item)
            for name, (kind, _) in table.index_key_types.items():
                if name in self.branches and name in item and kind not in item[name]:
                    raise validation(
                        "The update expression attempted to update the secondary index key to unsupported type"
                    )
        elif self.updates:
            apply_updates(self.updates, item)
        table.check_index_keys(item)
        # Levels of nesting can only be known now, and sizes with them.
        size = check_item(item) if self.expression is not None else item_size(item)
        if size > MAX_ITEM_SIZE:
            raise validation("Item size to update has exceeded the maximum allowed size")
        return item, size


def _only_deletes(updates: dict[str, Any]) -> bool:
    return all(update.get("Action") == "DELETE" for update in updates.values())


def update_write(update: Update, table: Table) -> Write:
    place = table.key(update.key)
    update.check(table)
    return Write(table, place, condition=update.condition, change=lambda old: update.apply(table, old))


@service.operation("PutItem", access=on_table("PutItem", describe=_put))
async def put_item(context: Context, request: Shape) -> Shape:
    try:
        returned = _check_return_values(request, ("NONE", "ALL_OLD"))
        make = prepare_put(request)
    except AWSError as error:
        raise detected(error) from None
    name = request["TableName"]
    write = await commit_one(context, lambda: make(open_table(context, name)), _on_failure(request))
    return _answer(context, request, write, write.old if returned == "ALL_OLD" else None, request["Item"])


@service.operation("DeleteItem", access=on_table("DeleteItem", describe=_keyed))
async def delete_item(context: Context, request: Shape) -> Shape:
    try:
        returned = _check_return_values(request, ("NONE", "ALL_OLD"))
        make = prepare_delete(request)
    except AWSError as error:
        raise detected(error) from None
    name = request["TableName"]
    write = await commit_one(context, lambda: make(open_table(context, name)), _on_failure(request))
    return _answer(context, request, write, write.old if returned == "ALL_OLD" else None, request["Key"])


@service.operation("UpdateItem", access=on_table("UpdateItem", describe=_keyed))
async def update_item(context: Context, request: Shape) -> Shape:
    try:
        update = Update.requested(request)
    except AWSError as error:
        raise detected(error) from None
    name = request["TableName"]
    write = await commit_one(context, lambda: update_write(update, open_table(context, name)), _on_failure(request))
    returned = request.get("ReturnValues") or "NONE"
    record = write.old if returned in ("ALL_OLD", "UPDATED_OLD") else write.new
    if returned in ("UPDATED_OLD", "UPDATED_NEW") and record is not None:
        response = _answer(context, request, write, None, request["Key"])
        attributes = documents.project(record_item(record), update.branches)
        if attributes:
            response["Attributes"] = attributes
        return response
    return _answer(context, request, write, None if returned == "NONE" else record, request["Key"])


def _check_return_values(request: Shape, allowed: tuple[str, ...]) -> str:
    returned: str = request.get("ReturnValues") or "NONE"
    if returned not in allowed:
        raise validation("ReturnValues can only be ALL_OLD or NONE")
    return returned


def _on_failure(request: Shape) -> str:
    return request.get("ReturnValuesOnConditionCheckFailure") or "NONE"


def _answer(context: Context, request: Shape, write: Write, returned: bytes | None, item: Item) -> Shape:
    response: Shape = {}
    if returned is not None:
        response["Attributes"] = Fragment(returned[4:])
    consumption = write.consumption(request["TableName"])
    consumption.count(context)
    add_capacity(response, request, consumption)
    if request.get("ReturnItemCollectionMetrics") == "SIZE" and write.table.local:
        response["ItemCollectionMetrics"] = collection_metrics(context, write.table, item)
    return response


def collection_metrics(context: Context, table: Table, item: Item) -> Shape:
    """The size of an item collection, as an estimate of a gigabyte's width."""
    size = collection_size(context.store, table, item) / 1024**3
    name = table.record.partition
    return {"ItemCollectionKey": {name: item[name]}, "SizeEstimateRangeGB": [float(int(size)), float(int(size) + 1)]}
