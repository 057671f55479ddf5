"""Checks of parameters that several operations share, in the order and the words of DynamoDB."""

from __future__ import annotations

from typing import Any

from pileus.services.dynamodb.errors import invalid_parameters, validation
from pileus.services.dynamodb.expressions.binding import Binder
from pileus.services.dynamodb.expressions.conditions import Test
from pileus.services.dynamodb.legacy import expected_test
from pileus.services.dynamodb.schema import Table
from pileus.services.dynamodb.values import check_name
from pileus.services.operation import Shape


def check_mixture(request: Shape, expressions: tuple[str, ...], legacy: tuple[str, ...]) -> None:
    """Expressions and the parameters from before them exclude each other."""
    used = [parameter for parameter in expressions if request.get(parameter) is not None]
    if used:
        older = [
            parameter
            for parameter in legacy
            if request.get(parameter) is not None
            and not (parameter == "KeyConditions" and request.get("KeyConditionExpression") is None)
        ]
        if older:
            raise validation(
                "Can not use both expression and non-expression parameters in the same request: "
                f"Non-expression parameters: {{{', '.join(older)}}} Expression parameters: {{{', '.join(used)}}}"
            )
    elif request.get("ExpressionAttributeNames") is not None:
        raise validation("ExpressionAttributeNames can only be specified when using expressions")
    if request.get("ExpressionAttributeValues") is not None:
        valued = [parameter for parameter in expressions if parameter != "ProjectionExpression"]
        if valued and all(request.get(parameter) is None for parameter in valued):
            verb = "are" if len(valued) > 1 else "is"
            raise validation(
                "ExpressionAttributeValues can only be specified when using expressions: "
                f"{' and '.join(valued)} {verb} null"
            )


def binder(request: Shape) -> Binder:
    return Binder(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))


def write_condition(request: Shape, binder: Binder) -> Test | None:
    """ConditionExpression or Expected."""
    text = request.get("ConditionExpression")
    if text is not None:
        return binder.condition("ConditionExpression", text)
    expected, operator = request.get("Expected"), request.get("ConditionalOperator")
    if expected is not None:
        return expected_test(expected, operator)
    if operator is not None:
        raise validation("ConditionalOperator cannot be used without Filter or Expected")
    return None


def projection(request: Shape, binder: Binder) -> dict[str | int, Any] | None:
    """ProjectionExpression or AttributesToGet, as branches to keep."""
    text = request.get("ProjectionExpression")
    if text is not None:
        return binder.projection(text)
    check_attribute_names(request)
    names = request.get("AttributesToGet")
    return None if names is None else dict.fromkeys(names)


def check_attribute_names(request: Shape) -> None:
    seen: set[str] = set()
    for name in request.get("AttributesToGet") or ():
        check_name(name)
        if name in seen:
            raise invalid_parameters(f"Duplicate value in attribute name: {name}")
        seen.add(name)


def check_nested_keys(table: Table, nested: set[str]) -> None:
    """Paths into key attributes, which are scalars."""
    if not nested:
        return
    for name in table.keys.names:
        if name in nested:
            raise validation(
                "Key attributes must be scalars; "
                f"list random access '[]' and map lookup '.' are not allowed: Key: {name}"
            )
    for name in table.index_key_types:
        if name in nested:
            raise validation(
                "Key attributes must be scalars; "
                f"list random access '[]' and map lookup '.' are not allowed: IndexKey: {name}"
            )
