"""What expressions refer to: a request's names and values, and which of them have been used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.dynamodb.errors import validation
from pileus.services.dynamodb.expressions.documents import Parts
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.expressions.tree import Arithmetic, Call, Literal, Operand, Path, Placeholder
from pileus.services.dynamodb.values import Value, check, type_of

_NAME = re.compile(r"#[A-Za-z0-9_]+", re.ASCII)
_VALUE = re.compile(r":[A-Za-z0-9_]+", re.ASCII)


class References:
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

    def resolve(self, operand: Operand) -> None:
        if isinstance(operand, Path):
            self.path(operand)
        elif isinstance(operand, Call):
            for argument in operand.arguments:
                self.resolve(argument)
        elif isinstance(operand, Arithmetic):
            self.resolve(operand.left)
            self.resolve(operand.right)
        else:
            self.constant(operand)

    def count(self, call: Call, functions: dict[str, int]) -> None:
        for argument in call.arguments:
            self.resolve(argument)
        if len(call.arguments) != functions[call.function]:
            raise ExpressionError(
                "Incorrect number of operands for operator or function; "
                f"operator or function: {call.function}, number of operands: {len(call.arguments)}"
            )

    def require(self, function: str, operand: Operand, types: Iterable[str]) -> None:
        constant = self.constant(operand)
        kind = "N" if isinstance(operand, Call) else type_of(constant) if constant else None
        if kind is not None and kind not in types:
            raise wrong_operand(function, kind)


def _check_keys(parameter: str, given: dict[str, Any], form: re.Pattern[str]) -> None:
    if not given:
        raise validation(f"{parameter} must not be empty")
    for key in given:
        if not form.fullmatch(key):
            raise validation(f'{parameter} contains invalid key: Syntax error; key: "{key}"')


def wrong_operand(function: str, kind: str) -> ExpressionError:
    return ExpressionError(
        f"Incorrect operand type for operator or function; operator or function: {function}, operand type: {kind}"
    )
