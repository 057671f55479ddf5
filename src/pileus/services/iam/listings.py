"""IAM's paging: Marker, MaxItems and IsTruncated.

`listing` pages through what is at hand, `entity_listing` through the users, roles or groups of an account as they lie
in the store, so that a page costs the page however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from pileus.services.context import Context
from pileus.services.iam.errors import validation_error
from pileus.services.operation import Shape
from pileus.store import paging
from pileus.store.keys import Element
from pileus.store.records import Records

T = TypeVar("T")
DEFAULT_ITEMS = 100


def listing(
    member: str, request: Shape, items: Iterable[T], *, key: Callable[[T], str], shape: Callable[[T], object]
) -> Shape:
    """One page of `items` under `member`, in the order of `key`, which no two share."""
    after = _after(request)
    rows = sorted((((key(item),), item) for item in items), key=lambda row: row[0])
    return _page(member, request, (row for row in rows if after is None or row[0] > after), shape)


class Entity(Protocol):
    @property
    def path(self) -> str: ...


E = TypeVar("E", bound=Entity)


def entity_listing(
    member: str, context: Context, request: Shape, records: Records[E], shape: Callable[[E], object]
) -> Shape:
    """One page of the account's entities, which lie under their names in lower case, with the path asked for."""
    after = _after(request)
    prefix = request.get("PathPrefix", "/")
    start = None if after is None else (context.account, after[0])
    found = records.scan(context.store, context.account, after=start)
    return _page(member, request, (((key[1],), one) for key, one in found if one.path.startswith(prefix)), shape)


def _after(request: Shape) -> tuple[Element, ...] | None:
    try:
        return paging.decode(request.get("Marker"))
    except ValueError as error:
        raise validation_error("Invalid Marker.") from error


def _page(
    member: str, request: Shape, rows: Iterable[tuple[tuple[Element, ...], T]], shape: Callable[[T], object]
) -> Shape:
    found, token = paging.page(rows, request.get("MaxItems") or DEFAULT_ITEMS)
    answer: Shape = {member: [shape(item) for _, item in found], "IsTruncated": token is not None}
    if token:
        answer["Marker"] = token
    return answer
