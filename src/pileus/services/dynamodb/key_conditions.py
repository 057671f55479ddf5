"""The key condition of a Query, from KeyConditionExpression or KeyConditions, as a range of the store's keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pileus.services.dynamodb.errors import invalid_parameters, validation
from pileus.services.dynamodb.expressions import tree
from pileus.services.dynamodb.expressions.binding import Binder
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.expressions.parsing import parse_condition
from pileus.services.dynamodb.legacy import check_arguments
from pileus.services.dynamodb.schema import (
    Keys,
    check_key_attribute,
    check_key_value,
    encode_key,
    encode_prefix,
    past_prefix,
)
from pileus.services.dynamodb.values import Item, Value, type_of

_OPERATORS = {"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}
_MIRRORED = {"EQ": "EQ", "LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE"}
_COMPARABLE = frozenset(("S", "N", "B", "SS", "NS", "BS"))
_ONE_OR_TWO = "Conditions can be of length 1 or 2 only"
_NOT_INDEXABLE = frozenset(("NULL", "NOT_NULL", "NE", "CONTAINS", "NOT_CONTAINS", "IN"))


@dataclass(frozen=True, slots=True)
class KeyCondition:
    operator: str
    values: list[Value]


Conditions = dict[str, KeyCondition]


def from_legacy(parameter: dict[str, Any], of_index: bool) -> Conditions:
    conditions: Conditions = {}
    for name, condition in parameter.items():
        values = condition.get("AttributeValueList") or []
        _check_values(condition["ComparisonOperator"], values)
        conditions[name] = KeyCondition(condition["ComparisonOperator"], values)
    if not conditions or (len(conditions) > 2 and not of_index):
        # Only an index can have keys of more attributes.
        raise validation(_ONE_OR_TWO)
    return conditions


def from_expression(binder: Binder, text: str) -> Conditions:
    """Call it when all of the request's expressions have been bound: what is no key condition is told after them."""
    conditions: Conditions = {}
    try:
        _collect(binder, parse_condition(text), conditions)
    except ExpressionError as error:
        raise validation(str(error)) from None
    for condition in conditions.values():
        _check_values(condition.operator, condition.values)
    return conditions


def _check_values(operator: str, values: list[Value]) -> None:
    check_arguments(operator, values)
    for value in values:
        if type_of(value) not in _COMPARABLE:
            raise invalid_parameters(
                f"ComparisonOperator {operator} is not valid for {type_of(value)} AttributeValue type"
            )


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
    if operator in ("BETWEEN", "BEGINS_WITH") and not isinstance(operands[0], tree.Path):
        shown = "BETWEEN" if operator == "BETWEEN" else "begins_with"
        raise ExpressionError(
            f"Invalid condition in KeyConditionExpression: {shown} operator must have the key attribute as its "
            "first operand"
        )
    name = ""
    for operand in operands:
        if isinstance(operand, tree.Call):
            raise ExpressionError("KeyConditionExpressions cannot contain nested operations")
        if isinstance(operand, tree.Path):
            if name:
                raise ExpressionError(
                    "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"
                )
            parts = binder.path(operand)
            if len(parts) > 1:
                raise ExpressionError("KeyConditionExpressions cannot have conditions on nested attributes")
            name = str(parts[0])
    if not name:
        raise ExpressionError("Invalid condition in KeyConditionExpression: No key attribute specified")
    if name in conditions:
        raise ExpressionError("KeyConditionExpressions must only contain one condition per key")
    if not isinstance(operands[0], tree.Path):
        operator = _MIRRORED[operator]
    values = [value for value in map(binder.constant, operands) if value is not None]
    conditions[name] = KeyCondition(operator, values)


def check(conditions: Conditions, keys: Keys, start: Item | None = None) -> None:
    """That the conditions fit a table's or an index's key schema, and the key to start from with them: DynamoDB looks
    at one key attribute after the other."""
    if len(keys.names) > 2:
        _check_multi(conditions, keys)
    elif len(conditions) > 2:
        raise validation(_ONE_OR_TWO)
    ranged = False
    for place, (name, kind) in enumerate(keys.attributes):
        partition = place < len(keys.partition)
        if start is not None:
            if name not in start:
                raise validation("The provided starting key is invalid")
            check_key_attribute(start, name, kind, partition)
        if partition and len(keys.attributes) == 1 and len(conditions) > 1:
            raise validation("Query key condition not supported")
        condition = conditions.get(name)
        if condition is None:
            if partition or (len(conditions) > len(keys.partition) and not ranged and _left(conditions, keys, place)):
                raise validation(f"Query condition missed key schema element: {name}")
            continue
        _check_one(condition, kind)
        if partition and condition.operator != "EQ":
            raise validation("Query key condition not supported")
        if condition.operator != "BEGINS_WITH":
            for value in condition.values:
                check_key_value(name, kind, value[kind], partition)
        ranged = not partition and condition.operator != "EQ"
    unknown = [name for name in conditions if name not in keys.names]
    if unknown:
        raise validation(f"Query condition missed key schema element: {keys.names[-1]}")


def _left(conditions: Conditions, keys: Keys, place: int) -> bool:
    """Whether there are conditions on anything but the key attributes before `place`."""
    return any(name not in keys.names[:place] for name in conditions)


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
    for (name, _), condition in zip(keys.sort, given[:-1], strict=False):
        if condition is None or condition.operator != "EQ":
            raise validation(
                "Query key condition not supported: RANGE key attributes must be given from left to right, "
                f"and all but the last must have an equality condition; attribute: {name}"
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
