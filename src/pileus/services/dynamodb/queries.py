"""Query and Scan: pages of items in key order.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Scan.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orjson import Fragment

from pileus.aws.errors import AWSError
from pileus.security.policy.patterns import Value as KeyValue
from pileus.services.context import Context
from pileus.services.dynamodb import key_conditions, service
from pileus.services.dynamodb.access import common_keys, default_select, key_text, on_table
from pileus.services.dynamodb.capacity import Consumption, read_units
from pileus.services.dynamodb.catalog import check_name, open_table
from pileus.services.dynamodb.errors import detected, invalid_parameters, validation
from pileus.services.dynamodb.expressions import documents
from pileus.services.dynamodb.expressions.binding import Binder
from pileus.services.dynamodb.expressions.conditions import Test
from pileus.services.dynamodb.expressions.documents import Parts
from pileus.services.dynamodb.items import add_capacity
from pileus.services.dynamodb.key_conditions import Conditions, KeyCondition
from pileus.services.dynamodb.legacy import filter_test
from pileus.services.dynamodb.mentions import mentioned
from pileus.services.dynamodb.parameters import (
    binder,
    check_attribute_names,
    check_mixture,
    check_nested_keys,
    projection,
)
from pileus.services.dynamodb.schema import (
    IndexPlan,
    Keys,
    Table,
    check_key,
    check_key_attribute,
    record_item,
    record_size,
)
from pileus.services.dynamodb.values import Item, check
from pileus.services.operation import Shape

PAGE_BYTES = 1 << 20
_HASHES = 1 << 32
_PARTITIONS = 4
_TURN = 500
"""Items that are read before others get their turn on the event loop."""
_UNEXPLAINED = re.compile("contains duplicates|number set|numeric value|significant digits|number with magnitude")
"""Errors of a value that are told without saying where it stands."""
_START_INVALID = "The provided starting key is invalid"


@dataclass(slots=True)
class Reading:
    """A checked Query or Scan, before its table is known."""

    request: Shape
    binder: Binder
    test: Test | None = None
    filtered: frozenset[str] = frozenset()
    branches: dict[str | int, Any] | None = None
    picked: dict[str, Parts] | None = None
    """What a statement selects; then `branches` only tell which attributes."""
    conditions: Conditions | None = None
    select: str = ""


def _checked(request: Shape, filter_parameter: str, querying: bool) -> Reading:
    expressions = ("ProjectionExpression", "FilterExpression", *(("KeyConditionExpression",) if querying else ()))
    legacy = ("AttributesToGet", filter_parameter, "ConditionalOperator", *(("KeyConditions",) if querying else ()))
    check_mixture(request, expressions, legacy)
    older = request.get(filter_parameter)
    operator = request.get("ConditionalOperator")
    if not querying:
        check_attribute_names(request)
    test = filter_test(older or {}, operator) if older is not None or operator else None
    check_attribute_names(request)
    start = request.get("ExclusiveStartKey")
    if start is not None:
        _check_start_values(start)
    expression, given = request.get("KeyConditionExpression"), request.get("KeyConditions")
    if not querying:
        _check_segments(request)
    elif expression is None and given is None:
        raise validation(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
        )
    bound = binder(request)
    reading = Reading(request, bound, test)
    if expression is not None:
        bound.condition("KeyConditionExpression", expression)
    before = set(bound.attributes)
    bound.attributes.clear()
    text = request.get("FilterExpression")
    if text is not None:
        reading.test = bound.condition("FilterExpression", text)
    reading.filtered = frozenset(bound.attributes) | frozenset(older or ())
    bound.attributes.update(before)
    reading.branches = projection(request, bound)
    bound.finish()
    if querying:
        reading.conditions = (
            key_conditions.from_legacy(given or {}, bool(request.get("IndexName")))
            if expression is None
            else key_conditions.from_expression(bound, expression)
        )
    try:
        reading.select = _select(request, reading.branches is not None)
    except AWSError as error:
        raise (detected(error) if querying else error) from None
    return reading


def _check_start_values(start: Item) -> None:
    for value in start.values():
        try:
            check(value)
        except AWSError as error:
            if error.code != "ValidationException" or _UNEXPLAINED.search(error.message):
                raise
            raise validation(f"{_START_INVALID}: {error.message}") from None


def _check_segments(request: Shape) -> None:
    segment, total = request.get("Segment"), request.get("TotalSegments")
    if segment is not None and total is None:
        raise validation(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is "
            "present"
        )
    if total is not None:
        if segment is None:
            raise validation(
                "The Segment parameter is required but was not present in the request when parameter TotalSegments "
                "is present"
            )
        if segment >= total:
            raise validation(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
                f"Segment: {segment} is not less than TotalSegments: {total}"
            )


def _select(request: Shape, projecting: bool) -> str:
    select: str = request.get("Select") or ""
    parameter = "AttributesToGet" if request.get("AttributesToGet") is not None else "ProjectionExpression"
    if projecting and select not in ("", "SPECIFIC_ATTRIBUTES"):
        what = "only the Count" if select == "COUNT" else select
        raise validation(f"Cannot specify the {parameter} when choosing to get {what}")
    if select == "SPECIFIC_ATTRIBUTES" and not projecting:
        raise validation(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
        )
    if select == "ALL_PROJECTED_ATTRIBUTES" and not request.get("IndexName"):
        raise validation("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
    return select


def _index(table: Table, request: Shape) -> IndexPlan | None:
    name = request.get("IndexName")
    if name is None:
        return None
    check_name(name, "IndexName")
    plan = table.by_name.get(name)
    if plan is None:
        raise validation(f"The table does not have the specified index: {name}")
    if plan.is_global and request.get("ConsistentRead"):
        raise validation("Consistent reads are not supported on global secondary indexes")
    if plan.is_global and plan.index.status == "CREATING":
        raise validation(f"Cannot read from backfilling global secondary index: {name}")
    return plan


def _needs_table(plan: IndexPlan | None, reading: Reading) -> bool:
    """Whether attributes are asked for that the index has not: a local one fetches them from the table."""
    if plan is None or plan.projected is None:
        return False
    if reading.select == "ALL_ATTRIBUTES":
        if plan.is_global:
            raise invalid_parameters(
                f"Select type ALL_ATTRIBUTES is not supported for global secondary index {plan.name} "
                "because its projection type is not ALL"
            )
        return True
    missing = [str(name) for name in reading.branches or () if name not in plan.projected]
    if missing and plan.is_global:
        raise invalid_parameters(
            f"One or more parameter values were invalid: Global secondary index {plan.name} does not project "
            f"[{', '.join(missing)}]"
        )
    return bool(missing)


@service.operation("Query", access=on_table("Query", describe=lambda table, request: _query_keys(table, request)))
async def query(context: Context, request: Shape) -> Shape:
    return await query_page(context, _checked(request, "QueryFilter", querying=True))


async def query_page(context: Context, reading: Reading) -> Shape:
    request = reading.request
    conditions = reading.conditions or {}
    table = open_table(context, request["TableName"])
    plan = _index(table, request)
    keys = plan.keys if plan is not None else table.keys
    start_key = request.get("ExclusiveStartKey")
    if start_key is not None and len(start_key) != len(keys.all_names):
        raise validation(_START_INVALID)
    key_conditions.check(conditions, keys, start_key)
    place = None if start_key is None else _start_place(start_key, keys, table)
    if start_key is not None and place is not None:
        _check_within(conditions, keys, start_key, place)
        if plan is None and not keys.sort:
            raise validation(f"The provided exclusive start key is invalid: ExclusiveStartKey: {_shown(start_key)}")
    for name in keys.names:
        if name in reading.filtered:
            filter_name = "QueryFilter" if request.get("QueryFilter") is not None else "Filter Expression"
            raise validation(
                f"{filter_name} can only contain non-primary key attributes: Primary key attribute: {name}"
            )
    _needs_table(plan, reading)
    check_nested_keys(table, reading.binder.nested)
    start, end = key_conditions.bounds(conditions, keys)
    forward = request.get("ScanIndexForward") is not False
    if place is not None:
        if forward:
            start = place + b"\0"
        else:
            end = place
    return await _page(context, reading, table, plan, start, end, forward)


def _query_keys(table: Table | None, request: Shape) -> dict[str, KeyValue]:
    keys = {**common_keys(request), **mentioned(table, request, ())}
    keys.setdefault("dynamodb:select", default_select(request))
    bound = Binder(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
    text = request.get("KeyConditionExpression")
    conditions = (
        key_conditions.from_expression(bound, text)
        if text is not None
        else key_conditions.from_legacy(request.get("KeyConditions") or {}, bool(request.get("IndexName")))
    )
    if table is not None:
        plan = table.by_name.get(request.get("IndexName") or "")
        partition = (plan.keys if plan is not None else table.keys).partition[0][0]
        if partition in conditions:
            keys["dynamodb:leadingkeys"] = (key_text(conditions[partition].values[0]),)
    return keys


def _scan_keys(table: Table | None, request: Shape) -> dict[str, KeyValue]:
    keys = {**common_keys(request), **mentioned(table, request, ())}
    keys.setdefault("dynamodb:select", default_select(request))
    keys["dynamodb:fulltablescan"] = "true"
    return keys


@service.operation("Scan", access=on_table("Scan", describe=_scan_keys))
async def scan(context: Context, request: Shape) -> Shape:
    return await scan_page(context, _checked(request, "ScanFilter", querying=False))


async def scan_page(context: Context, reading: Reading) -> Shape:
    request = reading.request
    table = open_table(context, request["TableName"])
    plan = _index(table, request)
    keys = plan.keys if plan is not None else table.keys
    start, end = keys.range()
    total = request.get("TotalSegments")
    if total is not None:
        start, end = segment(keys, request["Segment"], total)
    start_key = request.get("ExclusiveStartKey")
    if start_key is not None:
        if len(start_key) != len(keys.all_names):
            tail = "" if plan is not None else ": The provided key element does not match the schema"
            raise validation(_START_INVALID + tail)
        if plan is not None:
            for number, (name, kind) in enumerate(keys.attributes):
                if name not in start_key:
                    raise validation(_START_INVALID)
                check_key_attribute(start_key, name, kind, number < len(keys.partition))
            _needs_table(plan, reading)
        place = _start_place(start_key, keys, table)
        if not start <= place < end:
            raise validation(
                f"{_START_INVALID}: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
                f"TotalSegments: {total} Segment: {request.get('Segment')}"
            )
        start = place + b"\0"
    _needs_table(plan, reading)
    check_nested_keys(table, reading.binder.nested)
    return await _page(context, reading, table, plan, start, end, True)


def segment(keys: Keys, number: int, total: int) -> tuple[bytes, bytes]:
    """One of `total` equal parts of the hashes of partition keys."""
    low, high = -(-_HASHES * number // total), -(-_HASHES * (number + 1) // total)
    start = keys.head + low.to_bytes(4, "big")
    return start, keys.range()[1] if high >= _HASHES else keys.head + high.to_bytes(4, "big")


def _shown(start: Item) -> str:
    """A key as DynamoDB prints it."""
    parts = [
        f"{name}=AttributeValue: {{{kind}:{content}}}"
        for name, value in start.items()
        for kind, content in value.items()
    ]
    return "{" + ", ".join(parts) + "}"


def _check_within(conditions: Conditions, keys: Keys, start: Item, place: bytes) -> None:
    """That a query's starting key is one that the query could have come to."""
    same_partition = place.startswith(key_conditions.partition(conditions, keys))
    if not keys.sort or keys.sort[0][0] not in conditions:
        if not same_partition:
            raise validation("The provided starting key is outside query boundaries based on provided conditions")
        return
    own = {name: KeyCondition("EQ", [start[name]]) for name, _ in keys.partition}
    first, end = key_conditions.bounds({**conditions, **own}, keys)
    if not first <= place < end:
        raise validation("The provided starting key does not match the range key predicate")
    if not same_partition:
        raise validation("The query can return at most one row and cannot be restarted")


