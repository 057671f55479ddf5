"""Recursive descent over the three grammars; trees are cached by text.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from pileus.services.dynamodb.expressions.lexer import MAX_OPERATORS, ExpressionError, Tokens
from pileus.services.dynamodb.expressions.reserved import RESERVED_WORDS
from pileus.services.dynamodb.expressions.tree import (
    Action,
    And,
    Arithmetic,
    Between,
    Call,
    Comparison,
    Condition,
    In,
    Node,
    Not,
    Operand,
    Or,
    Path,
    Placeholder,
)

_CONDITION_WORDS = frozenset(("AND", "OR", "NOT", "BETWEEN", "IN"))
_UPDATE_WORDS = frozenset(("SET", "REMOVE", "ADD", "DELETE"))
_COMPARATORS = frozenset(("=", "<>", "<", "<=", ">", ">="))
CONDITION_FUNCTIONS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
}
UPDATE_FUNCTIONS = {"if_not_exists": 2, "list_append": 2}
_ALL_FUNCTIONS = CONDITION_FUNCTIONS.keys() | UPDATE_FUNCTIONS.keys()
_MAX_PATH = 32
# A level takes five of the thousand frames that the interpreter has. With 300 operators, 150 are of use.
_MAX_DEPTH = 151
_MAX_CANDIDATES = 100


@lru_cache(2048)
def parse_condition(text: str) -> Condition:
    return _Conditions(text).parse()


@lru_cache(2048)
def parse_update(text: str) -> tuple[Action, ...]:
    return _Updates(text).parse()


@lru_cache(2048)
def parse_projection(text: str) -> tuple[Path, ...]:
    return _Projections(text).parse()


class _Parser:
    """What the grammars share. DynamoDB reports the first fault of the gravest kind, so those that do not keep it
    from reading on are collected: reserved words, unknown functions."""

    words: frozenset[str] = frozenset()

    def __init__(self, text: str) -> None:
        self.tokens = Tokens(text)
        self.faults: dict[str, str] = {}
        self.operators = 0
        self.depth = 0

    def fault(self, kind: str, message: str) -> None:
        self.faults.setdefault(kind, message)

    def finish(self, *order: str) -> None:
        if self.tokens.next.kind != "end":
            raise self.tokens.unexpected()
        for kind in order:
            if kind in self.faults:
                raise ExpressionError(self.faults[kind])

    def operator(self) -> None:
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            raise ExpressionError(f"The expression contains too many operators; operator count: {self.operators}")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ExpressionError("The expression contains too many nested levels")

    def name(self) -> str:
        token = self.tokens.next
        if token.kind != "name" or token.text.upper() in self.words:
            raise self.tokens.unexpected()
        self.tokens.take()
        if token.text.upper() in RESERVED_WORDS:
            self.fault("reserved", f"Attribute name is a reserved keyword; reserved keyword: {token.text}")
        return token.text

    def path(self) -> Path:
        return self.path_from(Path((self.name(),)))

    def path_from(self, head: Path) -> Path:
        parts: list[str | int] = list(head.parts)
        while True:
            if self.tokens.accept("["):
                if self.tokens.next.kind != "number":
                    raise self.tokens.unexpected()
                index = self.tokens.take().text
                if len(index) > 9:
                    raise ExpressionError(f"List index is not within the allowable range; index: [{index}]")
                parts.append(int(index))
                self.tokens.expect("]")
            elif self.tokens.accept("."):
                parts.append(self.name())
            else:
                break
        if len(parts) > _MAX_PATH:
            raise ExpressionError("The document path has too many nesting elements; nesting levels: " + str(len(parts)))
        return Path(tuple(parts))

    def call(self, functions: dict[str, int]) -> Call:
        self.deeper()
        name = self.tokens.take().text
        self.tokens.expect("(")
        arguments = [self.operand()]
        while self.tokens.accept(","):
            arguments.append(self.operand())
        self.tokens.expect(")")
        self.operator()
        self.depth -= 1
        if name not in functions and name in _ALL_FUNCTIONS:
            self.fault(
                "misused function",
                f"The function is not allowed to be used this way in an expression; function: {name}",
            )
        elif name not in functions:
            self.fault("unknown function", f"Invalid function name; function: {name}")
        return Call(name, tuple(arguments))

    def operand(self) -> Operand:
        raise NotImplementedError

    def is_call(self) -> bool:
        token, after = self.tokens.next, self.tokens.peek()
        return token.kind == "name" and token.text[0] != "#" and after.kind == "symbol" and after.text == "("


class _Conditions(_Parser):
    words = _CONDITION_WORDS

    def parse(self) -> Condition:
        condition = self.disjunction()
        if self.tokens.next.kind != "end":
            raise self.tokens.unexpected()
        self.misused_size(condition)
        self.finish("parentheses", "unknown function", "misused function", "reserved")
        return condition

    def disjunction(self) -> Condition:
        return self.as_condition(self.disjunction_or_operand())

    def disjunction_or_operand(self) -> Node:
        self.deeper()
        left = self.conjunction()
        while self.tokens.next.text.upper() == "OR":
            condition = self.as_condition(left)
            self.tokens.take()
            self.operator()
            right = self.as_condition(self.conjunction())
            self.misused_size(condition, right)
            left = Or(condition, right)
        self.depth -= 1
        return left

    def conjunction(self) -> Node:
        left = self.negation()
        while self.tokens.next.text.upper() == "AND":
            condition = self.as_condition(left)
            self.tokens.take()
            self.operator()
            right = self.as_condition(self.negation())
            self.misused_size(condition, right)
            left = And(condition, right)
        return left

    def negation(self) -> Node:
        if self.tokens.accept_word("NOT"):
            self.deeper()
            self.operator()
            condition = self.as_condition(self.negation())
            self.depth -= 1
            self.misused_size(condition)
            return Not(condition)
        return self.comparison()

    def comparison(self) -> Node:
        left = self.primary()
        token = self.tokens.next
        word = token.text.upper()
        if token.kind == "symbol" and token.text in _COMPARATORS:
            operand = self.as_operand(left)
            self.tokens.take()
            self.operator()
            right = self.operand()
            self.misused_function(operand, right)
            return Comparison(token.text, operand, right)
        if token.kind == "name" and word == "BETWEEN":
            operand = self.as_operand(left)
            self.tokens.take()
            self.operator()
            low = self.operand()
            if not self.tokens.accept_word("AND"):
                raise self.tokens.unexpected()
            high = self.operand()
            self.misused_function(operand, low, high)
            return Between(operand, low, high)
        if token.kind == "name" and word == "IN":
            operand = self.as_operand(left)
            self.tokens.take()
            self.operator()
            self.tokens.expect("(")
            candidates = [self.operand()]
            while self.tokens.accept(","):
                candidates.append(self.operand())
            self.tokens.expect(")")
            if len(candidates) > _MAX_CANDIDATES:
                raise ExpressionError(
                    "Invalid operator used in expression; the IN operator has too many operands; "
                    f"number of operands: {len(candidates)}"
                )
            self.misused_function(operand, *candidates)
            return In(operand, tuple(candidates))
        return left

    def primary(self) -> Node:
        token = self.tokens.next
        if self.tokens.accept("("):
            inner = self.disjunction_or_operand()
            self.tokens.expect(")")
            if inner.parenthesized:
                self.fault("parentheses", "The expression has redundant parentheses;")
            if isinstance(inner, Path) and self.tokens.next.text in (".", "["):
                return self.path_from(inner)
            return replace(inner, parenthesized=True)
        if token.kind == "value":
            return Placeholder(self.tokens.take().text)
        if self.is_call() and token.text.upper() not in self.words:
            call = self.call(CONDITION_FUNCTIONS)
            self.misused_function(*call.arguments)
            return call
        return self.path()

    def operand(self) -> Operand:
        return self.as_operand(self.primary())

    def as_operand(self, node: Node) -> Operand:
        if isinstance(node, Path | Placeholder | Call):
            return node
        raise self.tokens.unexpected()

    def as_condition(self, node: Node) -> Condition:
        if isinstance(node, Comparison | Between | In | And | Or | Not | Call):
            return node
        raise self.tokens.unexpected()

    def misused_function(self, *operands: Operand) -> None:
        """As an operand only size makes sense."""
        for operand in operands:
            if isinstance(operand, Call) and operand.function != "size":
                self.misused(operand.function)

    def misused_size(self, *conditions: Condition) -> None:
        """As a condition any function but size does."""
        for condition in conditions:
            if isinstance(condition, Call) and condition.function == "size":
                self.misused("size")

    def misused(self, function: str) -> None:
        if function in CONDITION_FUNCTIONS:
            self.fault(
                "misused function",
                f"The function is not allowed to be used this way in an expression; function: {function}",
            )


class _Updates(_Parser):
    words = _UPDATE_WORDS

    def parse(self) -> tuple[Action, ...]:
        actions: list[Action] = []
        seen: set[str] = set()
        while self.tokens.next.kind != "end":
            section = self.tokens.next.text.upper()
            if self.tokens.next.kind != "name" or section not in self.words:
                raise self.tokens.unexpected()
            self.tokens.take()
            if section in seen:
                self.fault("section", f'The "{section}" section can only be used once in an update expression;')
            seen.add(section)
            actions.append(self.action(section))
            while self.tokens.accept(","):
                actions.append(self.action(section))
        self.finish("reserved", "unknown function", "misused function", "section")
        return tuple(actions)

    def action(self, section: str) -> Action:
        path = self.path()
        self.operator()
        if section == "REMOVE":
            return Action(section, path)
        if section == "SET":
            self.tokens.expect("=")
            return Action(section, path, self.sum())
        if self.tokens.next.kind != "value":
            raise self.tokens.unexpected()
        return Action(section, path, Placeholder(self.tokens.take().text))

    def sum(self) -> Operand:
        left = self.operand()
        token = self.tokens.next
        if token.kind == "symbol" and token.text in "+-":
            self.tokens.take()
            self.operator()
            return Arithmetic(token.text, left, self.operand())
        return left

    def operand(self) -> Operand:
        token = self.tokens.next
        if self.tokens.accept("("):
            self.deeper()
            inner = self.sum()
            self.depth -= 1
            self.tokens.expect(")")
            if inner.parenthesized:
                raise ExpressionError("The expression has redundant parentheses;")
            return replace(inner, parenthesized=True)
        if token.kind == "value":
            return Placeholder(self.tokens.take().text)
        if self.is_call() and token.text.upper() not in self.words:
            return self.call(UPDATE_FUNCTIONS)
        return self.path()


class _Projections(_Parser):
    def parse(self) -> tuple[Path, ...]:
        paths = [self.path()]
        while self.tokens.accept(","):
            paths.append(self.path())
        self.finish("reserved")
        return tuple(paths)
