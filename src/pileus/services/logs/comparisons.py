"""What the kinds of filter patterns share: how values are written and compared."""

from __future__ import annotations

import re
from collections.abc import Callable

from pileus.aws.errors import AWSError, option_not_implemented


def invalid_pattern() -> AWSError:
    return AWSError("InvalidParameterException", "Invalid filter pattern")


def refuse_expression(word: str) -> None:
    if len(word) > 1 and word.startswith("%") and word.endswith("%"):
        raise option_not_implemented("regular expressions in filter patterns")


def unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def wildcard(parts: list[str], value: str) -> bool:
    """Whether `value` is the parts in their order with anything between; in linear time, whatever they are."""
    first, *between = parts
    if not between:
        return value == first
    last = between.pop()
    if not value.startswith(first) or len(value) < len(first) + len(last) or not value.endswith(last):
        return False
    place, end = len(first), len(value) - len(last)
    for part in between:
        place = value.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return True


def number(word: str | None) -> float | None:
    try:
        return float(word) if word else None
    except ValueError:
        return None


def order(operator: str, limit: float) -> Callable[[float], bool]:
    orders: dict[str, Callable[[float], bool]] = {
        "<": lambda value: value < limit,
        "<=": lambda value: value <= limit,
        ">": lambda value: value > limit,
        ">=": lambda value: value >= limit,
    }
    return orders[operator]
