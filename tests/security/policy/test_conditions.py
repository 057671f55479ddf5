from __future__ import annotations

from typing import Any

import pytest

from pileus.security.policy.conditions import Condition, parse_operator


def holds(
    operator: Any, wanted: Any, values: Any, *, key: Any = "key", effect: Any = "Allow", variables: Any = True
) -> Any:
    texts = wanted if isinstance(wanted, list) else [wanted]
    return Condition(operator, key, texts, variables=variables, cautious=effect == "Allow").holds(values)


@pytest.mark.parametrize(
    ("operator", "wanted", "actual", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", ["x", "a"], "a", True),
        ("StringNotEquals", ["x", "a"], "a", False),
        ("StringNotEquals", ["x", "y"], "a", True),
        ("StringEqualsIgnoreCase", "AbC", "aBc", True),
        ("StringNotEqualsIgnoreCase", "AbC", "aBc", False),
        ("StringLike", "a?c*", "abcde", True),
        ("StringLike", "a?c", "ac", False),
        ("StringNotLike", "a*", "b", True),
        ("StringLike", "a\nb*", "a\nb\nc", True),
        ("NumericEquals", "7", "7.0", True),
        ("NumericNotEquals", "7", "8", True),
        ("NumericLessThan", "9007199254740993", "9007199254740992", True),
        ("NumericLessThanEquals", "7", "7", True),
        ("NumericGreaterThan", "7", "seven", False),
        ("NumericGreaterThanEquals", "NaN", "7", False),
        ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", True),
        ("DateLessThan", "2026-01-01", "2025-12-31T23:59:59Z", True),
        ("DateGreaterThan", "1700000000", "2026-01-01T00:00:00Z", True),
        ("DateGreaterThanEquals", "never", "2026-01-01T00:00:00Z", False),
        ("Bool", "true", "TRUE", True),
        ("Bool", "false", "true", False),
        ("Bool", "true", "1", False),
        ("BinaryEquals", "YWJj", "YWJj", True),
        ("BinaryEquals", "YWJj", "!!", False),
        ("IpAddress", "10.0.0.0/8", "10.255.0.1", True),
        ("IpAddress", "10.0.0.0/8", "11.0.0.1", False),
        ("IpAddress", "10.0.0.1", "10.0.0.1", True),
        ("IpAddress", "10.0.0.0/8", "::ffff:10.1.1.1", True),
        ("IpAddress", "2001:db8::/32", "2001:db8:1::1", True),
        ("IpAddress", "0.0.0.0/0", "2001:db8::1", False),
        ("NotIpAddress", ["10.0.0.0/8", "192.168.0.0/16"], "8.8.8.8", True),
        ("NotIpAddress", "10.0.0.0/8", "10.1.1.1", False),
        ("ArnLike", "arn:aws:s3:::b*", "arn:aws:s3:::bucket/x", True),
        ("ArnLike", "arn:aws:s*:x", "arn:aws:s3:::x", False),
        ("ArnLike", "arn:aws:*:*:*:topic", "arn:aws:sns:us-east-1:1:topic", True),
        ("ArnEquals", "arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b", True),
        ("ArnEquals", "arn:aws:iam::1:role/r", "not an arn", False),
        ("ArnNotEquals", "arn:aws:iam::1:role/r", "arn:aws:iam::1:role/s", True),
        ("ArnNotLike", "arn:aws:iam::*:role/r", "arn:aws:iam::1:role/r", False),
    ],
)
def test_operator_on_one_value(operator: Any, wanted: Any, actual: Any, expected: Any) -> None:
    assert holds(operator, wanted, {"key": actual}) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("StringEquals", False),
        ("StringNotEquals", True),
        ("StringEqualsIfExists", True),
        ("StringNotEqualsIfExists", True),
        ("NumericLessThan", False),
        ("DateLessThan", False),
        ("Bool", False),
        ("BoolIfExists", True),
        ("IpAddress", False),
        ("NotIpAddress", True),
        ("ArnLike", False),
        ("ArnNotLike", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringNotEquals", False),
        ("ForAnyValue:StringEqualsIfExists", True),
    ],
)
@pytest.mark.parametrize("values", [{}, {"key": ()}])
def test_missing_key(operator: Any, expected: Any, values: Any) -> None:
    assert holds(operator, "1", values) is expected


@pytest.mark.parametrize(
    ("operator", "actual", "expected"),
    [
        ("ForAllValues:StringEquals", ("a", "b"), True),
        ("ForAllValues:StringEquals", ("a", "c"), False),
        ("ForAnyValue:StringEquals", ("c", "a"), True),
        ("ForAnyValue:StringEquals", ("c", "d"), False),
        ("ForAllValues:StringNotEquals", ("c", "d"), True),
        ("ForAllValues:StringNotEquals", ("c", "a"), False),
        ("ForAnyValue:StringNotEquals", ("a", "c"), True),
        ("ForAnyValue:StringNotEquals", ("a", "b"), False),
        ("StringEquals", ("c", "a"), True),
        ("StringNotEquals", ("c", "a"), False),
    ],
)
def test_several_values(operator: Any, actual: Any, expected: Any) -> None:
    assert holds(operator, ["a", "b"], {"key": actual}) is expected


def test_null_asks_whether_the_key_is_there() -> None:
    assert holds("Null", "true", {})
    assert not holds("Null", "false", {})
    assert holds("Null", "false", {"key": "x"})
    assert not holds("Null", "true", {"key": "x"})


def test_variables_are_replaced_and_their_wildcards_are_not_read() -> None:
    assert holds("StringEquals", "${aws:username}", {"key": "bob", "aws:username": "bob"})
    assert holds("StringLike", "${aws:username}/*", {"key": "bob/x", "aws:username": "bob"})
    assert not holds("StringLike", "${aws:username}", {"key": "anything", "aws:username": "*"})
    assert holds("StringLike", "${aws:username}", {"key": "*", "aws:username": "*"})
    assert not holds("StringLike", "${*}", {"key": "anything"})
    assert holds("StringEquals", "${team, 'none'}", {"key": "none"})
    assert holds("ArnLike", "arn:aws:s3:::${aws:username}", {"key": "arn:aws:s3:::bob", "aws:username": "bob"})


def test_a_variable_with_no_or_several_values_matches_nothing() -> None:
    assert not holds("StringEquals", "${amr}", {"key": "a", "amr": ("a", "b")})
    assert not holds("StringEquals", "${missing}", {"key": ""})
    # What is not equal to nothing must not be a grant, and must not lift a deny.
    assert not holds("StringNotEquals", "${missing}", {"key": "a"}, effect="Allow")
    assert holds("StringNotEquals", "${missing}", {"key": "a"}, effect="Deny")


def test_before_version_2012_variables_are_text() -> None:
    assert holds("StringEquals", "${aws:username}", {"key": "${aws:username}", "aws:username": "bob"}, variables=False)
    assert not holds("StringEquals", "${aws:username}", {"key": "bob", "aws:username": "bob"}, variables=False)


def test_condition_keys_ignore_case() -> None:
    assert holds("StringEquals", "x", {"aws:principaltag/team": "x"}, key="AWS:PrincipalTag/TEAM")


@pytest.mark.parametrize("name", ["", "Equals", "StringMatches", "NullIfExists", "ForSomeValues:StringLike", "Bool:x"])
def test_unknown_operators(name: Any) -> None:
    assert parse_operator(name) is None
    with pytest.raises(ValueError, match="unknown condition operator"):
        Condition(name, "key", ["x"], variables=True, cautious=True)
