# ruff: noqa: E501 - DynamoDB's messages stand in one line, as it writes them
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.services.dynamodb.expressions.binding import Binder

ITEM: dict[str, Any] = {
    "s": {"S": "hello"},
    "n": {"N": "5"},
    "b": {"B": "aGVsbG8="},
    "l": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"x": {"N": "3"}}}]},
    "m": {"M": {"a": {"M": {"b": {"S": "deep"}}}}},
    "ss": {"SS": ["x", "y"]},
    "z": {"NULL": True},
}
VALUES = {
    ":s": {"S": "hello"}, ":h": {"S": "he"}, ":n": {"N": "5.0"}, ":m": {"N": "9"}, ":one": {"N": "1"},
    ":x": {"S": "x"}, ":t": {"S": "NULL"}, ":ys": {"SS": ["y", "x"]}, ":ll": {"S": "ll"}, ":deep": {"S": "deep"},
}  # fmt: skip


def holds(text: str, values: dict[str, Any] | None = None, names: dict[str, str] | None = None) -> bool:
    return Binder(names, values).condition("ConditionExpression", text)(ITEM)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s = :s", True),
        ("s <> :s", False),
        ("nothing <> :s", True),
        ("nothing = :s", False),
        ("n = :n", True),
        ("n < :m and n > :one", True),
        ("n < :s", False),
        ("n between :one and :m", True),
        ("s in (:x, :s)", True),
        ("not s = :s or n = :n", True),
        ("not (s = :s or n = :n)", False),
        ("begins_with(s, :h)", True),
        ("contains(s, :ll)", True),
        ("contains(ss, :x)", True),
        ("contains(l, :one)", True),
        ("ss = :ys", True),
        ("size(s) = :n", True),
        ("size(l) < size(s)", True),
        ("attribute_exists(m.a.b)", True),
        ("attribute_not_exists(m.a.c)", True),
        ("attribute_exists(l[2].x)", True),
        ("attribute_exists(l[3])", False),
        ("m.a.b = :deep", True),
        ("attribute_type(z, :t)", True),
        ("((m).a).b = :deep", True),
    ],
)
def test_conditions(text: str, expected: bool) -> None:
    used = {
        name: value
        for name, value in VALUES.items()
        if name in text.replace(":s)", ":s )").replace(",", " ").split() or f"{name}" in text
    }
    assert holds(text, used or None) is expected  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The expression can not be empty;"),
        ("a = ", 'Syntax error; token: "<EOF>", near: "= "'),
        ("a b", 'Syntax error; token: "b", near: "a b"'),
        ("a = = :v", 'Syntax error; token: "=", near: "= = :v"'),
        ("a", 'Syntax error; token: "<EOF>", near: "a"'),
        ("abort = :v", "Attribute name is a reserved keyword; reserved keyword: abort"),
        ("((a = :v))", "The expression has redundant parentheses;"),
        ("dog(a)", "Invalid function name; function: dog"),
        ("size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        ("contains(a)", "Incorrect number of operands for operator or function; operator or function: contains, number of operands: 1"),
        ("a = a", "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]"),
        ("#n = :v", "An expression attribute name used in the document path is not defined; attribute name: #n"),
        ("a = :w", "An expression attribute value used in expression is not defined; attribute value: :w"),
        ("begins_with(a, :n)", "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"),
        ("a between :v and :n", "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {S:x}, upper bound operand: AttributeValue: {N:1}"),
        ("attribute_exists(:v)", "Operator or function requires a document path; operator or function: attribute_exists"),
        ("attribute_type(a, :v)", "Invalid attribute type name found; type: x, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"),
    ],
)  # fmt: skip
def test_faults_have_dynamodb_s_words(text: str, message: str) -> None:
    with pytest.raises(AWSError) as caught:
        holds(text, {":v": {"S": "x"}, ":n": {"N": "1"}})
    assert caught.value.message == f"Invalid ConditionExpression: {message}"


def test_what_is_not_used_is_told() -> None:
    binder = Binder({"#a": "a", "#b": "b"}, None)
    binder.condition("ConditionExpression", "attribute_exists(#a)")
    with pytest.raises(AWSError, match=r"ExpressionAttributeNames unused in expressions: keys: \{#b\}"):
        binder.finish()


def updated(text: str, values: dict[str, Any] | None = None, item: dict[str, Any] | None = None) -> dict[str, Any]:
    item = dict(item or {})
    Binder(None, values).update(text).apply(item)
    return item


