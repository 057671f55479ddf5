from __future__ import annotations

import fnmatch
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pileus.security.policy.patterns import Patterns

ALPHABET = st.text("ab/*?", max_size=12)


@given(ALPHABET, st.text("ab/", max_size=12))
def test_wildcards_match_as_a_shell_would(pattern: Any, text: Any) -> None:
    assert Patterns([pattern]).match(text, {}) == fnmatch.fnmatchcase(text, pattern)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_pattern(pattern: Any, text: Any) -> None:
    Patterns([pattern]).match(text, {"x": "y"})


@given(st.text("ab*?${}", max_size=8), st.text("ab*?", max_size=8))
def test_a_variable_matches_its_value_alone(value: Any, text: Any) -> None:
    assert Patterns(["${v}"]).match(text, {"v": value}) == (text == value)
    assert Patterns(["x${v}/*"]).match(f"x{text}/y", {"v": value}) == f"x{text}/y".startswith(f"x{value}/")


def test_many_wildcards_stay_quick() -> None:
    # Doubling the text must not square, let alone explode, the steps: an exponential matcher never gets here.
    pattern = Patterns(["*a" * 60 + "b"])
    start = time.process_time()
    assert not pattern.match("a" * 5000, {})
    assert time.process_time() - start < 5


def test_variables_are_known_by_name() -> None:
    assert Patterns(["${aws:UserName}/${a, 'b'}", "plain"]).variables == {"aws:username", "a"}


def test_what_is_no_variable_is_text() -> None:
    assert Patterns(["${"]).match("${", {})
    assert Patterns(["a}b$"]).match("a}b$", {})
    assert Patterns(["${$}{x}"]).match("${x}", {"x": "no"})
