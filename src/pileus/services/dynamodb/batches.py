"""BatchGetItem and BatchWriteItem.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from orjson import Fragment

from pileus.security.policy.patterns import Value as KeyValue
from pileus.services.context import Context
from pileus.services.dynamodb import service
from pileus.services.dynamodb.access import common_keys, default_select, leading_keys, table_access
from pileus.services.dynamodb.capacity import Consumption, read_units
from pileus.services.dynamodb.catalog import open_table
from pileus.services.dynamodb.errors import key_mismatch, validation
from pileus.services.dynamodb.expressions import documents
from pileus.services.dynamodb.items import collection_metrics
from pileus.services.dynamodb.mentions import mentioned
from pileus.services.dynamodb.parameters import binder, check_mixture, check_nested_keys, projection
from pileus.services.dynamodb.schema import Table, pack_record, record_item, record_size
from pileus.services.dynamodb.values import MAX_ITEM_SIZE, Item, check_item
from pileus.services.dynamodb.writes import Write
from pileus.services.dynamodb.writing import commit
from pileus.services.operation import Access, Shape

_MAX_GETS, _MAX_WRITES = 100, 25
_MAX_ANSWER = 16 << 20
_DUPLICATES = "Provided list of item keys contains duplicates"


def _get_access(context: Context, request: Shape) -> Iterable[Access]:
    for name, part in request["RequestItems"].items():
        yield table_access(context, "BatchGetItem", name, request={**part, **_common(request)}, describe=_get_keys)


def _common(request: Shape) -> Shape:
    return {"ReturnConsumedCapacity": request.get("ReturnConsumedCapacity")}


def _get_keys(table: Table | None, request: Shape) -> dict[str, KeyValue]:
    names = {name for key in request["Keys"] for name in key}
    return {
        "dynamodb:select": default_select(request),
        **common_keys(request),
        **leading_keys(table, request["Keys"]),
        **mentioned(table, request, names),
    }


@service.operation("BatchGetItem", access=_get_access)
async def batch_get_item(context: Context, request: Shape) -> Shape:
    _check_alike(request["RequestItems"].values())
    checked: list[tuple[str, Shape, dict[str | int, Any] | None, set[str]]] = []
    total = 0
    for name, part in request["RequestItems"].items():
        check_mixture(part, ("ProjectionExpression",), ("AttributesToGet",))
        bound = binder(part)
        branches = projection(part, bound)
        bound.finish()
        seen = set()
        for key in part["Keys"]:
            check_item(key)
            identity = repr(sorted(key.items()))
            if identity in seen:
                raise validation(_DUPLICATES)
            seen.add(identity)
            total += 1
        if total > _MAX_GETS:
            raise validation("Too many items requested for the BatchGetItem call")
        checked.append((name, part, branches, bound.nested))
    if not total:
        raise _no_requests()
    response: Shape = {"Responses": {}, "UnprocessedKeys": {}}
    consumptions: list[Consumption] = []
    size = 0
    tables = [(open_table(context, name), name, part, branches, nested) for name, part, branches, nested in checked]
    for table, name, part, branches, nested in tables:
        check_nested_keys(table, nested)
        places = [table.key(key) for key in part["Keys"]]
        consistent = bool(part.get("ConsistentRead"))
        consumption = Consumption(table, name, reading=True)
        items: list[Any] = []
        for number, place in enumerate(places):
            if size > _MAX_ANSWER:
                rest = {**part, "Keys": part["Keys"][number:]}
                response["UnprocessedKeys"][name] = rest
                break
            record = context.store.get(place)
            consumption.units += read_units(record_size(record) if record else 0, consistent)
            if record is None:
                continue
            size += record_size(record)
            if branches is None:
                items.append(Fragment(record[4:]))
            else:
                items.append(documents.project(record_item(record), branches))
        response["Responses"][name] = items
        consumption.count(context)
        consumptions.append(consumption)
    add_capacities(response, request, consumptions)
    return response


def _check_alike(parts: Iterable[Shape]) -> None:
    """That no table has expressions while another has the parameters from before them."""
    together: Shape = {}
    for part in parts:
        together.update((name, value) for name, value in part.items() if value is not None)
    check_mixture(together, ("ProjectionExpression",), ("AttributesToGet",))


def add_capacities(response: Shape, request: Shape, consumptions: Iterable[Consumption]) -> None:
    wanted = request.get("ReturnConsumedCapacity")
    if wanted and wanted != "NONE":
        response["ConsumedCapacity"] = [consumption.shape(wanted) for consumption in consumptions]


def _write_access(context: Context, request: Shape) -> Iterable[Access]:
    for name, writes in request["RequestItems"].items():
        yield table_access(
            context, "BatchWriteItem", name, request={"Writes": writes, **_common(request)}, describe=_write_keys
        )


def _write_keys(table: Table | None, request: Shape) -> dict[str, KeyValue]:
    items = [_touched(write) for write in request["Writes"]]
    names = {name for item in items for name in item}
    return {**common_keys(request), **leading_keys(table, items), "dynamodb:attributes": tuple(sorted(names))}


def _touched(write: Shape) -> Item:
    put = write.get("PutRequest")
    item: Item = put["Item"] if put is not None else write["DeleteRequest"]["Key"]
    return item


@service.operation("BatchWriteItem", access=_write_access)
async def batch_write_item(context: Context, request: Shape) -> Shape:
    prepared: list[tuple[str, list[Callable[[Table], Write]]]] = []
    total = 0
    for name, writes in request["RequestItems"].items():
        total += len(writes)
        if total > _MAX_WRITES:
            raise validation("Too many items requested for the BatchWriteItem call")
        prepared.append((name, [_prepare(write) for write in writes]))

    if not total:
        raise _no_requests()

    def make() -> list[Write]:
        made: list[Write] = []
        for name, makers in prepared:
            table = open_table(context, name)
            made += [maker(table) for maker in makers]
        if len({write.key for write in made}) != len(made):
            raise validation(_DUPLICATES)
        return made

    writes = await commit(context.cloud, make)
    response: Shape = {"UnprocessedItems": {}}
    consumptions: dict[str, Consumption] = {}
    position = 0
    metrics: dict[str, list[Shape]] = {}
    for name, makers in prepared:
        for offset in range(len(makers)):
            write = writes[position]
            consumption = write.consumption(name)
            if name in consumptions:
                consumptions[name].add(consumption)
            else:
                consumptions[name] = consumption
            if request.get("ReturnItemCollectionMetrics") == "SIZE" and write.table.local:
                touched = _touched(request["RequestItems"][name][offset])
                metrics.setdefault(name, []).append(collection_metrics(context, write.table, touched))
            position += 1
    for consumption in consumptions.values():
        consumption.count(context)
    if metrics:
        response["ItemCollectionMetrics"] = metrics
    add_capacities(response, request, consumptions.values())
    return response


def _no_requests() -> Exception:
    return validation(
        "1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )


def _prepare(write: Shape) -> Callable[[Table], Write]:
    put, delete = write.get("PutRequest"), write.get("DeleteRequest")
    if (put is None) == (delete is None):
        raise validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
            "datatypes"
        )
    if put is not None:
        item: Item = put["Item"]
        size = check_item(item)
        if size > MAX_ITEM_SIZE:
            raise validation("Item size has exceeded the maximum allowed size")
        record = pack_record(item, size)

        def make_put(table: Table) -> Write:
            if any(kind not in item.get(name, ()) for name, kind in table.keys.attributes):
                # Unlike PutItem's, a batch's error names no attribute.
                raise key_mismatch()
            table.check_item(item)
            return Write(table, table.keys.key(item), record=record)

        return make_put
    key: Item = (delete or {})["Key"]
    check_item(key)
    return lambda table: Write(table, table.key(key))
