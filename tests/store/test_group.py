"""Changes that share a transaction, against a dictionary that does what each of them says."""

from __future__ import annotations

import contextlib
from typing import Any

import apsw
from hypothesis import given
from hypothesis import strategies as st

from pileus.store import watch
from pileus.store.group import GET, Group, pairs
from pileus.store.sqlite import _SCHEMA

_KEYS = st.sampled_from([b"a", b"b", b"ba", b"c", b"d"])
_VALUES = st.sampled_from([b"", b"1", b"2", b"x" * 1899, b"y" * 5000])
_STEPS = st.one_of(
    st.tuples(st.just("get"), _KEYS),
    st.tuples(st.just("put"), _KEYS, _VALUES),
    st.tuples(st.just("delete"), _KEYS),
    st.tuples(st.just("range"), _KEYS, _KEYS, st.booleans()),
    st.tuples(st.just("delete_range"), _KEYS, _KEYS),
    st.tuples(st.just("walk"), _KEYS),
)
_CHANGES = st.lists(st.tuples(st.lists(_STEPS, max_size=6), st.booleans()), max_size=6)


class _UndoneError(Exception):
    pass


def _take(change: Any, model: dict[bytes, bytes], step: tuple[Any, ...]) -> None:
    match step:
        case "get", key:
            assert change.get(key) == model.get(key)
        case "put", key, value:
            change.put(key, value)
            model[key] = value
        case "delete", key:
            change.delete(key)
            model.pop(key, None)
        case "range", start, end, reverse:
            expected = sorted((pair for pair in model.items() if start <= pair[0] < end), reverse=reverse)
            assert list(change.range(start, end, reverse=reverse)) == expected
        case "delete_range", start, end:
            change.delete_range(start, end)
            for key in [key for key in model if start <= key < end]:
                del model[key]
        case "walk", start:
            for key, value in change.range(start, b"e"):
                change.put(key, value + b"+")
                model[key] = value + b"+"


def test_it_is_told_whether_a_watched_key_was_written(monkeypatch: Any) -> None:
    monkeypatch.setattr(watch, "_prefixes", (b"w",))
    with contextlib.closing(apsw.Connection(":memory:")) as connection:
        for statement in _SCHEMA:
            connection.execute(statement)
        cases: tuple[tuple[bool, list[tuple[str, bytes] | tuple[str, bytes, bytes]]], ...] = (
            (False, [("put", b"a", b"1"), ("delete_range", b"b", b"c")]),
            (True, [("put", b"w1", b"1")]),
            (True, [("delete", b"w1")]),
            (True, [("put", b"w1", b"1"), ("delete_range", b"b", b"c")]),
            (True, [("put", b"w1", b"1"), ("range", b"a", b"z")]),
            (True, [("delete_range", b"v", b"x")]),
        )
        for watched, steps in cases:
            group = Group(connection)
            change = group.change()
            for name, *arguments in steps:
                found = getattr(change, name)(*arguments)
                if name == "range":
                    assert list(found)
            change.keep()
            group.flush()
            assert group.watched is watched, steps


@given(before=st.dictionaries(_KEYS, _VALUES), changes=_CHANGES)
def test_each_change_is_whole_or_not_there_and_sees_those_before_it(
    before: dict[bytes, bytes], changes: list[tuple[list[tuple[Any, ...]], bool]]
) -> None:
    with contextlib.closing(apsw.Connection(":memory:")) as connection:
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute("BEGIN")
        first = Group(connection)
        change = first.change()
        for key, value in before.items():
            change.put(key, value)
        change.keep()
        first.flush()
        model = dict(before)
        group = Group(connection)
        for steps, fails in changes:
            after = dict(model)
            change = group.change()
            try:
                for step in steps:
                    _take(change, after, step)
                if fails:
                    raise _UndoneError
                change.keep()
                model = after
            except _UndoneError:
                change.undo()
        group.flush()
        connection.execute("COMMIT")
        assert dict(pairs(connection, b"", b"\xff", False, None, lambda: None)) == model
        for key in (b"a", b"b", b"ba", b"c", b"d"):
            assert connection.execute(GET, (key,)).get == model.get(key)
        kept = connection.execute("SELECT count(*) FROM large").get
        assert kept == sum(len(key) + len(value) > 1900 for key, value in model.items())
        written = any(step[0] in ("put", "delete") for steps, fails in changes for step in steps if not fails)
        assert group.pages > 0 or not written
