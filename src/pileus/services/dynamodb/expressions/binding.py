"""Ties parsed expressions to a request's names and values, and makes functions of items of them.

What can be known without an item is checked in doing so, in DynamoDB's order and words.
"""

from __future__ import annotations

from typing import Any

from pileus.services.dynamodb.errors import validation
from pileus.services.dynamodb.expressions.conditions import Test
from pileus.services.dynamodb.expressions.documents import branches_of
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.expressions.parsing import parse_condition, parse_projection, parse_update
from pileus.services.dynamodb.expressions.updates import BoundUpdate, Updates


class Binder(Updates):
    """One request's expressions, each by the parameter that holds it."""

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
