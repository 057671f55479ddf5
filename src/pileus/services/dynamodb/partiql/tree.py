"""Statements."""

from __future__ import annotations

from dataclasses import dataclass

from pileus.services.dynamodb.expressions.tree import Action, Condition, Path
from pileus.services.dynamodb.values import Item


@dataclass(frozen=True, slots=True)
class Select:
    table: str
    index: str
    paths: tuple[Path, ...] | None
    """None for all attributes."""
    where: Condition | None
    descending: bool = False
    ordered_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Insert:
    table: str
    item: Item


@dataclass(frozen=True, slots=True)
class Update:
    table: str
    actions: tuple[Action, ...]
    where: Condition | None
    returning: str = "NONE"


@dataclass(frozen=True, slots=True)
class Delete:
    table: str
    where: Condition | None
    returning: str = "NONE"


@dataclass(frozen=True, slots=True)
class Exists:
    """A condition check in a transaction: EXISTS(SELECT …)."""

    select: Select


Statement = Select | Insert | Update | Delete | Exists
