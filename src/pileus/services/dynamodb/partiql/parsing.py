"""Recursive descent over DynamoDB's statements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pileus.services.dynamodb.errors import validation
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
)
from pileus.services.dynamodb.partiql.tree import Delete, Exists, Insert, Select, Statement, Update
from pileus.services.dynamodb.values import Item, Value, check

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|"(?P<quoted>(?:[^"]|"")*)"|'(?P<string>(?:[^']|'')*)'"""
    r"""|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"""
    r"""|(?P<symbol><<|>>|<>|!=|<=|>=|[=<>()\[\]{},.*+\-?:;]))""",
    re.ASCII,
)
_SPACE = re.compile(r"\s*")
_COMPARATORS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_FUNCTIONS = {"begins_with": 2, "contains": 2, "size": 1, "attribute_type": 2, "attribute_exists": 1,
              "attribute_not_exists": 1}  # fmt: skip
_RETURNING = {("ALL", "OLD"): "ALL_OLD", ("MODIFIED", "OLD"): "UPDATED_OLD", ("ALL", "NEW"): "ALL_NEW",
              ("MODIFIED", "NEW"): "UPDATED_NEW"}  # fmt: skip
_KEYWORDS = frozenset(
    ("SELECT", "FROM", "WHERE", "INSERT", "INTO", "VALUE", "UPDATE", "SET", "REMOVE", "DELETE", "RETURNING", "ORDER",
     "BY", "ASC", "DESC", "AND", "OR", "NOT", "IN", "BETWEEN", "IS", "MISSING", "NULL", "TRUE", "FALSE", "EXISTS")
)  # fmt: skip
_MAX_STATEMENT = 8192
_MAX_DEPTH = 60


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parse(text: str, parameters: Sequence[Value] = ()) -> Statement:
    """Raises AWSError (ValidationException) for what is no statement."""
    return _Parser(text, parameters).parse()


