"""Texts with wildcards and policy variables, compiled once and matched often.

`*` stands for any characters, `?` for one; `${key}` is replaced by the request's value, `${key, 'default'}` has a
default, `${*}`, `${?}` and `${$}` stand for the characters themselves
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html). A replaced value is never read as
a wildcard: whoever chooses it must not widen the policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import lru_cache
from typing import NamedTuple, Protocol

Value = str | tuple[str, ...]


class Values(Protocol):
    """The condition keys of one request, by lower-case name."""

    def get(self, key: str, /) -> Value | None: ...


class Wildcard(Enum):
    MANY = "*"
    ONE = "?"


class Variable(NamedTuple):
    key: str
    default: str | None


Token = str | Wildcard | Variable
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_DEFAULT = re.compile(r"^([^,]*?)\s*,\s*'(.*)'\s*$", re.DOTALL)


def tokens(text: str, *, wildcards: bool = True, variables: bool = True) -> tuple[Token, ...]:
    """`text` in its parts; neighbouring literals are joined."""
    found: list[Token] = []
    position = 0
    for variable in _VARIABLE.finditer(text) if variables else ():
        found += _literals(text[position : variable.start()], wildcards)
        found.append(_variable(variable[1]))
        position = variable.end()
    found += _literals(text[position:], wildcards)
    joined: list[Token] = []
    for token in found:
        if isinstance(token, str) and joined and isinstance(joined[-1], str):
            joined[-1] += token
        else:
            joined.append(token)
    return tuple(joined)


def _literals(text: str, wildcards: bool) -> list[Token]:
    if not wildcards:
        return [text] if text else []
    return [Wildcard(part) if part in "*?" else part for part in re.split(r"([*?])", text) if part]


def _variable(inside: str) -> Token:
    if inside in ("*", "?", "$"):
        return inside
    with_default = _DEFAULT.match(inside)
    if with_default:
        return Variable(with_default[1].strip().lower(), with_default[2])
    return Variable(inside.strip().lower(), None)


def resolve(parts: Iterable[Token], values: Values) -> tuple[Token, ...] | None:
    """`parts` with the request's values in place of variables; None where one has no single value."""
    resolved: list[Token] = []
    for part in parts:
        if not isinstance(part, Variable):
            resolved.append(part)
            continue
        value = values.get(part.key)
        if value is None:
            value = part.default
        if not isinstance(value, str):
            # A key with several values cannot be a variable, says AWS's page: it stays without a value.
            return None
        resolved.append(value)
    return tuple(resolved)


def matcher(parts: Sequence[Token]) -> Callable[[str], bool]:
    """A test for parts without variables. Its time is linear in the text for each part, whatever the pattern."""
    if all(isinstance(part, str) for part in parts):
        whole = "".join(part for part in parts if isinstance(part, str))
        return lambda text: text == whole
    return _regular_expression(tuple(parts))


@lru_cache(maxsize=4096)
def _regular_expression(parts: tuple[Token, ...]) -> Callable[[str], bool]:
    pieces = [""]
    for part in parts:
        if part is Wildcard.MANY:
            pieces.append("")
        else:
            pieces[-1] += "." if part is Wildcard.ONE else re.escape(str(part))
    first, *middle, last = pieces if len(pieces) > 1 else [pieces[0], ""]
    if len(pieces) == 1:
        return re.compile(first, re.DOTALL).fullmatch  # type: ignore[return-value]
    # Atomic groups: the first place where a middle piece fits is as good as any later one, so none is tried again.
    expression = first + "".join(f"(?>.*?{piece})" for piece in middle if piece)
    return re.compile(f"{expression}.*{last}", re.DOTALL).fullmatch  # type: ignore[return-value]


class Patterns:
    """Several patterns, any of which may match, sorted by how cheaply they are tested."""

    __slots__ = ("_exact", "_matchers", "_prefixes", "_templates", "everything", "variables")

    def __init__(self, texts: Iterable[str], *, variables: bool = True, wildcards: bool = True) -> None:
        self.everything = False
        exact: set[str] = set()
        prefixes: list[str] = []
        matchers: list[Callable[[str], bool]] = []
        templates: list[tuple[Token, ...]] = []
        for text in texts:
            parts = tokens(text, wildcards=wildcards, variables=variables)
            if any(isinstance(part, Variable) for part in parts):
                templates.append(parts)
            elif parts and all(part is Wildcard.MANY for part in parts):
                self.everything = True
            elif len(parts) <= 1 and all(isinstance(part, str) for part in parts):
                exact.add("".join(str(part) for part in parts))
            elif len(parts) == 2 and isinstance(parts[0], str) and parts[1] is Wildcard.MANY:
                prefixes.append(parts[0])
            else:
                matchers.append(matcher(parts))
        self._exact = frozenset(exact)
        self._prefixes = tuple(prefixes)
        self._matchers = tuple(matchers)
        self._templates = tuple(templates)
        self.variables = frozenset(part.key for parts in templates for part in parts if isinstance(part, Variable))

    def match(self, text: str, values: Values) -> bool:
        if self.everything or text in self._exact or (self._prefixes and text.startswith(self._prefixes)):
            return True
        for matches in self._matchers:
            if matches(text):
                return True
        for template in self._templates:
            parts = resolve(template, values)
            if parts is not None and _match_resolved(parts, text):
                return True
        return False

    def unresolved(self, values: Values) -> bool:
        """Whether a variable has no value in this request."""
        return any(resolve(template, values) is None for template in self._templates)


def _match_resolved(parts: tuple[Token, ...], text: str) -> bool:
    """The two shapes that nearly all templates have are compared without a regular expression for each value."""
    head = "".join(part for part in parts[:-1] if isinstance(part, str))
    if all(isinstance(part, str) for part in parts[:-1]):
        if parts[-1] is Wildcard.MANY:
            return text.startswith(head)
        if isinstance(parts[-1], str):
            return text == head + parts[-1]
    return matcher(parts)(text)
