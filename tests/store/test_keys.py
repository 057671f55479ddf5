from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.store.keys import pack, prefix_range, unpack

ELEMENTS = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.text(max_size=12),
    st.integers(min_value=-(2**63), max_value=2**63),
)
TUPLES = st.lists(ELEMENTS, max_size=5).map(tuple)


def _rank(element: Any) -> tuple[int, Any]:
    order: list[type] = [type(None), bytes, str, int]
    value = element.encode("utf-8", "surrogatepass") if isinstance(element, str) else element
    return order.index(type(element)), 0 if element is None else value


@given(TUPLES)
def test_unpack_is_the_inverse(key: tuple[Any, ...]) -> None:
    assert unpack(pack(*key)) == key


@given(TUPLES, TUPLES)
def test_bytes_sort_as_tuples_do(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert (pack(*one) < pack(*other)) == ([_rank(e) for e in one] < [_rank(e) for e in other])


@given(TUPLES, TUPLES)
def test_a_prefix_range_holds_exactly_what_begins_with_it(prefix: tuple[Any, ...], key: tuple[Any, ...]) -> None:
    start, end = prefix_range(*prefix)
    assert (start <= pack(*key) < end) == (key[: len(prefix)] == prefix)


def test_a_longer_string_that_begins_alike_is_outside() -> None:
    start, end = prefix_range("a")
    assert not start <= pack("a\0b") < end
    assert not start <= pack("ab") < end


@given(st.binary(max_size=30))
def test_foreign_bytes_are_refused_or_mean_one_key(data: bytes) -> None:
    try:
        key = unpack(data)
    except (ValueError, UnicodeDecodeError):
        return
    assert unpack(pack(*key)) == key


def test_integers_are_bounded() -> None:
    with pytest.raises(OverflowError):
        pack(2**64)
    with pytest.raises(TypeError):
        pack(1.5)  # type: ignore[arg-type]
