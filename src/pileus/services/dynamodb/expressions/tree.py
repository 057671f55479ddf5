"""What an expression parses into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Path:
    """Attribute name, then map keys (str) and list indexes (int). A name that begins with # stands for another,
    unless `literal`."""

    parts: tuple[str | int, ...]
    literal: bool = False
    parenthesized: bool = False


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A `:name` for a value that comes with the request."""

    name: str
    parenthesized: bool = False


@dataclass(frozen=True, slots=True)
class Literal:
    """A value itself, as legacy parameters and PartiQL have them."""

    value: dict[str, Any]
    parenthesized: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Operand, ...]
    parenthesized: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str
    left: Operand
    right: Operand
    parenthesized: bool = False


@dataclass(frozen=True, slots=True)
class Between:
    operand: Operand
    low: Operand
    high: Operand
    parenthesized: bool = False


@dataclass(frozen=True, slots=True)
class In:
    operand: Operand
    candidates: tuple[Operand, ...]
    parenthesized: bool = False


@dataclass(frozen=True, slots=True)
class And:
    left: Condition
    right: Condition
    parenthesized: bool = False


@dataclass(frozen=True, slots=True)
class Or:
    left: Condition
    right: Condition
    parenthesized: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition
    parenthesized: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left + right` or `left - right` in an update expression."""

    operator: str
    left: Operand
    right: Operand
    parenthesized: bool = False


Operand = Path | Placeholder | Literal | Call | Arithmetic
Condition = Comparison | Between | In | And | Or | Not | Call
Node = Operand | Condition


@dataclass(frozen=True, slots=True)
class Action:
    """One clause of an update: `section` is SET, REMOVE, ADD or DELETE."""

    section: str
    path: Path
    value: Operand | None = None
