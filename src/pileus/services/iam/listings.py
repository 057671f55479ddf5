"""IAM's paging: Marker, MaxItems and IsTruncated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from pileus.services.iam.errors import validation_error
from pileus.services.operation import Shape
from pileus.store import paging

T = TypeVar("T")
DEFAULT_ITEMS = 100


def listing(
    member: str, request: Shape, items: Iterable[T], *, key: Callable[[T], str], shape: Callable[[T], object]
) -> Shape:
    """One page of `items` under `member`, in the order of `key`, which no two share."""
    try:
        after = paging.decode(request.get("Marker"))
    except ValueError as error:
        raise validation_error("Invalid Marker.") from error
    rows = sorted((((key(item),), item) for item in items), key=lambda row: row[0])
    found, token = paging.page(
        (row for row in rows if after is None or row[0] > after), request.get("MaxItems") or DEFAULT_ITEMS
    )
    answer: Shape = {member: [shape(item) for _, item in found], "IsTruncated": token is not None}
    if token:
        answer["Marker"] = token
    return answer
