"""PartiQL: ExecuteStatement, and what every statement goes through.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from orjson import Fragment

from pileus.aws.errors import AWSError
from pileus.security.policy.patterns import Value as KeyValue
from pileus.services.context import Context
from pileus.services.dynamodb import service
from pileus.services.dynamodb.access import common_keys, key_text, table_access
from pileus.services.dynamodb.catalog import open_table
from pileus.services.dynamodb.errors import validation
from pileus.services.dynamodb.expressions import documents
from pileus.services.dynamodb.expressions.binding import Binder
from pileus.services.dynamodb.expressions.conditions import Test
from pileus.services.dynamodb.expressions.documents import Parts, branches_of, named
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.expressions.tree import And, Between, Call, Comparison, Condition, Literal, Path
from pileus.services.dynamodb.items import Update as ItemUpdate
from pileus.services.dynamodb.items import add_capacity, update_write
from pileus.services.dynamodb.key_conditions import Conditions, KeyCondition
from pileus.services.dynamodb.partiql.parsing import parse
from pileus.services.dynamodb.partiql.tree import Delete, Exists, Insert, Select, Statement, Update
from pileus.services.dynamodb.queries import Reading, query_page, scan_page
from pileus.services.dynamodb.schema import Keys, Table, pack_record, record_item
from pileus.services.dynamodb.values import MAX_ITEM_SIZE, Item, check_item
from pileus.services.dynamodb.writes import Write
from pileus.services.dynamodb.writing import commit_one
from pileus.services.operation import Access, Shape

_OPERATORS = {"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}
_ACTIONS: dict[type, str] = {
    Select: "PartiQLSelect",
    Exists: "PartiQLSelect",
    Insert: "PartiQLInsert",
    Update: "PartiQLUpdate",
    Delete: "PartiQLDelete",
}
ALL_ACTIONS = tuple(f"dynamodb:{action}" for action in dict.fromkeys(_ACTIONS.values()))
_NO_KEY = "Where clause does not contain a mandatory equality on all key attributes"


def parsed(request: Shape) -> Statement:
    return parse(request["Statement"], request.get("Parameters") or ())


def _select_of(statement: Statement) -> Select | None:
    return statement.select if isinstance(statement, Exists) else statement if isinstance(statement, Select) else None


def table_of(statement: Statement) -> str:
    return statement.select.table if isinstance(statement, Exists) else statement.table


# Where clauses


def _conjuncts(condition: Condition | None) -> list[Condition]:
    if condition is None:
        return []
    if isinstance(condition, And):
        return [*_conjuncts(condition.left), *_conjuncts(condition.right)]
    return [condition]


def _key_condition(condition: Condition) -> tuple[str, KeyCondition] | None:
    """A comparison of a top-level attribute with values, as a key condition."""
    if isinstance(condition, Comparison) and condition.operator in _OPERATORS:
        operands, operator = (condition.left, condition.right), _OPERATORS[condition.operator]
    elif isinstance(condition, Between):
        operands, operator = (condition.operand, condition.low, condition.high), "BETWEEN"  # type: ignore[assignment]
    elif isinstance(condition, Call) and condition.function == "begins_with":
        operands, operator = condition.arguments, "BEGINS_WITH"  # type: ignore[assignment]
    else:
        return None
    path, *values = operands
    if not isinstance(path, Path) or len(path.parts) != 1:
        return None
    literals = [value.value for value in values if isinstance(value, Literal)]
    return (str(path.parts[0]), KeyCondition(operator, literals)) if len(literals) == len(values) else None


def _split(where: Condition | None, keys: Keys) -> tuple[Conditions, list[Condition]]:
    """What of the clause is about the key, where it fixes the partition key, and the rest."""
    names = set(keys.names)
    partition = {name for name, _ in keys.partition}
    conditions: Conditions = {}
    rest: list[Condition] = []
    for conjunct in _conjuncts(where):
        found = _key_condition(conjunct)
        usable = found is not None and (found[0] not in partition or found[1].operator == "EQ")
        if found is not None and usable and found[0] in names and found[0] not in conditions:
            conditions[found[0]] = found[1]
        else:
            rest.append(conjunct)
    if not partition <= conditions.keys():
        return {}, _conjuncts(where)
    return conditions, rest


def test_of(binder: Binder, conditions: list[Condition]) -> Test | None:
    if not conditions:
        return None
    tests = [binder.test(condition) for condition in conditions]
    return lambda item: all(test(item) for test in tests)


def primary_key(where: Condition | None, table: Table) -> tuple[Item, list[Condition]]:
    """The primary key that a clause names, and its other conditions."""
    conditions, rest = _split(where, table.keys)
    key: Item = {}
    for name in table.keys.names:
        condition = conditions.get(name)
        if condition is None or condition.operator != "EQ":
            raise validation(_NO_KEY)
        key[name] = condition.values[0]
    return key, rest


# Condition keys


def _statement_keys(table: Table | None, request: Shape) -> dict[str, KeyValue]:
    statement = parsed(request)
    select = _select_of(statement)
    returning = {"ReturnValues": getattr(statement, "returning", "NONE")}
    keys = common_keys({**request, **returning})
    binder = Binder()
    where = select.where if select is not None else None if isinstance(statement, Insert) else statement.where  # type: ignore[union-attr]
    if where is not None:
        binder.test(where)
    if isinstance(statement, Insert):
        binder.attributes.update(statement.item)
        if table is not None and table.record.partition in statement.item:
            keys["dynamodb:leadingkeys"] = (key_text(statement.item[table.record.partition]),)
    if isinstance(statement, Update):
        binder.actions(statement.actions)
    if select is not None:
        for path in select.paths or ():
            binder.path(path)
        keys["dynamodb:select"] = "ALL_ATTRIBUTES" if select.paths is None else "SPECIFIC_ATTRIBUTES"
    if table is not None and not isinstance(statement, Insert):
        plan = table.by_name.get(select.index) if select is not None and select.index else None
        schema = plan.keys if plan is not None else table.keys
        conditions, _ = _split(where, schema)
        if conditions:
            keys["dynamodb:leadingkeys"] = (key_text(conditions[schema.partition[0][0]].values[0]),)
        if select is not None:
            keys["dynamodb:fulltablescan"] = "false" if conditions else "true"
    keys["dynamodb:attributes"] = tuple(sorted(binder.attributes))
    if "EnclosingOperation" in request:
        keys["dynamodb:enclosingoperation"] = request["EnclosingOperation"]
    return keys


def _access(context: Context, request: Shape) -> Access:
    statement = parsed(request)
    select = _select_of(statement)
    index = select.index if select is not None else ""
    return table_access(
        context, _ACTIONS[type(statement)], table_of(statement), index=index, describe=_statement_keys, request=request
    )


def batch_access(member: str) -> Callable[[Context, Shape], Iterable[Access]]:
    enclosing = {"EnclosingOperation": "ExecuteTransaction"} if member == "TransactStatements" else {}

    def access(context: Context, request: Shape) -> Iterable[Access]:
        for entry in request[member]:
            try:
                yield _access(context, {**entry, **enclosing})
            except AWSError as error:
                if error.code != "ValidationException":
                    raise
                # It will be answered by its error; nothing of it is run.

    return access


# Running


@service.operation("ExecuteStatement", access=_access, actions=ALL_ACTIONS)
async def execute_statement(context: Context, request: Shape) -> Shape:
    statement = parsed(request)
    if isinstance(statement, Exists):
        raise validation("EXISTS is only supported in transactions")
    if isinstance(statement, Select):
        return await _select(context, request, statement)
    make, touched = prepare(context, statement)
    on_failure = request.get("ReturnValuesOnConditionCheckFailure") or "NONE"
    write = await commit_statement(context, statement, make, on_failure)
    response = _answer(statement, write, touched)
    consumption = write.consumption(statement.table)
    consumption.count(context)
    add_capacity(response, request, consumption)
    return response


async def commit_statement(
    context: Context, statement: Insert | Update | Delete, make: Callable[[Table], Write], on_failure: str
) -> Write:
    try:
        return await commit_one(context, lambda: make(open_table(context, statement.table)), on_failure)
    except AWSError as error:
        if isinstance(statement, Insert) and error.code == "ConditionalCheckFailedException":
            raise AWSError("DuplicateItemException", "Duplicate primary key exists in table") from None
        raise


def _token(request: Shape, last: Item) -> str:
    return base64.b64encode(orjson.dumps([_digest(request), last])).decode()


def _digest(request: Shape) -> str:
    identity = [request["Statement"], request.get("Parameters")]
    return hashlib.sha256(orjson.dumps(identity)).hexdigest()[:16]


def _opened(request: Shape) -> Item | None:
    token = request.get("NextToken")
    if token is None:
        return None
    try:
        digest, last = orjson.loads(base64.b64decode(token, validate=True))
        check_item(last)
    except (ValueError, TypeError, binascii.Error, AWSError):
        raise validation("Given NextToken is invalid") from None
    if digest != _digest(request):
        raise validation("NextToken does not match request")
    return last  # type: ignore[no-any-return]


async def _select(context: Context, request: Shape, select: Select) -> Shape:
    table = open_table(context, select.table)
    plan = table.by_name.get(select.index) if select.index else None
    keys = plan.keys if plan is not None else table.keys
    reading_request: Shape = {"TableName": select.table}
    if select.index:
        if plan is None:
            raise validation("The table does not have the specified index")
        reading_request["IndexName"] = select.index
    for parameter in ("ConsistentRead", "Limit", "ReturnConsumedCapacity"):
        if request.get(parameter) is not None:
            reading_request[parameter] = request[parameter]
    start = _opened(request)
    if start is not None:
        reading_request["ExclusiveStartKey"] = start
    binder = Binder()
    conditions, rest = _split(select.where, keys)
    if select.ordered_by:
        if not conditions:
            raise validation("Must have WHERE clause in the statement when using ORDER BY clause.")
        if any(name not in keys.names for name in select.ordered_by):
            raise validation(
                f"Variable reference {select.ordered_by[0]} in ORDER BY clause must be part of the primary key"
            )
        reading_request["ScanIndexForward"] = not select.descending
    try:
        reading = Reading(reading_request, binder, test_of(binder, rest))
        reading.picked = picked(binder, select)
        if reading.picked is not None:
            reading.branches = branches_of(list(reading.picked.values()))
    except ExpressionError as error:
        raise validation(str(error)) from None
    reading.conditions = conditions or None
    page = await (query_page(context, reading) if conditions else scan_page(context, reading))
    response: Shape = {"Items": page["Items"]}
    if "LastEvaluatedKey" in page:
        response["NextToken"] = _token(request, page["LastEvaluatedKey"])
        response["LastEvaluatedKey"] = page["LastEvaluatedKey"]
    if "ConsumedCapacity" in page:
        response["ConsumedCapacity"] = page["ConsumedCapacity"]
    return response


def picked(binder: Binder, select: Select) -> dict[str, Parts] | None:
    """The paths that a statement selects, by the names of their values in the answer; None where it selects all."""
    return None if select.paths is None else named([binder.path(path) for path in select.paths])


def prepare(
    context: Context, statement: Insert | Update | Delete | Exists
) -> tuple[Callable[[Table], Write], dict[str | int, Any]]:
    """What makes the write for a table, and the branches of attributes that it changes."""
    binder = Binder()
    if isinstance(statement, Insert):
        return _insert(statement), {}
    where = statement.select.where if isinstance(statement, Exists) else statement.where
    # The key can only be told from the conditions with the table's schema.
    table = open_table(context, table_of(statement))
    key, rest = primary_key(where, table)
    check_item(key)
    try:
        test = test_of(binder, rest)
        if isinstance(statement, Update):
            update = ItemUpdate(key, binder.actions(statement.actions), _existing(test), binder.nested)
            return lambda table: update_write(update, table), update.branches
    except ExpressionError as error:
        raise validation(str(error)) from None
    check_only = isinstance(statement, Exists)
    condition = _existing(test) if check_only else test
    return lambda table: Write(table, table.key(key), condition=condition, check_only=check_only), {}


def _existing(test: Test | None) -> Test:
    """Unlike UpdateItem, a statement changes only an item that is there."""
    if test is None:
        return bool
    return lambda item: bool(item) and test(item)


def _insert(statement: Insert) -> Callable[[Table], Write]:
    size = check_item(statement.item)
    if size > MAX_ITEM_SIZE:
        raise validation("Item size has exceeded the maximum allowed size")
    record = pack_record(statement.item, size)

    def make(table: Table) -> Write:
        table.check_item(statement.item)
        return Write(table, table.keys.key(statement.item), condition=lambda item: not item, record=record)

    return make


def _answer(statement: Insert | Update | Delete, write: Write, branches: dict[str | int, Any]) -> Shape:
    returning = "NONE" if isinstance(statement, Insert) else statement.returning
    record = write.old if returning.endswith("OLD") else write.new
    if returning == "NONE" or record is None:
        return {"Items": []}
    if returning.startswith("ALL"):
        return {"Items": [Fragment(record[4:])]}
    return {"Items": [documents.project(record_item(record), branches)]}
