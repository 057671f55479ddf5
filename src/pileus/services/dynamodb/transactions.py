"""TransactGetItems and TransactWriteItems.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
The store runs transactions one after the other, so there are no conflicts to report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import orjson
from orjson import Fragment

from pileus.aws.errors import AWSError
from pileus.security.policy.patterns import Value as KeyValue
from pileus.services.context import Cloud, Context
from pileus.services.dynamodb import service
from pileus.services.dynamodb.access import common_keys, default_select, leading_keys, table_access
from pileus.services.dynamodb.batches import add_capacities
from pileus.services.dynamodb.capacity import Consumption, read_units
from pileus.services.dynamodb.catalog import open_table
from pileus.services.dynamodb.errors import EmptyKeyError, validation
from pileus.services.dynamodb.expressions import documents
from pileus.services.dynamodb.items import Update, collection_metrics, prepare_delete, prepare_put, update_write
from pileus.services.dynamodb.mentions import mentioned
from pileus.services.dynamodb.parameters import binder, check_nested_keys, projection
from pileus.services.dynamodb.schema import Table, record_item, record_size
from pileus.services.dynamodb.statistics import Statistics
from pileus.services.dynamodb.values import check_item
from pileus.services.dynamodb.writes import ConditionFailedError, TableChangedError, Write, check_tables
from pileus.services.operation import Access, Shape
from pileus.store.interface import Transaction
from pileus.store.records import Records

_MAX_BYTES = 4 << 20
_TOKEN_SECONDS = 600
_ATTEMPTS = 10
_ACTIONS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_ONE_ITEM = "Transaction request cannot include multiple operations on one item"


class _Token(msgspec.Struct):
    digest: bytes
    expires: float


_tokens = Records(_Token, "dynamodb", "token")


def cancelled(reasons: Sequence[Shape]) -> AWSError:
    codes = ", ".join(reason["Code"] for reason in reasons)
    return AWSError(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        CancellationReasons=list(reasons),
    )


def _reasons(count: int, place: int, code: str, message: str) -> list[Shape]:
    reasons: list[Shape] = [{"Code": "None"} for _ in range(count)]
    reasons[place] = {"Code": code, "Message": message}
    return reasons


def _transaction_keys(enclosing: str) -> Callable[[Table | None, Shape], dict[str, KeyValue]]:
    def describe(table: Table | None, request: Shape) -> dict[str, KeyValue]:
        item = request.get("Item") or request["Key"]
        selected: dict[str, KeyValue] = (
            {"dynamodb:select": default_select(request)} if enclosing == "TransactGetItems" else {}
        )
        return {
            **selected,
            **common_keys(request),
            **leading_keys(table, [item]),
            **mentioned(table, request, item),
            "dynamodb:enclosingoperation": enclosing,
        }

    return describe


_WRITE_KEYS = _transaction_keys("TransactWriteItems")
_GET_KEYS = _transaction_keys("TransactGetItems")


def _action(item: Shape) -> tuple[str, Shape]:
    """The one action of an entry of TransactItems."""
    given = [(name, item[name]) for name in _ACTIONS if item.get(name) is not None]
    if len(given) != 1:
        raise validation(
            "TransactItems can only contain one of Check, Put, Update or Delete"
            if given
            else "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request"
        )
    return given[0]


def _write_access(context: Context, request: Shape) -> Iterable[Access]:
    for item in request["TransactItems"]:
        name, action = _action(item)
        yield table_access(context, _ACTIONS[name], action["TableName"], request=action, describe=_WRITE_KEYS)


def _get_access(context: Context, request: Shape) -> Iterable[Access]:
    for item in request["TransactItems"]:
        yield table_access(context, "GetItem", item["Get"]["TableName"], request=item["Get"], describe=_GET_KEYS)


@service.operation("TransactGetItems", access=_get_access, actions=("dynamodb:GetItem",))
async def transact_get_items(context: Context, request: Shape) -> Shape:
    prepared = []
    for item in request["TransactItems"]:
        get = item["Get"]
        check_item(get["Key"])
        bound = binder(get)
        branches = projection(get, bound)
        bound.finish()
        prepared.append((get, branches, bound.nested))
    places: list[tuple[Table, bytes]] = []
    for number, (get, _, nested) in enumerate(prepared):
        table = open_table(context, get["TableName"])
        try:
            places.append((table, table.key(get["Key"])))
            check_nested_keys(table, nested)
        except AWSError as error:
            raise cancelled(_reasons(len(prepared), number, "ValidationError", error.message)) from None
    if len({place for _, place in places}) != len(places):
        raise validation(_ONE_ITEM)
    with context.store.snapshot() as snapshot:
        records = [snapshot.get(place) for _, place in places]
    if sum(record_size(record) for record in records if record is not None) > _MAX_BYTES:
        raise validation("Aggregated size of items in a transaction cannot exceed 4194304 bytes")
    responses: list[Shape] = []
    consumptions: dict[str, Consumption] = {}
    for (get, branches, _), (table, _), record in zip(prepared, places, records, strict=True):
        name = get["TableName"]
        consumption = consumptions.setdefault(name, Consumption(table, name, reading=True, transactional=True))
        consumption.units += 2 * read_units(record_size(record) if record else 0, True)
        if record is None:
            responses.append({})
        elif branches is None:
            responses.append({"Item": Fragment(record[4:])})
        else:
            responses.append({"Item": documents.project(record_item(record), branches)})
    return _answer(context, request, {"Responses": responses}, consumptions)


def _answer(context: Context, request: Shape, response: Shape, consumptions: dict[str, Consumption]) -> Shape:
    for consumption in consumptions.values():
        consumption.count(context)
    add_capacities(response, request, consumptions.values())
    return response


@service.operation(
    "TransactWriteItems",
    access=_write_access,
    actions=tuple(f"dynamodb:{action}" for action in _ACTIONS.values()),
)
async def transact_write_items(context: Context, request: Shape) -> Shape:
    actions = [_action(item) for item in request["TransactItems"]]
    size = len(orjson.dumps([action for _, action in actions]))
    if size > _MAX_BYTES:
        raise validation(f"Transaction payload size cannot exceed {_MAX_BYTES} bytes")
    makers = [_prepare(name, action) for name, action in actions]
    token = request.get("ClientRequestToken")
    digest = hashlib.sha256(orjson.dumps(request["TransactItems"], option=orjson.OPT_SORT_KEYS)).digest()
    writes, repeated = await perform(
        context,
        [(action["TableName"], make, action) for (_, action), make in zip(actions, makers, strict=True)],
        None if token is None else (token, digest),
    )
    consumptions: dict[str, Consumption] = {}
    metrics: dict[str, list[Shape]] = {}
    for (name, action), write in zip(actions, writes, strict=True):
        table_name = action["TableName"]
        if repeated:
            # A repeated request reads what it finds, so it is charged for reading.
            consumption = Consumption(write.table, table_name, reading=True, transactional=True)
            record = context.store.get(write.key)
            consumption.units = 2 * read_units(record_size(record) if record else 0, True)
        else:
            consumption = write.consumption(table_name, transactional=True)
        if table_name in consumptions:
            consumptions[table_name].add(consumption)
        else:
            consumptions[table_name] = consumption
        if request.get("ReturnItemCollectionMetrics") == "SIZE" and write.table.local and name != "ConditionCheck":
            touched = action.get("Item") or action["Key"]
            metrics.setdefault(table_name, []).append(collection_metrics(context, write.table, touched))
    response: Shape = {"ItemCollectionMetrics": metrics} if metrics else {}
    return _answer(context, request, response, consumptions)


def _prepare(name: str, action: Shape) -> Callable[[Table], Write]:
    if name == "Put":
        return prepare_put(action)
    if name == "Delete":
        return prepare_delete(action)
    if name == "Update":
        update = Update.requested(action)
        return lambda table: update_write(update, table)
    make = prepare_delete(action)

    def check(table: Table) -> Write:
        write = make(table)
        write.check_only = True
        return write

    return check


Prepared = tuple[str, Callable[[Table], Write], Shape]


async def perform(
    context: Context, prepared: Sequence[Prepared], token: tuple[str, bytes] | None
) -> tuple[list[Write], bool]:
    """All writes or none; whether the same was done before under this token."""
    for _ in range(_ATTEMPTS):
        writes: list[Write] = []
        for number, (name, make, _) in enumerate(prepared):
            table = open_table(context, name)
            try:
                writes.append(make(table))
            except AWSError as error:
                if error.code != "ValidationException" or isinstance(error, EmptyKeyError):
                    raise
                raise cancelled(_reasons(len(prepared), number, "ValidationError", error.message)) from None
        if len({write.key for write in writes}) != len(writes):
            raise validation(_ONE_ITEM)
        now = context.cloud.clock.time()

        def change(tx: Transaction, writes: list[Write] = writes, now: float = now) -> bool:
            if token is not None and _done_before(tx, context, token, now):
                return True
            _perform_all(tx, writes, [action for _, _, action in prepared], now)
            return False

        try:
            repeated = await context.store.transact(change)
        except TableChangedError:
            continue
        if not repeated:
            statistics = context.cloud.part(Statistics)
            for write in writes:
                statistics.add(write)
        return writes, repeated
    raise AWSError("InternalServerError", "The table is being changed: try again.", status=500)


def _done_before(tx: Transaction, context: Context, token: tuple[str, bytes], now: float) -> bool:
    where = (context.account, context.region, token[0])
    known = _tokens.get(tx, *where)
    if known is not None and known.expires > now:
        if known.digest != token[1]:
            raise AWSError(
                "IdempotentParameterMismatchException",
                "DynamoDB rejected the request because you retried a request with a different payload but with an "
                "idempotent token that was already used.",
            )
        return True
    _tokens.put(tx, *where, value=_Token(token[1], now + _TOKEN_SECONDS))
    return False


def _perform_all(tx: Transaction, writes: Sequence[Write], actions: Sequence[Shape], now: float) -> None:
    reasons: list[Shape] = []
    failed = False
    check_tables(tx, writes)
    for write, action in zip(writes, actions, strict=True):
        try:
            write.perform(tx, now)
        except ConditionFailedError as condition:
            failed = True
            reason: Shape = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
            wanted: Any = action.get("ReturnValuesOnConditionCheckFailure")
            if wanted == "ALL_OLD" and condition.record is not None:
                reason["Item"] = record_item(condition.record)
            reasons.append(reason)
        except AWSError as error:
            failed = True
            code = "ValidationError" if error.code == "ValidationException" else "ItemCollectionSizeLimitExceeded"
            reasons.append({"Code": code, "Message": error.message})
        else:
            reasons.append({"Code": "None"})
    if failed:
        raise cancelled(reasons)


@service.every(120, "tokens")
async def forget_tokens(cloud: Cloud) -> None:
    now = cloud.clock.time()
    expired = [key for key, token in _tokens.scan(cloud.store) if token.expires <= now]

    def change(tx: Transaction) -> None:
        for key in expired:
            known = _tokens.get(tx, *key)
            if known is not None and known.expires <= now:
                _tokens.delete(tx, *key)

    if expired:
        await cloud.store.transact(change)
