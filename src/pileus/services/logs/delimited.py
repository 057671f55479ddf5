"""Filter patterns of space-delimited fields: `[ip, user, ..., status = 4* || status = 5*, bytes > 1000]`.

A message's fields are separated by spaces; what stands in square brackets or double quotes is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pileus.services.logs.comparisons import invalid_pattern, number, order, refuse_expression, unquoted, wildcard
from pileus.services.logs.tokens import Tokens

Holds = Callable[[str], bool]

_FIELD = re.compile(r'"([^"]*)"(?!\S)|\[([^\]]*)\](?!\S)|(\S+)')
_TOKEN = re.compile(
    r"""\s*(?:(?P<comma>,)|(?P<rest>\.\.\.)|(?P<both>&&)|(?P<either>\|\|)|(?P<operator>!=|<=|>=|=|<|>)
    |(?P<string>"(?:[^"\\]|\\.)*")|(?P<word>[^\s,&|=<>!"]+))""",
    re.VERBOSE,
)


def delimited(text: str) -> Callable[[str], bool]:
    """Of what stands between the brackets."""
    runs = _Pattern(text).parsed()

    def matches(message: str) -> bool:
        found = ("".join(groups) for groups in _FIELD.findall(message))
        return _match(runs, list(found))

    return matches


def _match(runs: list[list[Holds]], fields: list[str]) -> bool:
    """Between one run of fields and the next there may be any number. The earliest place that a run fits is as good as
    any: time is linear."""
    first, *between = runs
    if not between:
        return len(first) == len(fields) and _fits(first, fields, 0)
    last = between.pop()
    end = len(fields) - len(last)
    place = len(first)
    if place > end or not _fits(first, fields, 0) or not _fits(last, fields, end):
        return False
    for run in between:
        while place + len(run) <= end and not _fits(run, fields, place):
            place += 1
        place += len(run)
        if place > end:
            return False
    return True


def _fits(run: list[Holds], fields: list[str], place: int) -> bool:
    return all(holds(field) for holds, field in zip(run, fields[place : place + len(run)], strict=True))


class _Pattern:
    def __init__(self, text: str) -> None:
        self._tokens = Tokens(_TOKEN, text)

    def parsed(self) -> list[list[Holds]]:
        """The runs of fields that stand next to each other."""
        runs: list[list[Holds]] = [[]]
        while True:
            if self._tokens.next("rest") is not None:
                runs.append([])
            else:
                runs[-1].append(self._field())
            if self._tokens.next("comma") is None:
                break
        if self._tokens.following:
            raise invalid_pattern()
        return runs

    def _field(self) -> Holds:
        """A name, or conditions on it; `&&` binds closer than `||`."""
        name = self._tokens.next("word")
        if name is None:
            raise invalid_pattern()
        if self._tokens.following in ("", "comma"):
            return lambda field: True
        options = [[self._condition()]]
        while (joined := self._tokens.next("both", "either")) is not None:
            if self._tokens.next("word") != name:
                raise invalid_pattern()
            if joined == "||":
                options.append([])
            options[-1].append(self._condition())
        return lambda field: any(all(holds(field) for holds in option) for option in options)

    def _condition(self) -> Holds:
        operator, quoted = self._tokens.next("operator"), self._tokens.next("string")
        word = quoted if quoted is not None else self._tokens.next("word")
        if operator is None or word is None:
            raise invalid_pattern()
        refuse_expression(word)
        if operator in ("=", "!="):
            parts, equal = unquoted(word).split("*"), operator == "="
            return lambda field: wildcard(parts, field) is equal
        limit = None if quoted else number(word)
        if limit is None:
            raise invalid_pattern()
        ordered = order(operator, limit)
        return lambda field: (value := number(field)) is not None and ordered(value)
