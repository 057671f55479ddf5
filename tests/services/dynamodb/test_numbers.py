from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.services.dynamodb import numbers

digits = st.integers(min_value=-(10**38 - 1), max_value=10**38 - 1)
exact = st.builds(lambda digits, exponent: f"{digits}E{exponent}", digits, st.integers(-130, 85))


@given(exact)
def test_the_canonical_form_keeps_the_value(text: str) -> None:
    canonical = numbers.canonical(text)
    assert Decimal(canonical) == Decimal(text)
    assert "E" not in canonical.upper()
    assert numbers.canonical(canonical) == canonical


@given(exact, exact)
def test_encoded_numbers_sort_as_numbers_do(left: str, right: str) -> None:
    a, b = numbers.canonical(left), numbers.canonical(right)
    x, y = numbers.encode(a), numbers.encode(b)
    assert (x < y) == (Decimal(a) < Decimal(b))
    assert (x == y) == (Decimal(a) == Decimal(b))
    if x != y:
        assert not y.startswith(x)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("007", "7"), ("1.50", "1.5"), ("+3", "3"), ("-0", "0"), ("1e3", "1000"), (".5", "0.5"), ("5.", "5")],
)  # fmt: skip
def test_numbers_have_one_form(text: str, canonical: str) -> None:
    assert numbers.canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be converted to a numeric value"),
        ("NaN", "cannot be converted to a numeric value: NaN"),
        ("1 ", "cannot be converted"),
        ("٣", "cannot be converted"),
        ("1e126", "Number overflow"),
        ("1e999999999999999999999", "Number overflow"),
        ("1e-131", "Number underflow"),
        ("1" * 39, "more than 38 significant digits"),
    ],
)
def test_what_is_no_number_is_told_in_dynamodb_s_words(text: str, words: str) -> None:
    with pytest.raises(AWSError, match=words):
        numbers.canonical(text)


@pytest.mark.parametrize(
    ("number", "size"), [("0", 1), ("1", 2), ("12", 2), ("-1", 3), ("100", 2), ("123", 3), ("0.001", 2)]
)
def test_sizes_are_dynamodb_s(number: str, size: int) -> None:
    assert numbers.size(number) == size


def test_sums_are_exact_or_refused() -> None:
    assert numbers.add("0.1", "0.2") == "0.3"
    assert numbers.subtract("1", "1") == "0"
    assert numbers.add("9" * 37, "1") == "1" + "0" * 37
    with pytest.raises(AWSError, match="Number overflow"):
        numbers.add("1" + "0" * 50, "1")
