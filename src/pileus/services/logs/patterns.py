"""Filter patterns: which messages a search is for.

Terms (`ERROR`, `"two words"`, `?either`, `-not`) and selections of JSON messages (`{ $.level = "ERROR" && $.ms > 5 }`),
as https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html has them. Regular expressions
and space-delimited fields are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from pileus.aws.errors import AWSError, option_not_implemented

Matches = Callable[[str], bool]
Selects = Callable[[Any], bool]

_TERM = re.compile(r'\s*([?-]?)("(?:[^"\\]|\\.)*"|[^\s"]+)')
_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<both>&&)|(?P<either>\|\|)
    |(?P<path>\$(?:\.[\w-]+|\[(?:\d+|"[^"]*"|'[^']*')\])*)
    |(?P<operator>!=|<=|>=|=|<|>)
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<word>[^\s()&|=<>!"]+))""",
    re.VERBOSE,
)
_STEP = re.compile(r"""\.([\w-]+)|\[(\d+)\]|\[["']([^"']*)["']\]""")
_DEEPEST = 50
_MISSING = object()


@lru_cache(256)
def compiled(pattern: str) -> Matches:
    """Raises InvalidParameterException for what is no pattern."""
    text = pattern.strip()
    if not text:
        return lambda message: True
    if text.startswith("{") and text.endswith("}"):
        selects = _Selection(text[1:-1]).parsed()
        return lambda message: _selected(message, selects)
    if text.startswith("["):
        raise option_not_implemented("filter patterns of space-delimited fields")
    return _terms(text)


def _invalid() -> AWSError:
    return AWSError("InvalidParameterException", "Invalid filter pattern")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _terms(text: str) -> Matches:
    every: list[str] = []
    some: list[str] = []
    none: list[str] = []
    place = 0
    while place < len(text):
        found = _TERM.match(text, place)
        if found is None:
            raise _invalid()
        mark, term = found[1], found[2]
        if term.startswith("%") and term.endswith("%") and len(term) > 1:
            raise option_not_implemented("regular expressions in filter patterns")
        {"": every, "?": some, "-": none}[mark].append(_unquoted(term))
        place = found.end()
    if some and every:
        # AWS ignores the optional terms where others are required.
        some = []

    def matches(message: str) -> bool:
        return (
            all(term in message for term in every)
            and (not some or any(term in message for term in some))
            and not any(term in message for term in none)
        )

    return matches


def _selected(message: str, selects: Selects) -> bool:
    try:
        value = orjson.loads(message)
    except ValueError:
        return False
    return isinstance(value, dict | list) and selects(value)


class _Selection:
    """A parser of what stands between the braces; `&&` binds closer than `||`."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text.rstrip()):
            found = _TOKEN.match(text, place)
            if found is None or found.lastgroup is None:
                raise _invalid()
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()
        self._place = 0
        self._depth = 0

    def parsed(self) -> Selects:
        selects = self._either()
        if self._place != len(self._tokens):
            raise _invalid()
        return selects

    def _next(self, *kinds: str) -> str | None:
        if self._place < len(self._tokens) and self._tokens[self._place][0] in kinds:
            self._place += 1
            return self._tokens[self._place - 1][1]
        return None

    def _either(self) -> Selects:
        options = [self._both()]
        while self._next("either"):
            options.append(self._both())
        return options[0] if len(options) == 1 else lambda value: any(option(value) for option in options)

    def _both(self) -> Selects:
        parts = [self._one()]
        while self._next("both"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda value: all(part(value) for part in parts)

    def _one(self) -> Selects:
        if self._next("open"):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise _invalid()
            inside = self._either()
            if not self._next("close"):
                raise _invalid()
            self._depth -= 1
            return inside
        path = self._next("path")
        if path is None:
            raise _invalid()
        steps = [name or index or quoted for name, index, quoted in _STEP.findall(path)]
        operator = self._next("operator")
        if operator is not None:
            compare = self._comparison(operator)
            return lambda value: compare(_at(value, steps))
        return self._state(steps)

    def _state(self, steps: list[str]) -> Selects:
        words = (self._next("word") or "").upper(), (self._next("word") or "").upper()
        if words == ("NOT", "EXISTS"):
            return lambda value: _at(value, steps) is _MISSING
        if words in (("IS", "NULL"), ("IS", "TRUE"), ("IS", "FALSE")):
            wanted = {"NULL": None, "TRUE": True, "FALSE": False}[words[1]]
            return lambda value: _at(value, steps) is wanted
        raise _invalid()

    def _comparison(self, operator: str) -> Callable[[Any], bool]:
        quoted = self._next("string")
        word = None if quoted else self._next("word")
        if quoted is None and word is None:
            raise _invalid()
        number = _number(word)
        if operator in ("=", "!="):
            text = _unquoted(quoted) if quoted else str(word)
            parts = text.split("*")
            equal = (operator == "=") is True

            def same(value: Any) -> bool:
                if value is _MISSING:
                    return False
                if number is not None and isinstance(value, int | float) and not isinstance(value, bool):
                    return (value == number) is equal
                return (isinstance(value, str) and _wildcard(parts, value)) is equal

            return same
        if number is None:
            raise _invalid()
        orders: dict[str, Callable[[float], bool]] = {
            "<": lambda value: value < number,
            "<=": lambda value: value <= number,
            ">": lambda value: value > number,
            ">=": lambda value: value >= number,
        }
        ordered = orders[operator]
        return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and ordered(value)


def _wildcard(parts: list[str], value: str) -> bool:
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


def _number(word: str | None) -> float | None:
    try:
        return float(word) if word else None
    except ValueError:
        return None


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step, _MISSING)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value
