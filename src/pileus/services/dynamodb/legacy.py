"""Parameters from before expressions, translated into the same trees.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.html
"""

from __future__ import annotations

from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.dynamodb.errors import invalid_parameters, validation
from pileus.services.dynamodb.expressions import tree
from pileus.services.dynamodb.expressions.binding import Binder
from pileus.services.dynamodb.expressions.conditions import Test
from pileus.services.dynamodb.expressions.updates import added
from pileus.services.dynamodb.values import Item, check, check_name, sort_value, type_of

_COMPARATORS = {"EQ": "=", "NE": "<>", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">"}
_COUNTS = {"NULL": (0, 0), "NOT_NULL": (0, 0), "IN": (1, 1_000_000), "BETWEEN": (2, 2)}
_SCALARS = frozenset(("S", "N", "B"))
_TYPES = {
    **dict.fromkeys(("LE", "LT", "GE", "GT", "CONTAINS", "NOT_CONTAINS", "IN", "BETWEEN"), _SCALARS),
    "BEGINS_WITH": frozenset(("S", "B")),
}


def check_arguments(operator: str, values: list[Any]) -> None:
    """Number and types of the arguments of a comparison."""
    for value in values:
        check(value)
    low, high = _COUNTS.get(operator, (1, 1))
    if not low <= len(values) <= high:
        raise invalid_parameters(f"Invalid number of argument(s) for the {operator} ComparisonOperator")
    kinds = [type_of(value) for value in values]
    if len(set(kinds)) > 1:
        raise invalid_parameters("AttributeValues inside AttributeValueList must be of same type")
    allowed = _TYPES.get(operator)
    for kind in kinds:
        if allowed is not None and kind not in allowed:
            raise invalid_parameters(f"ComparisonOperator {operator} is not valid for {kind} AttributeValue type")
    if operator == "BETWEEN":
        lower, upper = sort_value(values[0]), sort_value(values[1])
        if lower is not None and upper is not None and lower[1] > upper[1]:
            raise validation(
                "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
            )


def comparison(name: str, operator: str, values: list[Any]) -> tree.Condition:
    path = tree.Path((name,), literal=True)
    literals = [tree.Literal(value) for value in values]
    if operator in _COMPARATORS:
        return tree.Comparison(_COMPARATORS[operator], path, literals[0])
    if operator == "NULL":
        return tree.Call("attribute_not_exists", (path,))
    if operator == "NOT_NULL":
        return tree.Call("attribute_exists", (path,))
    if operator == "BETWEEN":
        return tree.Between(path, literals[0], literals[1])
    if operator == "IN":
        return tree.In(path, tuple(literals))
    if operator == "BEGINS_WITH":
        return tree.Call("begins_with", (path, literals[0]))
    contained = tree.Call("contains", (path, literals[0]))
    if operator == "NOT_CONTAINS":
        # Unlike NE, this is false for an attribute that is not there.
        return tree.And(tree.Call("attribute_exists", (path,)), tree.Not(contained))
    return contained


def _joined(conditions: list[tree.Condition], operator: str | None) -> Test | None:
    if operator and not conditions:
        raise validation("ConditionalOperator cannot be used without Filter or Expected")
    if not conditions:
        return None
    tests = [Binder().test(condition) for condition in conditions]
    join = any if operator == "OR" else all
    return lambda item: join(test(item) for test in tests)


def filter_test(parameter: dict[str, Any], operator: str | None) -> Test | None:
    """QueryFilter or ScanFilter."""
    conditions: list[tree.Condition] = []
    for name, condition in parameter.items():
        values = condition.get("AttributeValueList") or []
        comparator = condition.get("ComparisonOperator")
        check_arguments(comparator, values)
        conditions.append(comparison(name, comparator, values))
    return _joined(conditions, operator)


def expected_test(expected: dict[str, Any], operator: str | None) -> Test | None:
    conditions: list[tree.Condition] = []
    for name, condition in expected.items():
        check_name(name)
        conditions.append(_expected(name, condition))
    return _joined(conditions, operator)


def _expected(name: str, condition: dict[str, Any]) -> tree.Condition:
    comparator, values = condition.get("ComparisonOperator"), condition.get("AttributeValueList")
    value, exists = condition.get("Value"), condition.get("Exists")
    if values is not None and value is not None:
        raise invalid_parameters(f"Value and AttributeValueList cannot be used together for Attribute: {name}")
    if comparator is not None:
        if exists is not None:
            raise invalid_parameters(f"Exists and ComparisonOperator cannot be used together for Attribute: {name}")
        if comparator not in ("NULL", "NOT_NULL") and values is None and value is None:
            raise invalid_parameters(
                f"Value or AttributeValueList must be used with ComparisonOperator: {comparator} for Attribute: {name}"
            )
        arguments = values if values is not None else [value] if value is not None else []
        check_arguments(comparator, arguments)
        return comparison(name, comparator, arguments)
    if values is not None:
        raise invalid_parameters(f"AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}")
    if exists is False:
        if value is not None:
            raise invalid_parameters(f"Value cannot be used when Exists is false for Attribute: {name}")
        return comparison(name, "NULL", [])
    if value is None:
        shown = "null" if exists is None else "true"
        raise invalid_parameters(f"Value must be provided when Exists is {shown} for Attribute: {name}")
    check(value)
    return comparison(name, "EQ", [value])


def check_updates(updates: dict[str, Any]) -> None:
    for name, update in updates.items():
        check_name(name)
        action, value = update.get("Action") or "PUT", update.get("Value")
        if value is not None:
            check(value)
        if value is None:
            if action != "DELETE":
                raise invalid_parameters("Only DELETE action is allowed when no attribute value is specified")
            continue
        kind = type_of(value)
        if action == "DELETE" and kind not in ("SS", "NS", "BS"):
            raise invalid_parameters(f"DELETE action with value is not supported for the type {kind}")
        if action == "ADD" and kind not in ("N", "SS", "NS", "BS", "L"):
            raise invalid_parameters(f"ADD action is not supported for the type {kind}")


def apply_updates(updates: dict[str, Any], item: Item) -> None:
    """AttributeUpdates, one attribute after the other. An item is changed in place."""
    for name, update in updates.items():
        action, value = update.get("Action") or "PUT", update.get("Value")
        existing = item.get(name)
        if action == "PUT":
            item[name] = value
        elif action == "ADD":
            item[name] = _added(existing, value)
        elif value is None:
            item.pop(name, None)
        elif existing is not None:
            kind = type_of(value)
            if kind not in existing:
                raise _mismatch()
            rest = [element for element in existing[kind] if element not in value[kind]]
            if rest:
                item[name] = {kind: rest}
            else:
                del item[name]


def _added(existing: Any, value: Any) -> Any:
    kind = type_of(value)
    if existing is not None and kind not in existing:
        raise _mismatch()
    if kind == "L":
        return {"L": [*(existing["L"] if existing else ()), *value["L"]]}
    return added(existing, value)


def _mismatch() -> AWSError:
    return validation("Type mismatch for attribute to update")