class _Parser:
    def __init__(self, text: str, parameters: Sequence[Value]) -> None:
        if len(text) > _MAX_STATEMENT:
            raise validation(f"Statement exceeds the maximum length of {_MAX_STATEMENT}")
        self.parameters = list(parameters)
        for value in self.parameters:
            check(value)
        self.used = 0
        self.depth = 0
        self.tokens: list[_Token] = []
        position = 0
        while match := _TOKEN.match(text, position):
            kind = match.lastgroup or ""
            content = match[kind]
            if kind in ("quoted", "string"):
                content = content.replace('""', '"') if kind == "quoted" else content.replace("''", "'")
            self.tokens.append(_Token(kind, content, match.start(kind)))
            position = match.end()
        space = _SPACE.match(text, position)
        if space is not None and space.end() < len(text):
            raise validation("Statement wasn't well formed, can't be processed: Unexpected character")
        self.tokens.append(_Token("end", "", len(text)))
        self.next = 0

    # Tokens

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def take(self) -> _Token:
        token = self.tokens[self.next]
        if self.next < len(self.tokens) - 1:
            self.next += 1
        return token

    def symbol(self, text: str) -> bool:
        if self.token.kind == "symbol" and self.token.text == text:
            self.take()
            return True
        return False

    def word(self, *words: str) -> bool:
        """These words, in this order."""
        for distance, word in enumerate(words):
            token = self.tokens[min(self.next + distance, len(self.tokens) - 1)]
            if token.kind != "name" or token.text.upper() != word:
                return False
        for _ in words:
            self.take()
        return True

    def expect(self, text: str) -> None:
        if not self.symbol(text):
            raise self.unexpected(text)

    def expect_word(self, *words: str) -> None:
        if not self.word(*words):
            raise self.unexpected(" ".join(words))

    def unexpected(self, wanted: str = "") -> Exception:
        token = self.token
        found = "end of statement" if token.kind == "end" else f"'{token.text}'"
        tail = f", expected {wanted}" if wanted else ""
        return validation(
            f"Statement wasn't well formed, can't be processed: Unexpected {found} at position {token.position}{tail}"
        )

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise validation("Statement wasn't well formed, can't be processed: it is nested too deeply")

    # Statements

    def parse(self) -> Statement:
        statement = self.statement()
        self.symbol(";")
        if self.token.kind != "end":
            raise self.unexpected()
        if self.used != len(self.parameters):
            raise validation("Number of parameters in request and statement don't match.")
        return statement

    def statement(self) -> Statement:
        if self.word("SELECT"):
            return self.select()
        if self.word("INSERT", "INTO"):
            table = self.identifier()
            self.expect_word("VALUE")
            return Insert(table, self.item())
        if self.word("UPDATE"):
            return self.update()
        if self.word("DELETE", "FROM"):
            return Delete(self.identifier(), self.where(), self.returning())
        if self.word("EXISTS"):
            self.expect("(")
            self.expect_word("SELECT")
            select = self.select()
            self.expect(")")
            return Exists(select)
        raise self.unexpected()

    def identifier(self) -> str:
        token = self.token
        if token.kind == "quoted" or (token.kind == "name" and token.text.upper() not in _KEYWORDS):
            return self.take().text
        raise self.unexpected("an identifier")

    def select(self) -> Select:
        paths: tuple[Path, ...] | None = None
        if not self.symbol("*"):
            found = [self.path()]
            while self.symbol(","):
                found.append(self.path())
            paths = tuple(found)
        self.expect_word("FROM")
        table = self.identifier()
        index = self.identifier() if self.symbol(".") else ""
        where = self.where()
        descending = False
        ordered: list[str] = []
        if self.word("ORDER", "BY"):
            ordered.append(self.identifier())
            while self.symbol(","):
                ordered.append(self.identifier())
            descending = self.word("DESC")
            if not descending:
                self.word("ASC")
        return Select(table, index, paths, where, descending, tuple(ordered))

    def where(self) -> Condition | None:
        return self.condition() if self.word("WHERE") else None

    def returning(self) -> str:
        if not self.word("RETURNING"):
            return "NONE"
        for words, returned in _RETURNING.items():
            if self.word(*words):
                self.expect("*")
                return returned
        raise self.unexpected("ALL or MODIFIED")

    def update(self) -> Update:
        table = self.identifier()
        actions: list[Action] = []
        while True:
            if self.word("SET"):
                actions.append(self.assignment())
                while self.symbol(","):
                    actions.append(self.assignment())
            elif self.word("REMOVE"):
                actions.append(Action("REMOVE", self.path()))
                while self.symbol(","):
                    actions.append(Action("REMOVE", self.path()))
            else:
                break
        if not actions:
            raise self.unexpected("SET or REMOVE")
        return Update(table, tuple(actions), self.where(), self.returning())

    def assignment(self) -> Action:
        path = self.path()
        self.expect("=")
        token = self.token
        if token.kind == "name" and token.text.lower() in ("set_add", "set_delete"):
            self.take()
            self.expect("(")
            self.path()
            self.expect(",")
            value = Literal(self.value())
            self.expect(")")
            return Action("ADD" if token.text.lower() == "set_add" else "DELETE", path, value)
        return Action("SET", path, self.sum())

    def sum(self) -> Operand:
        left = self.update_operand()
        if self.token.kind == "symbol" and self.token.text in "+-":
            operator = self.take().text
            return Arithmetic(operator, left, self.update_operand())
        return left

    def update_operand(self) -> Operand:
        token = self.token
        after = self.tokens[min(self.next + 1, len(self.tokens) - 1)]
        if token.kind == "name" and after.text == "(" and token.text.lower() in ("list_append", "if_not_exists"):
            self.deeper()
            self.take()
            self.expect("(")
            first = self.update_operand()
            self.expect(",")
            second = self.update_operand()
            self.expect(")")
            self.depth -= 1
            return Call(token.text.lower(), (first, second))
        return self.operand()

    # Conditions

    def condition(self) -> Condition:
        self.deeper()
        left = self.conjunction()
        while self.word("OR"):
            left = Or(left, self.conjunction())
        self.depth -= 1
        return left

    def conjunction(self) -> Condition:
        left = self.negation()
        while self.word("AND"):
            left = And(left, self.negation())
        return left

    def negation(self) -> Condition:
        if self.word("NOT"):
            self.deeper()
            inner = Not(self.negation())
            self.depth -= 1
            return inner
        return self.predicate()

    def predicate(self) -> Condition:
        if self.symbol("("):
            inner = self.condition()
            self.expect(")")
            return inner
        operand = self.operand()
        token = self.token
        if token.kind == "symbol" and token.text in _COMPARATORS:
            self.take()
            return Comparison(_COMPARATORS[token.text], operand, self.operand())
        if self.word("BETWEEN"):
            low = self.operand()
            self.expect_word("AND")
            return Between(operand, low, self.operand())
        if self.word("IN"):
            return In(operand, self.candidates())
        if self.word("IS"):
            return self.existence(operand)
        if isinstance(operand, Call):
            return operand
        raise self.unexpected("a comparison")

    def candidates(self) -> tuple[Operand, ...]:
        close = "]" if self.symbol("[") else ")"
        if close == ")":
            self.expect("(")
        found = [self.operand()]
        while self.symbol(","):
            found.append(self.operand())
        self.expect(close)
        return tuple(found)

    def existence(self, operand: Operand) -> Condition:
        negated = self.word("NOT")
        if self.word("MISSING"):
            tested: Condition = Call("attribute_not_exists", (operand,))
        elif self.word("NULL"):
            tested = Call("attribute_type", (operand, Literal({"S": "NULL"})))
        else:
            raise self.unexpected("MISSING or NULL")
        return Not(tested) if negated else tested

    def operand(self) -> Operand:
        token = self.token
        if token.kind == "name" and self.tokens[min(self.next + 1, len(self.tokens) - 1)].text == "(":
            return self.call()
        if token.kind == "quoted" or (token.kind == "name" and token.text.upper() not in _KEYWORDS):
            return self.path()
        return Literal(self.value())

    def call(self) -> Call:
        name = self.take().text.lower()
        if name not in _FUNCTIONS:
            raise validation(f"Statement wasn't well formed, can't be processed: Unsupported function: {name}")
        self.deeper()
        self.expect("(")
        arguments = [self.operand()]
        while self.symbol(","):
            arguments.append(self.operand())
        self.expect(")")
        self.depth -= 1
        return Call(name, tuple(arguments))

    def path(self) -> Path:
        parts: list[str | int] = [self.identifier()]
        while True:
            if self.symbol("."):
                parts.append(self.identifier())
            elif self.symbol("["):
                if self.token.kind == "string":
                    parts.append(self.take().text)
                elif self.token.kind == "number" and self.token.text.isdigit():
                    parts.append(int(self.take().text))
                else:
                    raise self.unexpected("an index")
                self.expect("]")
            else:
                return Path(tuple(parts), literal=True)

    # Values

    def value(self) -> Value:
        token = self.token
        if self.symbol("?"):
            if self.used >= len(self.parameters):
                raise validation("Number of parameters in request and statement don't match.")
            self.used += 1
            return self.parameters[self.used - 1]
        value = self.literal(token)
        check(value)
        return value

    def literal(self, token: _Token) -> Value:
        if token.kind == "string":
            return {"S": self.take().text}
        if token.kind == "number":
            return {"N": self.take().text}
        if self.symbol("-"):
            if self.token.kind != "number":
                raise self.unexpected("a number")
            return {"N": f"-{self.take().text}"}
        for word, value in (("TRUE", {"BOOL": True}), ("FALSE", {"BOOL": False}), ("NULL", {"NULL": True})):
            if self.word(word):
                return value
        if self.symbol("["):
            return {"L": self.values("]")}
        if self.symbol("<<"):
            return self.set()
        if token.kind == "symbol" and token.text == "{":
            return {"M": self.item()}
        raise self.unexpected("a value")

    def values(self, close: str) -> list[Value]:
        self.deeper()
        found: list[Value] = []
        while not self.symbol(close):
            if found:
                self.expect(",")
            found.append(self.value())
        self.depth -= 1
        return found

    def set(self) -> Value:
        elements = self.values(">>")
        kinds = {next(iter(element)) for element in elements}
        if len(kinds) != 1 or not kinds <= {"S", "N", "B"}:
            raise validation("Sets must contain one or more values of the same type: string, number or binary")
        kind = kinds.pop()
        contents: list[Any] = [element[kind] for element in elements]
        return {kind + "S": contents}

    def item(self) -> Item:
        self.deeper()
        self.expect("{")
        item: Item = {}
        while not self.symbol("}"):
            if item:
                self.expect(",")
            if self.token.kind not in ("string", "quoted"):
                raise self.unexpected("an attribute name")
            name = self.take().text
            self.expect(":")
            item[name] = self.value()
        self.depth -= 1
        return item
