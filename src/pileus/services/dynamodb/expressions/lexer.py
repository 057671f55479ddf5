"""Tokens of expressions, and the error that points at one."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_EXPRESSION = 4096
MAX_OPERATORS = 300

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z][A-Za-z0-9_]*|\#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)|(?P<number>[0-9]+)"
    r"|(?P<symbol><>|<=|>=|[=<>()\[\],.+\-])|(?P<stray>\S))",
    re.ASCII,
)


class ExpressionError(Exception):
    """What is wrong with an expression; the caller says which expression it is."""


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


class Tokens:
    """The tokens of one text, read from left to right."""

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise ExpressionError("The expression can not be empty;")
        if len(text.encode()) > MAX_EXPRESSION:
            raise ExpressionError(
                f"Expression size has exceeded the maximum allowed size; expression size: {len(text.encode())}"
            )
        self._text = text
        self._tokens: list[Token] = []
        position = 0
        while match := _TOKEN.match(text, position):
            kind = match.lastgroup or ""
            self._tokens.append(Token(kind, match[kind], match.start(kind), match.end()))
            position = match.end()
        self._tokens.append(Token("end", "<EOF>", len(text), len(text)))
        self._next = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._next]

    def peek(self, distance: int = 1) -> Token:
        return self._tokens[min(self._next + distance, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self._tokens[self._next]
        if self._next < len(self._tokens) - 1:
            self._next += 1
        return token

    def accept(self, symbol: str) -> bool:
        if self.next.text == symbol and self.next.kind == "symbol":
            self.take()
            return True
        return False

    def accept_word(self, word: str) -> bool:
        if self.next.kind == "name" and self.next.text.upper() == word:
            self.take()
            return True
        return False

    def expect(self, symbol: str) -> None:
        if not self.accept(symbol):
            raise self.unexpected()

    def unexpected(self) -> ExpressionError:
        """At the next token; `near` shows the ones before and after it as they were written."""
        token = self.next
        before = self._tokens[self._next - 1].start if self._next else token.start
        after = self.peek().end
        return ExpressionError(f'Syntax error; token: "{token.text}", near: "{self._text[before:after]}"')
