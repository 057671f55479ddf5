"""The key condition of a Query, from KeyConditionExpression or KeyConditions, as a range of the store's keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pileus.services.dynamodb.errors import invalid_parameters, validation
from pileus.services.dynamodb.expressions import documents, tree
from pileus.services.dynamodb.expressions.binding import Binder
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.expressions.parsing import parse_condition
from pileus.services.dynamodb.legacy import check_arguments
from pileus.services.dynamodb.schema import Keys, check_key_value, encode_key, encode_prefix, past_prefix
from pileus.services.dynamodb.values import Item, Value

_OPERATORS = {"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}
_MIRRORED = {"EQ": "EQ", "LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE"}
_NOT_INDEXABLE = frozenset(("NULL", "NOT_NULL", "NE", "CONTAINS", "NOT_CONTAINS", "IN"))


@dataclass(frozen=True, slots=True)
class KeyCondition:
    operator: str
    values: list[Value]


Conditions = dict[str, KeyCondition]


def from_legacy(parameter: dict[str, Any]) -> Conditions:
    conditions: Conditions = {}
    for name, condition in parameter.items():
        values = condition.get("AttributeValueList") or []
        check_arguments(condition["ComparisonOperator"], values)
        conditions[name] = KeyCondition(condition["ComparisonOperator"], values)
    return conditions


def from_expression(binder: Binder, text: str) -> Conditions:
    binder.condition("KeyConditionExpression", text)
    conditions: Conditions = {}
    try:
        _collect(binder, parse_condition(text), conditions)
    except ExpressionError as error:
        raise validation(str(error)) from None
    return conditions


def _collect(binder: Binder, node: tree.Condition, conditions: Conditions) -> None:
    if isinstance(node, tree.And):
        _collect(binder, node.left, conditions)
        _collect(binder, node.right, conditions)
        return
    if isinstance(node, tree.Or | tree.Not | tree.In):
        raise ExpressionError(f"Invalid operator used in KeyConditionExpression: {type(node).__name__.upper()}")
    if isinstance(node, tree.Comparison):
        if node.operator == "<>":
            raise ExpressionError("Invalid operator used in KeyConditionExpression: <>")
        operands: tuple[tree.Operand, ...] = (node.left, node.right)
        operator = _OPERATORS[node.operator]
    elif isinstance(node, tree.Between):
        operands, operator = (node.operand, node.low, node.high), "BETWEEN"
    elif node.function != "begins_with":
        raise ExpressionError(f"Invalid operator used in KeyConditionExpression: {node.function}")
    else:
        operands, operator = node.arguments, "BEGINS_WITH"
    if any(isinstance(operand, tree.Call) for operand in operands):
        raise ExpressionError("KeyConditionExpressions cannot contain nested operations")
    if operator in ("BETWEEN", "BEGINS_WITH") and not isinstance(operands[0], tree.Path):
        shown = "BETWEEN" if operator == "BETWEEN" else "begins_with"
        raise ExpressionError(
            f"Invalid condition in KeyConditionExpression: {shown} operator must have the key attribute as its "
            "first operand"
        )
    paths = [operand for operand in operands if isinstance(operand, tree.Path)]
    if len(paths) > 1:
        raise ExpressionError(
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"
        )
    if not paths:
        raise ExpressionError("Invalid condition in KeyConditionExpression: No key attribute specified")
    parts = binder.path(paths[0])
    if len(parts) > 1:
        raise ExpressionError("KeyConditionExpressions cannot have conditions on nested attributes")
    name = documents.top_level([parts]).pop()
    if name in conditions:
        raise ExpressionError("KeyConditionExpressions must only contain one condition per key")
    if operands[0] is not paths[0]:
        operator = _MIRRORED[operator]
    values = [value for value in map(binder.constant, operands) if value is not None]
    conditions[name] = KeyCondition(operator, values)


def check(conditions: Conditions, keys: Keys) -> None:
    """That the conditions fit a table's or an index's key schema."""
    if len(conditions) > len(keys.names):
        raise validation("Query key condition not supported")
    if not conditions:
        raise validation("Conditions can be of length 1 or 2 only")
    if len(keys.names) > 2:
        _check_multi(conditions, keys)
    remaining = dict(conditions)
    for name, kind in keys.partition:
        condition = remaining.pop(name, None)
        if condition is None:
            raise validation(f"Query condition missed key schema element: {name}")
        _check_one(condition, kind)
        if condition.operator != "EQ":
            raise validation("Query key condition not supported")
        check_key_value(name, kind, condition.values[0][kind], True, "were invalid: ")
    ranged = False
    for name, kind in keys.sort:
        if not remaining:
            break
        condition = remaining.pop(name, None)
        if condition is None or ranged:
            raise validation(f"Query condition missed key schema element: {name}")
        _check_one(condition, kind)
        if condition.operator != "BEGINS_WITH":
            for value in condition.values:
                check_key_value(name, kind, value[kind], False, "were invalid: ")
        ranged = condition.operator != "EQ"
    if remaining:
        if not keys.sort:
            raise validation("Query key condition not supported")
        raise validation(f"Query condition missed key schema element: {keys.sort[0][0]}")


def _check_multi(conditions: Conditions, keys: Keys) -> None:
    """The rules of keys of several attributes.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.DesignPattern.MultiAttributeKeys.html
    """
    for name, _ in keys.partition:
        if name not in conditions or conditions[name].operator != "EQ":
            raise validation(
                "Query key condition not supported: each HASH key attribute must have an equality condition; "
                f"attribute: {name}"
            )
    given = [conditions.get(name) for name, _ in keys.sort]
    while given and given[-1] is None:
        given.pop()
    for condition in given[:-1]:
        if condition is None or condition.operator != "EQ":
            raise validation(
                "Query key condition not supported: RANGE key attributes must be given from left to right, "
                "and all but the last must have an equality condition"
            )


def _check_one(condition: KeyCondition, kind: str) -> None:
    if condition.operator in _NOT_INDEXABLE:
        raise validation("Attempted conditional constraint is not an indexable operation")
    if any(kind not in value for value in condition.values):
        raise invalid_parameters("Condition parameter type does not match schema type")
    if condition.operator == "BEGINS_WITH" and kind == "N":
        raise invalid_parameters("ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type")


def partition(conditions: Conditions, keys: Keys) -> bytes:
    item: Item = {name: conditions[name].values[0] for name, _ in keys.partition}
    return keys.head + keys.within(item)


def bounds(conditions: Conditions, keys: Keys) -> tuple[bytes, bytes]:
    """The range of keys that fulfil checked conditions."""
    prefix = partition(conditions, keys)
    for name, kind in keys.sort:
        condition = conditions.get(name)
        if condition is None:
            break
        first = condition.values[0]
        if condition.operator == "EQ":
            prefix += encode_key(first, kind)
            continue
        if condition.operator == "BEGINS_WITH":
            start = prefix + encode_prefix(first, kind)
            return start, past_prefix(start)
        bound = prefix + encode_key(first, kind)
        if condition.operator == "BETWEEN":
            return bound, past_prefix(prefix + encode_key(condition.values[1], kind))
        if condition.operator in ("LT", "LE"):
            return prefix, bound if condition.operator == "LT" else past_prefix(bound)
        return bound if condition.operator == "GE" else past_prefix(bound), past_prefix(prefix)
    return prefix, past_prefix(prefix)
