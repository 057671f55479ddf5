"""Order and cycles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.services.cloudformation.graph import CycleError, order

_NAMES = st.sampled_from("ABCDEFGH")
_GRAPHS = st.dictionaries(_NAMES, st.sets(_NAMES, max_size=3), max_size=8)


@given(_GRAPHS)
def test_what_is_required_comes_first_or_there_is_a_cycle(graph: dict[str, set[str]]) -> None:
    try:
        ordered = order(graph)
    except CycleError as error:
        # Everybody named waits for somebody named, and no name can be left out.
        assert error.members
        assert all(graph[name] & set(error.members) for name in error.members)
        return
    assert sorted(ordered) == sorted(graph)
    for name in ordered:
        earlier = set(ordered[: ordered.index(name)])
        assert (graph[name] & graph.keys()) <= earlier


def test_a_cycle_names_its_members_and_nobody_else() -> None:
    with pytest.raises(CycleError) as caught:
        order({"A": ["B"], "B": ["C"], "C": ["B"], "D": []})
    assert caught.value.members == ["B", "C"]


def test_names_that_are_free_of_each_other_stay_in_order() -> None:
    assert order({"B": [], "A": [], "C": ["A"]}) == ["B", "A", "C"]
