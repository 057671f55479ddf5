"""Ties parsed expressions to a request's names and values, and makes functions of items of them.

What can be known without an item is checked here, in DynamoDB's order and words.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from pileus.aws.errors import AWSError
from pileus.services.dynamodb import numbers
from pileus.services.dynamodb.errors import validation
from pileus.services.dynamodb.expressions import documents
from pileus.services.dynamodb.expressions.documents import Changes, Parts, branches_of
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.expressions.parsing import (
    CONDITION_FUNCTIONS,
    UPDATE_FUNCTIONS,
    parse_condition,
    parse_projection,
    parse_update,
)
from pileus.services.dynamodb.expressions.tree import (
    Action,
    And,
    Arithmetic,
    Between,
    Call,
    Comparison,
    Condition,
    In,
    Literal,
    Not,
    Operand,
    Or,
    Path,
    Placeholder,
)
from pileus.services.dynamodb.values import Item, Value, check, equal, sort_value, type_of

Test = Callable[[Item], bool]
Getter = Callable[[Item], Value | None]
Update = Callable[[Item], None]

_NAME = re.compile(r"#[A-Za-z0-9_]+", re.ASCII)
_VALUE = re.compile(r":[A-Za-z0-9_]+", re.ASCII)
_TYPES = ("B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M")
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
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True, slots=True)
class BoundUpdate:
    """`types` are the known types of values set at top level, for the checks of index keys."""

    apply: Update
    paths: tuple[Parts, ...]
    branches: dict[str | int, Any]
    types: dict[str, str]
    only_removes: bool


class Binder:
    """Names and values of one request, and which of them no expression has used."""

    def __init__(self, names: dict[str, str] | None = None, values: dict[str, Value] | None = None) -> None:
        self._names = names or {}
        self._values = values or {}
        self._unused_names = dict.fromkeys(self._names)
        self._unused_values = dict.fromkeys(self._values)
        self.attributes: set[str] = set()
        """Top-level attributes that were named."""
        self.nested: set[str] = set()
        """Those of them with a path below."""
        if names is not None:
            _check_keys("ExpressionAttributeNames", names, _NAME)
            for key, name in names.items():
                if not name:
                    raise validation(
                        f"ExpressionAttributeNames contains invalid value: Empty attribute name for key {key}"
                    )
        if values is not None:
            _check_keys("ExpressionAttributeValues", values, _VALUE)
            for key, value in values.items():
                try:
                    check(value)
                except AWSError as error:
                    if error.code != "ValidationException":
                        raise
                    raise validation(
                        f"ExpressionAttributeValues contains invalid value: {error.message} for key {key}"
                    ) from None

    def finish(self) -> None:
        if self._unused_names:
            raise validation(
                "Value provided in ExpressionAttributeNames unused in expressions: "
                f"keys: {{{', '.join(self._unused_names)}}}"
            )
        if self._unused_values:
            raise validation(
                "Value provided in ExpressionAttributeValues unused in expressions: "
                f"keys: {{{', '.join(self._unused_values)}}}"
            )

    # Whole expressions, by the parameter that holds them

    def condition(self, parameter: str, text: str) -> Test:
        try:
            return self.test(parse_condition(text))
        except ExpressionError as error:
            raise validation(f"Invalid {parameter}: {error}") from None

    def update(self, text: str) -> BoundUpdate:
        try:
            return self.actions(parse_update(text))
        except ExpressionError as error:
            raise validation(f"Invalid UpdateExpression: {error}") from None

    def projection(self, text: str) -> dict[str | int, Any]:
        """The branches to keep of each item."""
        try:
            return branches_of([self.path(path) for path in parse_projection(text)])
        except ExpressionError as error:
            raise validation(f"Invalid ProjectionExpression: {error}") from None

    # Their parts

    def path(self, path: Path) -> Parts:
        parts: Parts
        if path.literal:
            parts = path.parts
        else:
            parts = tuple(self._name(part) if isinstance(part, str) and part[0] == "#" else part for part in path.parts)
        head = str(parts[0])
        self.attributes.add(head)
        if len(parts) > 1:
            self.nested.add(head)
        return parts

    def _name(self, placeholder: str) -> str:
        name = self._names.get(placeholder)
        if name is None:
            raise ExpressionError(
                f"An expression attribute name used in the document path is not defined; attribute name: {placeholder}"
            )
        self._unused_names.pop(placeholder, None)
        return name

    def value(self, placeholder: str) -> Value:
        value = self._values.get(placeholder)
        if value is None:
            raise ExpressionError(
                f"An expression attribute value used in expression is not defined; attribute value: {placeholder}"
            )
        self._unused_values.pop(placeholder, None)
        return value

    def constant(self, operand: Operand) -> Value | None:
        """The value of an operand that is one by itself."""
        if isinstance(operand, Placeholder):
            return self.value(operand.name)
        if isinstance(operand, Literal):
            return operand.value
        return None

    def getter(self, operand: Operand) -> Getter:
        if isinstance(operand, Path):
            parts = self.path(operand)
            if len(parts) == 1:
                name = parts[0]
                return lambda item: item.get(name)  # type: ignore[arg-type]
            return lambda item: documents.read(item, parts)
        if isinstance(operand, Call):
            return self._size(operand)
        constant = self.constant(operand)
        return lambda item: constant

    def test(self, condition: Condition) -> Test:
        if isinstance(condition, And):
            left, right = self.test(condition.left), self.test(condition.right)
            return lambda item: left(item) and right(item)
        if isinstance(condition, Or):
            left, right = self.test(condition.left), self.test(condition.right)
            return lambda item: left(item) or right(item)
        if isinstance(condition, Not):
            inner = self.test(condition.condition)
            return lambda item: not inner(item)
        if isinstance(condition, Comparison):
            return self._comparison(condition)
        if isinstance(condition, Between):
            return self._between(condition)
        if isinstance(condition, In):
            return self._in(condition)
        return self._function(condition)

    def _comparison(self, condition: Comparison) -> Test:
        operator = condition.operator
        left, right = self.getter(condition.left), self.getter(condition.right)
        self._distinct(operator, condition.left, condition.right)
        if operator == "=":

            def test_equal(item: Item) -> bool:
                a, b = left(item), right(item)
                return a is not None and b is not None and equal(a, b)

            return test_equal
        if operator == "<>":

            def test_unequal(item: Item) -> bool:
                a, b = left(item), right(item)
                return a is None or b is None or not equal(a, b)

            return test_unequal
        for operand in (condition.left, condition.right):
            self._require(operator, operand, ("S", "N", "B"))
        compare = _ORDERED[operator]

        def test_ordered(item: Item) -> bool:
            a, b = left(item), right(item)
            if a is None or b is None:
                return False
            x, y = sort_value(a), sort_value(b)
            return x is not None and y is not None and x[0] == y[0] and compare(x[1], y[1])

        return test_ordered

    def _between(self, condition: Between) -> Test:
        operand, low, high = (self.getter(each) for each in (condition.operand, condition.low, condition.high))
        for each in (condition.operand, condition.low, condition.high):
            self._require("BETWEEN", each, ("S", "N", "B"))
        lower, upper = self.constant(condition.low), self.constant(condition.high)
        if lower is not None and upper is not None:
            bounds = f"lower bound operand: {_show(lower)}, upper bound operand: {_show(upper)}"
            if type_of(lower) != type_of(upper):
                raise ExpressionError(
                    f"The BETWEEN operator requires same data type for lower and upper bounds; {bounds}"
                )
            a, b = sort_value(lower), sort_value(upper)
            if a is not None and b is not None and a[1] > b[1]:
                raise ExpressionError(
                    "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; " + bounds
                )

        def test_between(item: Item) -> bool:
            found = [each(item) for each in (operand, low, high)]
            keys = [sort_value(each) for each in found if each is not None]
            if len(keys) != 3 or None in keys:
                return False
            (kind, sought), (low_kind, least), (high_kind, most) = keys  # type: ignore[misc]
            return bool(kind == low_kind == high_kind and least <= sought <= most)

        return test_between

    def _in(self, condition: In) -> Test:
        operand = self.getter(condition.operand)
        candidates = [self.getter(candidate) for candidate in condition.candidates]

        def test_in(item: Item) -> bool:
            value = operand(item)
            if value is None:
                return False
            for candidate in candidates:
                other = candidate(item)
                if other is not None and equal(value, other):
                    return True
            return False

        return test_in

    def _function(self, call: Call) -> Test:
        name, arguments = call.function, call.arguments
        self._count(call, CONDITION_FUNCTIONS)
        getters = [self.getter(argument) for argument in arguments]
        if len(arguments) == 2:
            self._distinct(name, *arguments)
        first = getters[0]
        if name in ("attribute_exists", "attribute_not_exists"):
            if not isinstance(arguments[0], Path):
                raise ExpressionError(f"Operator or function requires a document path; operator or function: {name}")
            if name == "attribute_exists":
                return lambda item: first(item) is not None
            return lambda item: first(item) is None
        second = getters[1]
        if name == "begins_with":
            for argument in arguments:
                self._require(name, argument, ("S", "B"))
            return lambda item: begins_with(first(item), second(item))
        if name == "contains":
            return lambda item: contains(first(item), second(item))
        wanted = self.constant(arguments[1])
        if wanted is None or "S" not in wanted:
            kind = type_of(wanted) if wanted else "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"
            if isinstance(arguments[1], Call):
                kind = "N"
            raise _wrong_operand(name, kind)
        if wanted["S"] not in _TYPES:
            raise ExpressionError(
                f"Invalid attribute type name found; type: {wanted['S']}, valid types: {{{','.join(_TYPES)}}}"
            )
        kind = wanted["S"]

        def test_type(item: Item) -> bool:
            value = first(item)
            return value is not None and kind in value

        return test_type

    def _size(self, call: Call) -> Getter:
        self._count(call, CONDITION_FUNCTIONS)
        operand = call.arguments[0]
        inner = self.getter(operand)
        self._require("size", operand, ("S", "B", "SS", "NS", "BS", "L", "M"))
        return lambda item: measured(inner(item))

    def _count(self, call: Call, functions: dict[str, int]) -> None:
        for argument in call.arguments:
            self._resolve(argument)
        if len(call.arguments) != functions[call.function]:
            raise ExpressionError(
                "Incorrect number of operands for operator or function; "
                f"operator or function: {call.function}, number of operands: {len(call.arguments)}"
            )

    def _distinct(self, operator: str, left: Operand, right: Operand) -> None:
        if isinstance(left, Path) and isinstance(right, Path) and self.path(left) == self.path(right):
            raise ExpressionError(
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {operator}, first operand: {documents.show(self.path(left))}"
            )

    def _require(self, function: str, operand: Operand, types: Iterable[str]) -> None:
        constant = self.constant(operand)
        kind = "N" if isinstance(operand, Call) else type_of(constant) if constant else None
        if kind is not None and kind not in types:
            raise _wrong_operand(function, kind)

    # Updates

    def actions(self, actions: tuple[Action, ...]) -> BoundUpdate:
        bound: list[Callable[[Item, Changes], None]] = []
        setters: list[tuple[Parts, Getter]] = []
        types: dict[str, str] = {}
        resolved: list[tuple[Action, Parts]] = []
        for action in actions:
            # Names and values first, all of them, then overlaps, then operand types: DynamoDB's order.
            parts = self.path(action.path)
            if action.value is not None:
                self._resolve(action.value)
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
        return BoundUpdate(apply, tuple(parts for _, parts in resolved), branches, types, only_removes)

    def _check_operand(self, section: str, constant: Value) -> None:
        kind = type_of(constant)
        if kind in _TYPE_WORDS and not (section == "ADD" and kind == "N"):
            raise ExpressionError(
                "Incorrect operand type for operator or function; "
                f"operator: {section}, operand type: {_TYPE_WORDS[kind]}"
            )

    def _resolve(self, operand: Operand) -> None:
        if isinstance(operand, Path):
            self.path(operand)
        elif isinstance(operand, Call):
            for argument in operand.arguments:
                self._resolve(argument)
        elif isinstance(operand, Arithmetic):
            self._resolve(operand.left)
            self._resolve(operand.right)
        else:
            self.constant(operand)

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
            self._count(operand, UPDATE_FUNCTIONS)
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
            raise _wrong_operand(function, type_of(constant))


def _check_keys(parameter: str, given: dict[str, Any], form: re.Pattern[str]) -> None:
    if not given:
        raise validation(f"{parameter} must not be empty")
    for key in given:
        if not form.fullmatch(key):
            raise validation(f'{parameter} contains invalid key: Syntax error; key: "{key}"')


def _wrong_operand(function: str, kind: str) -> ExpressionError:
    return ExpressionError(
        f"Incorrect operand type for operator or function; operator or function: {function}, operand type: {kind}"
    )


def _present(value: Value | None) -> Value:
    if value is None:
        raise validation(_NO_ATTRIBUTE)
    return value


def _copy(value: Value) -> Value:
    """`SET a = b REMOVE b.c` must not change what `a` gets."""
    return orjson.loads(orjson.dumps(value)) if "M" in value or "L" in value else value


def _show(value: Value) -> str:
    kind, content = next(iter(value.items()))
    return f"AttributeValue: {{{kind}:{content}}}"


def begins_with(value: Value | None, prefix: Value | None) -> bool:
    if value is None or prefix is None:
        return False
    if "S" in value and "S" in prefix:
        return bool(value["S"].startswith(prefix["S"]))
    if "B" in value and "B" in prefix:
        return b64decode(value["B"]).startswith(b64decode(prefix["B"]))
    return False


def contains(value: Value | None, part: Value | None) -> bool:
    """A substring, or an element of a set or list."""
    if value is None or part is None:
        return False
    kind, content = next(iter(value.items()))
    other, sought = next(iter(part.items()))
    if kind == "L":
        return any(equal(element, part) for element in content)
    if kind == "S" and other == "S":
        return sought in content
    if kind == "B" and other == "B":
        return b64decode(sought) in b64decode(content)
    return kind == other + "S" and kind in ("SS", "NS", "BS") and sought in content


def measured(value: Value | None) -> Value | None:
    """`size()` of a value, as a number."""
    if value is None:
        return None
    kind, content = next(iter(value.items()))
    if kind == "B":
        return {"N": str(len(b64decode(content)))}
    if kind in ("S", "SS", "NS", "BS", "L", "M"):
        return {"N": str(len(content))}
    return None


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