def _start_place(start: Item, keys: Keys, table: Table) -> bytes:
    """Where a checked starting key lies, its part that is the table's key checked as well."""
    try:
        check_key(start, table.keys)
    except AWSError as error:
        raise validation(f"{_START_INVALID}: {error.message}") from None
    return keys.key(start)


class _Spread:
    """How what a scan read is spread over an on-demand table's partitions, each of which is read and rounded up by
    itself: such a table has four from the beginning."""

    def __init__(self, keys: Keys, start: bytes, end: bytes) -> None:
        self._place = len(keys.head)
        self._first = self._partition(start)
        self._end = _PARTITIONS - 1 if end == keys.range()[1] else self._partition(end)
        self._sizes = [0] * _PARTITIONS
        self._last = self._first

    def _partition(self, key: bytes) -> int:
        return key[self._place] * _PARTITIONS >> 8 if len(key) > self._place else 0

    def add(self, key: bytes, size: int) -> None:
        self._last = self._partition(key)
        self._sizes[self._last] += size

    def units(self, consistent: bool, more: bool) -> float:
        last = self._last if more else self._end
        return sum(read_units(size, consistent) for size in self._sizes[self._first : last + 1])


async def _page(
    context: Context, reading: Reading, table: Table, plan: IndexPlan | None, start: bytes, end: bytes, forward: bool
) -> Shape:
    request = reading.request
    fetching = _needs_table(plan, reading)
    limit = request.get("Limit")
    test, branches = reading.test, reading.branches
    counting = reading.select == "COUNT"
    items: list[Any] = []
    matched = scanned = size = fetched = 0
    last: bytes | None = None
    more = False
    spread = None
    if reading.conditions is None and plan is None and table.record.billing == "PAY_PER_REQUEST":
        spread = _Spread(table.keys, start, end)
    for key, record in _records(context, start, end, forward, limit):
        if size >= PAGE_BYTES:
            more = True
            break
        last = record
        scanned += 1
        if scanned % _TURN == 0:
            await asyncio.sleep(0)
        length = record_size(record)
        size += length
        if spread is not None:
            spread.add(key, length)
        if fetching:
            full = context.store.get(table.keys.key(record_item(record)))
            if full is None:
                continue
            record = full
            fetched += record_size(full)
        if test is None and branches is None:
            matched += 1
            if not counting:
                items.append(Fragment(record[4:]))
            continue
        item = record_item(record)
        if test is None or test(item):
            matched += 1
            if not counting:
                items.append(_selected(item, reading))
    response: Shape = {"Count": matched, "ScannedCount": scanned}
    if not counting:
        response["Items"] = items
    more = more or (limit is not None and scanned >= limit) or size >= PAGE_BYTES
    if last is not None and more:
        keys = plan.keys if plan is not None else table.keys
        response["LastEvaluatedKey"] = keys.of(record_item(last))
    consistent = bool(request.get("ConsistentRead"))
    consumption = Consumption(table, request["TableName"], reading=True)
    if plan is not None:
        consumption.index(plan.name, read_units(size, consistent))
        consumption.units = read_units(fetched, consistent) if fetched else 0.0
    elif spread is not None:
        consumption.units = spread.units(consistent, more)
    else:
        consumption.units = read_units(size, consistent)
    consumption.count(context)
    add_capacity(response, request, consumption)
    return response


def _selected(item: Item, reading: Reading) -> Item:
    if reading.picked is not None:
        return documents.pick(item, reading.picked)
    return item if reading.branches is None else documents.project(item, reading.branches)


def _records(
    context: Context, start: bytes, end: bytes, forward: bool, limit: int | None
) -> Iterable[tuple[bytes, bytes]]:
    if start >= end:
        return ()
    return context.store.range(start, end, reverse=not forward, limit=limit)
