"""Filter patterns that select JSON messages by their members: `{ $.level = "ERROR" && $.ms > 5 }`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from pileus.services.logs.comparisons import invalid_pattern, order, refuse_expression, unquoted, wildcard
from pileus.services.logs.comparisons import number as number_of
from pileus.services.logs.tokens import Tokens

Selects = Callable[[Any], bool]

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


def selection(text: str) -> Callable[[str], bool]:
    """Of what stands between the braces."""
    selects = _Selection(text).parsed()
    return lambda message: _selected(message, selects)


def _selected(message: str, selects: Selects) -> bool:
    try:
        value = orjson.loads(message)
    except ValueError:
        return False
    return isinstance(value, dict | list) and selects(value)


class _Selection:
    """A parser of what stands between the braces; `&&` binds closer than `||`."""

    def __init__(self, text: str) -> None:
        self._tokens = Tokens(_TOKEN, text)
        self._depth = 0

    def parsed(self) -> Selects:
        selects = self._either()
        if self._tokens.following:
            raise invalid_pattern()
        return selects

    def _either(self) -> Selects:
        options = [self._both()]
        while self._tokens.next("either"):
            options.append(self._both())
        return options[0] if len(options) == 1 else lambda value: any(option(value) for option in options)

    def _both(self) -> Selects:
        parts = [self._one()]
        while self._tokens.next("both"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda value: all(part(value) for part in parts)

    def _one(self) -> Selects:
        if self._tokens.next("open"):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise invalid_pattern()
            inside = self._either()
            if not self._tokens.next("close"):
                raise invalid_pattern()
            self._depth -= 1
            return inside
        path = self._tokens.next("path")
        if path is None:
            raise invalid_pattern()
        steps = [name or index or quoted for name, index, quoted in _STEP.findall(path)]
        operator = self._tokens.next("operator")
        if operator is not None:
            compare = self._comparison(operator)
            return lambda value: compare(_at(value, steps))
        return self._state(steps)

    def _state(self, steps: list[str]) -> Selects:
        words = (self._tokens.next("word") or "").upper(), (self._tokens.next("word") or "").upper()
        if words == ("NOT", "EXISTS"):
            return lambda value: _at(value, steps) is _MISSING
        if words in (("IS", "NULL"), ("IS", "TRUE"), ("IS", "FALSE")):
            wanted = {"NULL": None, "TRUE": True, "FALSE": False}[words[1]]
            return lambda value: _at(value, steps) is wanted
        raise invalid_pattern()

    def _comparison(self, operator: str) -> Callable[[Any], bool]:
        quoted = self._tokens.next("string")
        word = None if quoted else self._tokens.next("word")
        if quoted is None and word is None:
            raise invalid_pattern()
        refuse_expression(word or "")
        number = number_of(word)
        if operator in ("=", "!="):
            text = unquoted(quoted) if quoted else str(word)
            parts = text.split("*")
            equal = (operator == "=") is True

            def same(value: Any) -> bool:
                if value is _MISSING:
                    return False
                if number is not None and isinstance(value, int | float) and not isinstance(value, bool):
                    return (value == number) is equal
                return (isinstance(value, str) and wildcard(parts, value)) is equal

            return same
        if number is None:
            raise invalid_pattern()
        ordered = order(operator, number)
        return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and ordered(value)


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step, _MISSING)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value