def test_updates_read_the_item_as_it_was() -> None:
    assert updated("SET a = b, b = a", None, {"a": {"N": "1"}, "b": {"N": "2"}}) == {"a": {"N": "2"}, "b": {"N": "1"}}


def test_a_copied_document_is_a_copy() -> None:
    item = {"b": {"M": {"c": {"N": "1"}}}}
    assert updated("SET a = b REMOVE b.c", None, item) == {"a": {"M": {"c": {"N": "1"}}}, "b": {"M": {}}}


def test_list_indexes_mean_the_list_as_it_was() -> None:
    item = {"l": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]}}
    assert updated("REMOVE l[0], l[1] SET l[9] = :a, l[7] = :b", {":a": {"S": "a"}, ":b": {"S": "b"}}, item) == {
        "l": {"L": [{"N": "2"}, {"S": "b"}, {"S": "a"}]}
    }


def test_counters_sets_and_lists() -> None:
    values = {":z": {"N": "0"}, ":o": {"N": "1"}, ":s": {"SS": ["x"]}, ":l": {"L": [{"N": "1"}]}}
    item = updated("SET n = if_not_exists(n, :z) + :o, l = list_append(:l, :l) ADD s :s", values)
    assert item == {"n": {"N": "1"}, "l": {"L": [{"N": "1"}, {"N": "1"}]}, "s": {"SS": ["x"]}}
    assert updated("DELETE s :s", {":s": {"SS": ["x"]}}, item).keys() == {"n", "l"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SET a = :v SET b = :v", 'Invalid UpdateExpression: The "SET" section can only be used once in an update expression;'),
        ("SET a.b = :v, a = :v", "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a]"),
        ("SET a[0] = :v, a.b = :v", "Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, [0]], path two: [a, b]"),
        ("ADD a :v", "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: STRING"),
        ("SET a = b + :v", "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: +, operand type: S"),
        ("SET a = nothing", "The provided expression refers to an attribute that does not exist in the item"),
        ("SET a.b = :v", "The document path provided in the update expression is invalid for update"),
    ],
)  # fmt: skip
def test_faults_of_updates(text: str, message: str) -> None:
    with pytest.raises(AWSError) as caught:
        updated(text, {":v": {"S": "x"}})
    assert caught.value.message == message


def test_projections_close_lists_up() -> None:
    from pileus.services.dynamodb.expressions.documents import project

    branches = Binder().projection("l[2].x, l[0], m.a, nothing")
    assert project(ITEM, branches) == {"l": {"L": [{"N": "1"}, {"M": {"x": {"N": "3"}}}]}, "m": {"M": {"a": ITEM["m"]["M"]["a"]}}}  # fmt: skip


pieces = st.lists(
    st.sampled_from(
        [
            "a",
            "b.c",
            "d[0]",
            ":v",
            ":w",
            "#n",
            "=",
            "<>",
            "<",
            "and",
            "or",
            "not",
            "in",
            "between",
            "(",
            ")",
            ",",
            "+",
            "-",
            "SET",
            "REMOVE",
            "ADD",
            "DELETE",
            "size",
            "begins_with",
            "contains",
            "if_not_exists",
            "list_append",
            "attribute_exists",
            "12",
            "!",
            "@",
            "é",
            "[",
            "]",
            ".",
            "abort",
        ]
    ),
    max_size=14,
).map(" ".join)


@given(pieces, st.sampled_from(["condition", "update", "projection"]))
def test_any_text_is_an_expression_or_a_validation_error(text: str, kind: str) -> None:
    binder = Binder({"#n": "n"}, {":v": {"N": "1"}, ":w": {"SS": ["a"]}})
    try:
        if kind == "condition":
            assert binder.condition("FilterExpression", text)(dict(ITEM)) in (True, False)
        elif kind == "update":
            binder.update(text).apply(dict(ITEM))
        else:
            binder.projection(text)
    except AWSError as error:
        assert error.code == "ValidationException"


def test_deep_expressions_are_evaluated_or_refused() -> None:
    deep = "n < :v " + "or (n < :v " * 149 + ")" * 149
    assert holds(deep, {":v": {"N": "9"}}) is True
    for text in ("(" * 4096, "size(" * 700 + "a", "not " * 1000 + "a = :v", "a.b" + ".c" * 1000 + " = :v"):
        with pytest.raises(AWSError, match="Invalid ConditionExpression"):
            holds(text, {":v": {"N": "1"}})
