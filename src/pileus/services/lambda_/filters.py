"""Event filtering: which records of a source reach the function.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from pileus.services.lambda_.configuration import invalid

Matches = Callable[[Any], bool]
_MISSING = object()
_DEEPEST = 20
_FILTERS = 10

_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda one, other: one == other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


class _NoPatternError(ValueError):
    pass


def compiled(patterns: list[str]) -> Matches:
    """Whether a record matches one of the patterns. Raises InvalidParameterValueException for what is no pattern."""
    if len(patterns) > _FILTERS:
        raise invalid(f"Exceeded maximum number of filters: {_FILTERS}")
    try:
        options = [_object(orjson.loads(pattern), 0) for pattern in patterns]
    except ValueError:
        raise invalid("Invalid filter pattern definition.") from None
    return lambda record: not options or any(option(record) for option in options)


def _object(pattern: Any, depth: int) -> Matches:
    if not isinstance(pattern, dict) or depth > _DEEPEST:
        raise _NoPatternError
    parts: list[Matches] = []
    for key, wanted in pattern.items():
        if key == "$or" and isinstance(wanted, list) and wanted and all(isinstance(one, dict) for one in wanted):
            parts.append(_either([_object(one, depth + 1) for one in wanted]))
        elif isinstance(wanted, dict):
            parts.append(_member(key, _object(wanted, depth + 1)))
        elif isinstance(wanted, list) and wanted:
            parts.append(_leaf(key, [_rule(one) for one in wanted]))
        else:
            raise _NoPatternError
    return lambda value: all(part(value) for part in parts)


def _either(options: list[Matches]) -> Matches:
    return lambda value: any(option(value) for option in options)


def _member(key: str, inside: Matches) -> Matches:
    # What is not there may still match, by `exists: false` further down.
    return lambda value: inside(value.get(key, {}) if isinstance(value, dict) else {})


def _leaf(key: str, rules: list[Matches]) -> Matches:
    def matches(value: Any) -> bool:
        found = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
        candidates = found if isinstance(found, list) else [found]
        return any(rule(candidate) for rule in rules for candidate in candidates)

    return matches


def _rule(rule: Any) -> Matches:
    if isinstance(rule, dict):
        if len(rule) != 1:
            raise _NoPatternError
        ((name, wanted),) = rule.items()
        if name not in _RULES:
            raise _NoPatternError
        return _RULES[name](wanted)
    if isinstance(rule, list):
        raise _NoPatternError
    return lambda value: (
        (value is not _MISSING and type(value) is type(rule) and value == rule) or _same_number(value, rule)
    )


def _same_number(value: Any, rule: Any) -> bool:
    return _is_number(value) and _is_number(rule) and bool(value == rule)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(wanted: Any, test: Callable[[str, str], bool]) -> Matches:
    if not isinstance(wanted, str):
        raise _NoPatternError
    return lambda value: isinstance(value, str) and test(value, wanted)


def _exists(wanted: Any) -> Matches:
    if not isinstance(wanted, bool):
        raise _NoPatternError
    return lambda value: (value is not _MISSING and not isinstance(value, dict)) is wanted


def _anything_but(wanted: Any) -> Matches:
    if isinstance(wanted, dict):
        if not wanted.keys() <= {"prefix", "suffix", "equals-ignore-case"}:
            raise _NoPatternError
        inside = _rule(wanted)
        return lambda value: value is not _MISSING and not inside(value)
    unwanted = wanted if isinstance(wanted, list) else [wanted]
    if not unwanted or not all(isinstance(one, str | int | float) for one in unwanted):
        raise _NoPatternError
    return lambda value: value is not _MISSING and not isinstance(value, dict) and value not in unwanted


def _numeric(wanted: Any) -> Matches:
    if not isinstance(wanted, list) or len(wanted) not in (2, 4):
        raise _NoPatternError
    pairs = list(zip(wanted[::2], wanted[1::2], strict=True))
    if not all(operator in _ORDERS and _is_number(bound) for operator, bound in pairs):
        raise _NoPatternError
    return lambda value: _is_number(value) and all(_ORDERS[operator](value, bound) for operator, bound in pairs)


_RULES: dict[str, Callable[[Any], Matches]] = {
    "prefix": lambda wanted: _text(wanted, str.startswith),
    "suffix": lambda wanted: _text(wanted, str.endswith),
    "equals-ignore-case": lambda wanted: _text(wanted, lambda value, text: value.lower() == text.lower()),
    "exists": _exists,
    "anything-but": _anything_but,
    "numeric": _numeric,
}
