"""Lambda's listings: `Marker` goes in, `NextMarker` comes out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pileus.aws.errors import AWSError
from pileus.store import paging
from pileus.store.keys import Element

T = TypeVar("T")
Row = tuple[tuple[Element, ...], T]


def position(marker: str | None) -> tuple[Element, ...] | None:
    """The key after which the listing goes on."""
    try:
        return paging.decode(marker)
    except ValueError as error:
        raise AWSError("InvalidParameterValueException", "Invalid Marker", Type="User") from error


def page(rows: Iterable[Row[T]], limit: int) -> tuple[list[Row[T]], dict[str, str]]:
    """One page, and its answer's NextMarker where there is more."""
    shown, token = paging.page(rows, limit)
    return shown, {"NextMarker": token} if token else {}
