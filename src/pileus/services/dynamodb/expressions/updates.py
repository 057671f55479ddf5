"""Updates as functions that change items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from pileus.services.dynamodb import numbers
from pileus.services.dynamodb.errors import validation
from pileus.services.dynamodb.expressions import documents
from pileus.services.dynamodb.expressions.conditions import Conditions, Getter
from pileus.services.dynamodb.expressions.documents import Changes, Parts, branches_of
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.expressions.parsing import UPDATE_FUNCTIONS
from pileus.services.dynamodb.expressions.references import wrong_operand
from pileus.services.dynamodb.expressions.tree import Action, Arithmetic, Call, Operand, Path
from pileus.services.dynamodb.values import Item, Value, type_of

Update = Callable[[Item], None]

_TYPE_WORDS = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "NULL": "NULL",
    "BOOL": "BOOLEAN",
    "L": "LIST",
    "M": "MAP",
}
_WRONG_OPERAND = "An operand in the update expression has an incorrect data type"
_NO_ATTRIBUTE = "The provided expression refers to an attribute that does not exist in the item"


@dataclass(frozen=True, slots=True)
class BoundUpdate:
    """`types` are the known types of values set at top level, for the checks of index keys."""

    apply: Update
    branches: dict[str | int, Any]
    types: dict[str, str]
    only_removes: bool


class Updates(Conditions):
    def actions(self, actions: tuple[Action, ...]) -> BoundUpdate:
        bound: list[Callable[[Item, Changes], None]] = []
        setters: list[tuple[Parts, Getter]] = []
        types: dict[str, str] = {}
        resolved: list[tuple[Action, Parts]] = []
        for action in actions:
            # Names and values first, all of them, then overlaps, then operand types: DynamoDB's order.
            parts = self.path(action.path)
            if action.value is not None:
                self.resolve(action.value)
            resolved.append((action, parts))
        branches = branches_of([parts for _, parts in resolved])
        for action, _ in resolved:
            constant = self.constant(action.value) if action.section in ("ADD", "DELETE") and action.value else None
            if constant is not None:
                self._check_operand(action.section, constant)
        for action, parts in resolved:
            kind: str | None = None
            if action.value is None:
                bound.append(_remover(parts))
            elif action.section == "SET":
                kind = self._operand_type(action.value)
                setters.append((parts, self.update_value(action.value)))
            else:
                constant = self.constant(action.value) or {}
                kind = type_of(constant)
                bound.append((_adder if action.section == "ADD" else _deleter)(parts, constant))
            if kind and len(parts) == 1:
                types[str(parts[0])] = kind

        def apply(item: Item) -> None:
            # Every right side sees the item as it was.
            assigned = [(parts, _copy(_present(getter(item)))) for parts, getter in setters]
            changes = Changes(item)
            for parts, value in assigned:
                changes.set(parts, value)
            for action in bound:
                action(item, changes)
            changes.finish()

        only_removes = all(action.section in ("REMOVE", "DELETE") for action in actions)
        return BoundUpdate(apply, branches, types, only_removes)

    def _check_operand(self, section: str, constant: Value) -> None:
        kind = type_of(constant)
        if kind in _TYPE_WORDS and not (section == "ADD" and kind == "N"):
            raise ExpressionError(
                "Incorrect operand type for operator or function; "
                f"operator: {section}, operand type: {_TYPE_WORDS[kind]}"
            )

    def _operand_type(self, operand: Operand) -> str | None:
        if isinstance(operand, Arithmetic):
            return "N"
        if isinstance(operand, Call):
            return "L" if operand.function == "list_append" else None
        constant = self.constant(operand)
        return type_of(constant) if constant else None

    def update_value(self, operand: Operand) -> Getter:
        """What a SET assigns; a missing attribute is an error where it is read."""
        if isinstance(operand, Arithmetic):
            for side in (operand.left, operand.right):
                self._require_immediate(operand.operator, side, "N")
            left, right = self.update_value(operand.left), self.update_value(operand.right)
            compute = numbers.add if operand.operator == "+" else numbers.subtract

            def arithmetic(item: Item) -> Value:
                a, b = _present(left(item)), _present(right(item))
                if "N" not in a or "N" not in b:
                    raise validation(_WRONG_OPERAND)
                return {"N": compute(a["N"], b["N"])}

            return arithmetic
        if isinstance(operand, Call):
            self.count(operand, UPDATE_FUNCTIONS)
            if operand.function == "if_not_exists":
                if not isinstance(operand.arguments[0], Path):
                    raise ExpressionError(
                        "Operator or function requires a document path; operator or function: if_not_exists"
                    )
                existing, default = (self.update_value(argument) for argument in operand.arguments)
                return lambda item: existing(item) or default(item)
            for argument in operand.arguments:
                if isinstance(argument, Call) and argument.function == "list_append":
                    raise ExpressionError(
                        "The function is not allowed to be used this way in an expression; function: list_append"
                    )
                self._require_immediate("list_append", argument, "L")
            head, tail = (self.update_value(argument) for argument in operand.arguments)

            def append(item: Item) -> Value:
                a, b = _present(head(item)), _present(tail(item))
                if "L" not in a or "L" not in b:
                    raise validation(_WRONG_OPERAND)
                return {"L": [*a["L"], *b["L"]]}

            return append
        return self.getter(operand)

    def _require_immediate(self, function: str, operand: Operand, kind: str) -> None:
        constant = self.constant(operand)
        if constant is not None and kind not in constant:
            raise wrong_operand(function, type_of(constant))


def _present(value: Value | None) -> Value:
    if value is None:
        raise validation(_NO_ATTRIBUTE)
    return value


def _copy(value: Value) -> Value:
    """`SET a = b REMOVE b.c` must not change what `a` gets."""
    return orjson.loads(orjson.dumps(value)) if "M" in value or "L" in value else value


def _remover(path: Parts) -> Callable[[Item, Changes], None]:
    return lambda item, changes: changes.remove(path)


def _adder(path: Parts, value: Value) -> Callable[[Item, Changes], None]:
    def add(item: Item, changes: Changes) -> None:
        changes.set(path, added(documents.read(item, path), value))

    return add


def added(existing: Value | None, value: Value) -> Value:
    """ADD: a sum, or a union of sets."""
    kind, content = next(iter(value.items()))
    if existing is None:
        return value
    if kind not in existing:
        raise validation(_WRONG_OPERAND)
    if kind == "N":
        return {"N": numbers.add(existing["N"], content)}
    return {kind: list(dict.fromkeys([*existing[kind], *content]))}


def _deleter(path: Parts, value: Value) -> Callable[[Item, Changes], None]:
    kind, content = next(iter(value.items()))
    unwanted = set(content)

    def delete(item: Item, changes: Changes) -> None:
        existing = documents.read(item, path)
        if existing is None:
            return
        if kind not in existing:
            raise validation(_WRONG_OPERAND)
        rest = [element for element in existing[kind] if element not in unwanted]
        if rest:
            changes.set(path, {kind: rest})
        else:
            changes.remove(path)

    return delete
