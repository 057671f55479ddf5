from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.services.dynamodb import values

scalars = st.one_of(
    st.text(max_size=12).map(lambda s: {"S": s}),
    st.integers(-(10**20), 10**20).map(lambda n: {"N": str(n)}),
    st.binary(max_size=12).map(lambda b: {"B": base64.b64encode(b).decode()}),
    st.booleans().map(lambda b: {"BOOL": b}),
    st.just({"NULL": True}),
    st.sets(st.text(max_size=5), min_size=1, max_size=4).map(lambda s: {"SS": sorted(s)}),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda elements: {"L": elements}),
        st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=4).map(lambda members: {"M": members}),
    ),
    max_leaves=10,
)


@given(trees)
def test_a_checked_value_has_the_size_that_checking_found(value: dict[str, Any]) -> None:
    assert values.check(value) == values.size_of(value)
    assert values.equal(value, value)


KINDS = ("S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL", "X")
garbage = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(KINDS), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(garbage)
def test_garbage_is_refused_in_aws_s_way(value: Any) -> None:
    try:
        values.check(value)
    except AWSError as error:
        assert error.code in ("ValidationException", "SerializationException")
    else:
        assert values.size_of(value) >= 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "Supplied AttributeValue is empty"),
        ({"S": "a", "N": "1"}, "more than one datatypes set"),
        ({"NULL": False}, "Null attribute value types must have the value of true"),
        ({"SS": []}, "An string set  may not be empty"),
        ({"NS": []}, "An number set  may not be empty"),
        ({"BS": []}, "Binary sets should not be empty"),
        ({"SS": ["a", "a"]}, r"Input collection \[a, a\] contains duplicates"),
        ({"NS": ["1", "1.0"]}, "Input collection contains duplicates"),
        ({"N": "x"}, "cannot be converted to a numeric value: x"),
        ({"S": 5}, "NUMBER_VALUE cannot be converted to String"),
        ({"B": "a"}, "expected a multiple of 4 bytes but found: 1"),
        ({"B": "YR=="}, "Invalid last non-pad Base64 character"),
        ({"M": []}, "Unrecognized collection type"),
        ("text", "Unexpected value type in payload"),
    ],
)
def test_each_fault_has_dynamodb_s_words(value: Any, words: str) -> None:
    with pytest.raises(AWSError, match=words):
        values.check(value)


def test_nesting_is_limited_to_32_levels() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {"N": "1"}
        for _ in range(levels):
            value = {"L": [value]}
        return value

    values.check(nested(31))
    with pytest.raises(AWSError, match="Nesting Levels have exceeded supported limits"):
        values.check(nested(32))


def test_sets_are_equal_in_any_order_at_any_depth() -> None:
    assert values.equal({"L": [{"M": {"a": {"SS": ["x", "y"]}}}]}, {"L": [{"M": {"a": {"SS": ["y", "x"]}}}]})
    assert not values.equal({"SS": ["x"]}, {"NS": ["x"]})
    assert not values.equal({"L": [{"N": "1"}]}, {"L": [{"N": "2"}]})
