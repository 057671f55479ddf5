"""Paging tokens: where a listing goes on, opaque to the caller.

A token carries the key of the last record that was shown. It grants nothing: the next request is authorised like any
other and the key is only compared, so it needs no seal, but what does not parse is refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from pileus.store.keys import Element, pack, unpack

T = TypeVar("T")


def encode(key: tuple[Element, ...]) -> str:
    return base64.urlsafe_b64encode(pack(*key)).decode()


def decode(token: str | None) -> tuple[Element, ...] | None:
    """The key in `token`, None for none. Raises ValueError for what encode did not make."""
    if not token:
        return None
    try:
        return unpack(base64.b64decode(token, b"-_", validate=True))
    except (binascii.Error, ValueError, UnicodeDecodeError) as error:
        raise ValueError("the token is not valid") from error


def page(
    pairs: Iterable[tuple[tuple[Element, ...], T]], limit: int
) -> tuple[list[tuple[tuple[Element, ...], T]], str | None]:
    """The first `limit` of `pairs` (as Records.scan gives them) and the token for the rest, None at the end."""
    rows = list(islice(pairs, limit + 1))
    if len(rows) <= limit:
        return rows, None
    rows.pop()
    return rows, encode(rows[-1][0])
