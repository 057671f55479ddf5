"""What DynamoDB says of requests that break its model, where that is not what other services say.

Recorded in 33 regions in the autumn of 2026 (paritysuite.org); in that summer DynamoDB began to answer PutItem,
UpdateItem, DeleteItem and Query with new code, which has words of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pileus.aws.errors import constraints_broken
from pileus.services.dynamodb import service
from pileus.services.operation import Shape

_NAME = re.compile(r"[a-zA-Z0-9_.-]+", re.ASCII)
_WRITES = ("PutItem", "UpdateItem", "DeleteItem")
_ENUMERATIONS = {
    "[ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES, SPECIFIC_ATTRIBUTES, COUNT]": (
        "[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"
    ),
    "[S, N, B]": "[B, N, S]",
}
"""The model's order, and the one in which they are told."""
_RETURN_VALUES = (
    "Failed to satisfy constraint: Member must satisfy enum value set: "
    "[ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]"  # UPDATE_NEW is DynamoDB's own slip
)
_TOO_SHORT = "failed to satisfy constraint: Member must have length greater than or equal to 1"
_ORDER = ("returnConsumedCapacity", "returnValues", "returnItemCollectionMetrics")


def reword(operation: str, request: Shape, faults: list[str]) -> str:
    faults = [_enumerated(fault) for fault in faults]
    if operation in _WRITES:
        return constraints_broken(_of_a_write(operation, request, faults))
    if operation == "Query":
        return constraints_broken([fault.replace("Value '0' at 'limit'", "Value at 'Limit'") for fault in faults])
    if operation == "CreateTable":
        if request.get("TableName") is None:
            return "The parameter 'TableName' is required but was not present in the request"
        return constraints_broken(list(name_faults(request["TableName"], shortest=3)) or faults)
    requested = request.get("RequestItems")
    if operation == "BatchWriteItem" and requested == {}:
        return "The requestItems parameter is required for BatchWriteItem"
    if operation == "BatchGetItem" and isinstance(requested, dict):
        return constraints_broken([_of_gets(requested, fault) for fault in faults])
    return constraints_broken(faults)


service.reword = reword


def name_faults(name: str, shortest: int) -> Iterable[str]:
    """What is wrong with a table's name, not its ARN."""
    fault = f"Value '{name}' at 'tableName' failed to satisfy constraint: Member must"
    if name.startswith("arn:"):
        return
    if _NAME.fullmatch(name) is None:
        yield f"{fault} satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    if len(name) < shortest:
        yield f"{fault} have length greater than or equal to {shortest}"
    if len(name) > 255:
        yield f"{fault} have length less than or equal to 255"


def _enumerated(fault: str) -> str:
    start, found, choices = fault.rpartition("[")
    return start + _ENUMERATIONS.get(found + choices, found + choices)


def _of_a_write(operation: str, request: Shape, faults: list[str]) -> list[str]:
    if request.get("TableName") == "":
        return [f"Value at 'TableName' {_TOO_SHORT}"]
    ranks = {f"' at '{name}' ": rank for rank, name in enumerate(_ORDER)}
    by_rank = {rank: fault for fault in faults for mark, rank in ranks.items() if mark in fault}
    if 1 in by_rank:
        by_rank[1] = _RETURN_VALUES
        if operation == "UpdateItem":
            return [_RETURN_VALUES]
    others = [fault for fault in faults if not any(mark in fault for mark in ranks)]
    return others + [by_rank[rank] for rank in sorted(by_rank)]


def _of_gets(requested: Shape, fault: str) -> str:
    if not requested:
        return f"Value at 'RequestItems' {_TOO_SHORT}"
    for name in requested:
        _, found, constraint = fault.partition(f" at 'requestItems.{name}.member.keys' ")
        if found and "less than" in constraint:
            return f"Value at 'RequestItems.{name}.member.Keys' {constraint}"
    return fault
