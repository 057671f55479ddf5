"""Several PartiQL statements in one request: BatchExecuteStatement, ExecuteTransaction.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.multiplestatements.transactions.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson
from orjson import Fragment

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.dynamodb import service
from pileus.services.dynamodb.batches import add_capacities
from pileus.services.dynamodb.capacity import Consumption, read_units
from pileus.services.dynamodb.catalog import open_table
from pileus.services.dynamodb.errors import validation
from pileus.services.dynamodb.expressions import documents
from pileus.services.dynamodb.expressions.binding import Binder
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.partiql.tree import Exists, Insert, Select, Statement
from pileus.services.dynamodb.partiql_statements import (
    ALL_ACTIONS,
    batch_access,
    commit_statement,
    parsed,
    picked,
    prepare,
    primary_key,
    table_of,
    test_of,
)
from pileus.services.dynamodb.schema import record_item, record_size
from pileus.services.dynamodb.transactions import Prepared, cancelled, perform
from pileus.services.dynamodb.values import check_item
from pileus.services.operation import Shape

_MAX_BATCH = 25
_ERRORS = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "DuplicateItemException": "DuplicateItem",
    "ItemCollectionSizeLimitExceededException": "ItemCollectionSizeLimitExceeded",
    "ResourceNotFoundException": "ResourceNotFound",
    "ValidationException": "ValidationError",
    "SerializationException": "ValidationError",
    "AccessDeniedException": "AccessDenied",
    "InternalServerError": "InternalServerError",
}


@service.operation("BatchExecuteStatement", access=batch_access("Statements"), actions=ALL_ACTIONS)
async def batch_execute_statement(context: Context, request: Shape) -> Shape:
    entries = request["Statements"]
    if len(entries) > _MAX_BATCH:
        raise validation(f"Member must have length less than or equal to {_MAX_BATCH}")
    _check_together([statement for statement in map(_readable, entries) if statement is not None], context)
    responses: list[Shape] = []
    consumptions: dict[str, Consumption] = {}
    for entry in entries:
        responses.append(await _one(context, entry, consumptions))
    response: Shape = {"Responses": responses}
    for consumption in consumptions.values():
        consumption.count(context)
    add_capacities(response, request, consumptions.values())
    return response


def _readable(entry: Shape) -> Statement | None:
    try:
        return parsed(entry)
    except AWSError:
        return None  # its own answer tells


def _check_together(statements: list[Statement], context: Context) -> None:
    """Either reads or writes, and no item twice."""
    if 0 < sum(isinstance(statement, Select) for statement in statements) < len(statements):
        raise validation("Read and write requests together in the same batch is not supported.")
    if _repeats(context, statements):
        raise validation("Provided list of item keys contains duplicates")


def _repeats(context: Context, statements: Iterable[Statement]) -> bool:
    places = [place for statement in statements if (place := _place(context, statement)) is not None]
    return len(set(places)) < len(places)


def _place(context: Context, statement: Statement) -> bytes | None:
    """Of the item that a statement names, where it does so."""
    try:
        table = open_table(context, table_of(statement))
        if isinstance(statement, Insert):
            key = {name: statement.item[name] for name in table.keys.names}
        else:
            select = statement.select if isinstance(statement, Exists) else statement
            key, _ = primary_key(select.where, table)
        check_item(key)
        return table.key(key)
    except (AWSError, KeyError):
        return None


async def _one(context: Context, entry: Shape, consumptions: dict[str, Consumption]) -> Shape:
    response: Shape = {}
    try:
        statement = parsed(entry)
        response["TableName"] = table_of(statement)
        if isinstance(statement, Exists):
            raise validation("EXISTS is only supported in transactions")
        if isinstance(statement, Select):
            item, consumption = _get(context, statement, bool(entry.get("ConsistentRead")), transactional=False)
            if item is not None:
                response["Item"] = item
        else:
            make, _ = prepare(context, statement)
            write = await commit_statement(
                context, statement, make, entry.get("ReturnValuesOnConditionCheckFailure") or "NONE"
            )
            consumption = write.consumption(statement.table)
    except AWSError as error:
        code = _ERRORS.get(error.code, "InternalServerError")
        response["Error"] = {"Code": code, "Message": error.message}
        if code == "ResourceNotFound":
            del response["TableName"]
        if "Item" in error.members:
            response["Error"]["Item"] = error.members["Item"]
        return response
    if consumption.name in consumptions:
        consumptions[consumption.name].add(consumption)
    else:
        consumptions[consumption.name] = consumption
    return response


def _get(context: Context, select: Select, consistent: bool, *, transactional: bool) -> tuple[Any, Consumption]:
    """The one item of a SELECT that names a whole primary key."""
    table = open_table(context, select.table)
    no_key = f"Select statements within {context.operation} must specify the primary key in the where clause."
    if select.index:
        raise validation(no_key)
    try:
        key, rest = primary_key(select.where, table)
    except AWSError:
        raise validation(no_key) from None
    check_item(key)
    binder = Binder()
    try:
        test, paths = test_of(binder, rest), picked(binder, select)
    except ExpressionError as error:
        raise validation(str(error)) from None
    record = context.store.get(table.key(key))
    consumption = Consumption(table, select.table, reading=True, transactional=transactional)
    units = read_units(record_size(record) if record else 0, consistent or transactional)
    consumption.units = 2 * units if transactional else units
    if record is None or (test is not None and not test(record_item(record))):
        return None, consumption
    return Fragment(record[4:]) if paths is None else documents.pick(record_item(record), paths), consumption


@service.operation("ExecuteTransaction", access=batch_access("TransactStatements"), actions=ALL_ACTIONS)
async def execute_transaction(context: Context, request: Shape) -> Shape:
    entries = request["TransactStatements"]
    statements = [parsed(entry) for entry in entries]
    selects = [statement for statement in statements if isinstance(statement, Select)]
    consumptions: dict[str, Consumption] = {}
    response: Shape
    if selects:
        if len(selects) != len(statements):
            raise validation(
                "ExecuteTransaction API does not support both read and write operations in the same request."
            )
        if _repeats(context, selects):
            raise validation("Transaction request cannot include multiple operations on one item")
        response = {"Responses": _read_all(context, selects, consumptions)}
    else:
        await _write_all(context, request, entries, statements, consumptions)
        response = {"Responses": []}
    for consumption in consumptions.values():
        consumption.count(context)
    add_capacities(response, request, consumptions.values())
    return response


def _read_all(context: Context, selects: list[Select], consumptions: dict[str, Consumption]) -> list[Shape]:
    responses: list[Shape] = []
    with context.store.snapshot():
        for place, select in enumerate(selects):
            try:
                item, consumption = _get(context, select, True, transactional=True)
            except AWSError as error:
                raise _cancelled(len(selects), place, error) from None
            consumptions.setdefault(select.table, consumption)
            if consumptions[select.table] is not consumption:
                consumptions[select.table].add(consumption)
            responses.append({} if item is None else {"Item": item})
    return responses


def _cancelled(count: int, place: int, error: AWSError) -> AWSError:
    reasons: list[Shape] = [{"Code": "None"} for _ in range(count)]
    reasons[place] = {"Code": _ERRORS.get(error.code, "ValidationError"), "Message": error.message}
    return cancelled(reasons)


async def _write_all(
    context: Context,
    request: Shape,
    entries: list[Shape],
    statements: list[Any],
    consumptions: dict[str, Consumption],
) -> None:
    prepared: list[Prepared] = []
    for place, (entry, statement) in enumerate(zip(entries, statements, strict=True)):
        try:
            make, _ = prepare(context, statement)
        except AWSError as error:
            raise _cancelled(len(statements), place, error) from None
        prepared.append((table_of(statement), make, entry))
    token = request.get("ClientRequestToken")
    digest = hashlib.sha256(orjson.dumps(entries)).digest()
    try:
        writes, _ = await perform(context, prepared, None if token is None else (token, digest))
    except AWSError as error:
        if error.code != "TransactionCanceledException":
            raise
        reasons = error.members["CancellationReasons"]
        for reason, statement in zip(reasons, statements, strict=True):
            if isinstance(statement, Insert) and reason["Code"] == "ConditionalCheckFailed":
                reason.update(Code="DuplicateItem", Message="Duplicate primary key exists in table")
        raise cancelled(reasons) from None
    for write, statement in zip(writes, statements, strict=True):
        name = table_of(statement)
        consumption = write.consumption(name, transactional=True)
        if name in consumptions:
            consumptions[name].add(consumption)
        else:
            consumptions[name] = consumption
