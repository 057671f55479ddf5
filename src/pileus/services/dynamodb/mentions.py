"""Which attributes a request touches, for the condition key dynamodb:Attributes.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

from __future__ import annotations

from collections.abc import Iterable

from pileus.security.policy.patterns import Value
from pileus.services.dynamodb.expressions.binding import Binder
from pileus.services.dynamodb.schema import Table
from pileus.services.operation import Shape

_CONDITIONS = ("ConditionExpression", "FilterExpression", "KeyConditionExpression")
_LEGACY = ("Expected", "AttributeUpdates", "KeyConditions", "QueryFilter", "ScanFilter")


def attribute_names(request: Shape) -> set[str]:
    """Top-level attributes that the request's expressions and legacy parameters name."""
    binder = Binder(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
    for parameter in _CONDITIONS:
        if request.get(parameter):
            binder.condition(parameter, request[parameter])
    if request.get("UpdateExpression"):
        binder.update(request["UpdateExpression"])
    if request.get("ProjectionExpression"):
        binder.projection(request["ProjectionExpression"])
    names = set(binder.attributes)
    for parameter in _LEGACY:
        names.update(request.get(parameter) or ())
    names.update(request.get("AttributesToGet") or ())
    return names


def mentioned(table: Table | None, request: Shape, item: Iterable[str]) -> dict[str, Value]:
    names = attribute_names(request)
    names.update(item)
    if table is not None:
        names.update(table.keys.names)
    return {"dynamodb:attributes": tuple(sorted(names))} if names else {}
