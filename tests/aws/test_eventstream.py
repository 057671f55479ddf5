import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws import eventstream

_TEXTS = st.text(max_size=60)
_NAMES = st.text(alphabet=st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=40)


@given(st.dictionaries(_NAMES, _TEXTS, max_size=8), st.binary(max_size=3000))
def test_botocore_reads_what_was_written(headers: dict[str, str], payload: bytes) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.message(headers, payload))
    (found,) = list(buffer)
    assert found.headers == headers
    assert found.payload == payload


def test_events_follow_each_other() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.event("One", b"1", "application/octet-stream") + eventstream.event("Two", b"{}"))
    assert [message.headers[":event-type"] for message in buffer] == ["One", "Two"]


def test_a_flipped_bit_is_noticed() -> None:
    spoiled = bytearray(eventstream.event("One", b"payload"))
    spoiled[-8] ^= 1
    buffer = EventStreamBuffer()
    buffer.add_data(bytes(spoiled))
    with pytest.raises(ChecksumMismatch):
        list(buffer)
