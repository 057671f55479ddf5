from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from pileus.services.dynamodb import history, schema
from pileus.services.dynamodb.schema import encode_key, encode_prefix, past_prefix


def _binary(data: bytes) -> bytes:
    return encode_key({"B": base64.b64encode(data).decode()}, "B")


raw = st.binary(max_size=6) | st.lists(st.sampled_from([0, 1, 2, 255]), max_size=6).map(bytes)


@given(raw, raw)
def test_keys_sort_as_their_bytes_and_none_begins_another(left: bytes, right: bytes) -> None:
    a, b = _binary(left), _binary(right)
    assert (a < b) == (left < right)
    if left != right:
        assert not a.startswith(b)
        assert (past_prefix(a) <= b) == (left < right)


@given(raw, raw)
def test_the_range_of_a_prefix_holds_what_begins_with_it(prefix: bytes, value: bytes) -> None:
    start = encode_prefix({"B": base64.b64encode(prefix).decode()}, "B")
    key = b"p" + _binary(value)
    assert (b"p" + start <= key < past_prefix(b"p" + start)) == value.startswith(prefix)


def _table() -> schema.Table:
    return schema.Table.of(
        schema.TableRecord("1", "r", "t", "id", 7, 0.0, {"p": "S", "c": "N"}, partition="p", sort="c")
    )


class _Store(dict[bytes, bytes]):
    """As much of a reader as reading former versions takes."""

    def range(self, start: bytes, end: bytes, *, reverse: bool = False, limit: int | None = None):  # type: ignore[no-untyped-def]
        found = sorted((key, value) for key, value in self.items() if start <= key < end)
        return iter(found[:limit])

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value


changes = st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=25)


@given(changes, st.integers(0, 25), st.integers(1, 7))
def test_a_former_state_is_what_the_table_was(steps: list[tuple[int, bool]], moment: int, piece: int) -> None:
    table, store = _table(), _Store()
    state: dict[bytes, bytes] = {}
    wanted: list[bytes] | None = None
    for second, (number, present) in enumerate(steps):
        if second == moment:
            wanted = [record for _, record in sorted(state.items())]
        key = table.keys.key({"p": {"S": "x"}, "c": {"N": str(number)}})
        old = state.get(key)
        new = schema.pack_record({"p": {"S": "x"}, "v": {"N": str(second)}}, 5) if present else None
        if old == new:
            continue
        history.keep(store, table, key, old, float(second))  # type: ignore[arg-type]
        if new is None:
            del state[key], store[key]
        else:
            state[key] = store[key] = new
    if wanted is None:
        wanted = [record for _, record in sorted(state.items())]
    found: list[bytes] = []
    after: bytes | None = b""
    while after is not None:
        records, after = history.state_at(store, table, float(moment), after, piece)
        found += records
    assert found == wanted
