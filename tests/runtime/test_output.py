from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from pileus.runtime.output import EVENT_LIMIT, Splitter


def frame(text: bytes, stamp: int = 0) -> bytes:
    return b"\xa5\x5a\x00\x03" + len(text).to_bytes(4, "big") + stamp.to_bytes(8, "big") + text


def feed(data: bytes, cuts: list[int]) -> list[str]:
    splitter, events, start = Splitter(), [], 0
    for cut in sorted(cuts):
        events += splitter.feed(data[start:cut])
        start = max(start, cut)
    return [text for _, text in [*events, *splitter.feed(data[start:]), *splitter.flush()]]


@given(
    st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=20)),
    st.lists(st.integers(0, 200), max_size=5),
)
def test_lines_come_out_whole_however_they_come_in(lines: list[str], cuts: list[int]) -> None:
    data = "".join(line + "\n" for line in lines).encode()
    assert feed(data, cuts) == [line + "\n" for line in lines if line]


@given(st.lists(st.text(max_size=20), max_size=5), st.lists(st.integers(0, 200), max_size=5))
def test_frames_keep_their_lines_together(messages: list[str], cuts: list[int]) -> None:
    data = b"".join(frame(message.encode()) + b"line\n" for message in messages)
    assert feed(data, cuts) == [event for message in messages for event in (message, "line\n")]


def test_a_frames_time_is_believed_within_reason() -> None:
    now = int(time.time() * 1000)
    events = Splitter().feed(frame(b"a", (now - 1000) * 1000) + frame(b"b", 1))
    assert events[0] == (now - 1000, "a") and abs(events[1][0] - now) < 5000


def test_nothing_grows_without_end() -> None:
    splitter = Splitter()
    sizes = [len(text) for _ in range(20) for _, text in splitter.feed(b"x" * 100_000)]
    assert set(sizes) == {EVENT_LIMIT} and sum(sizes) + len(splitter.flush()[0][1]) == 2_000_000
    splitter.feed(b"\xa5\x5a\x00\x03\xff\xff\xff\xff" + bytes(8))
    assert sum(len(text) for _ in range(20) for _, text in splitter.feed(b"y" * 100_000)) > 1_500_000
