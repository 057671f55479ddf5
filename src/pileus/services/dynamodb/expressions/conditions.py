"""Conditions as functions of items: what can be known without an item is checked when they are made."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

from pileus.services.dynamodb.expressions import documents
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.expressions.parsing import CONDITION_FUNCTIONS
from pileus.services.dynamodb.expressions.references import References, wrong_operand
from pileus.services.dynamodb.expressions.tree import (
    And,
    Between,
    Call,
    Comparison,
    Condition,
    In,
    Not,
    Operand,
    Or,
    Path,
)
from pileus.services.dynamodb.values import Item, Value, equal, sort_value, type_of

Test = Callable[[Item], bool]
Getter = Callable[[Item], Value | None]

_TYPES = ("B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M")
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class Conditions(References):
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
            self.require(operator, operand, ("S", "N", "B"))
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
            self.require("BETWEEN", each, ("S", "N", "B"))
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
        self.count(call, CONDITION_FUNCTIONS)
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
                self.require(name, argument, ("S", "B"))
            return lambda item: begins_with(first(item), second(item))
        if name == "contains":
            return lambda item: contains(first(item), second(item))
        wanted = self.constant(arguments[1])
        if wanted is None or "S" not in wanted:
            kind = type_of(wanted) if wanted else "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"
            if isinstance(arguments[1], Call):
                kind = "N"
            raise wrong_operand(name, kind)
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
        self.count(call, CONDITION_FUNCTIONS)
        operand = call.arguments[0]
        inner = self.getter(operand)
        self.require("size", operand, ("S", "B", "SS", "NS", "BS", "L", "M"))
        return lambda item: measured(inner(item))

    def _distinct(self, operator: str, left: Operand, right: Operand) -> None:
        if isinstance(left, Path) and isinstance(right, Path) and self.path(left) == self.path(right):
            raise ExpressionError(
                "The first operand must be distinct from the remaining operands for this operator or function; "
                f"operator: {operator}, first operand: {documents.show(self.path(left))}"
            )


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
