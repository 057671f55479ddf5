"""aws-chunked bodies: what the SDKs send is taken off, what was tampered with is refused."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.aws.body import Bytes
from pileus.aws.errors import AWSError
from pileus.gateway.body import (
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED_CHUNKS_TRAILER,
    Chunked,
    Hashed,
)
from pileus.security.authentication import Authenticated
from pileus.security.principals import ANONYMOUS
from pileus.security.signature import EMPTY_SHA256, Claim, SigningKey

KEY = b"k" * 32
CLAIM = Claim("AKIA", "20260101", "us-east-1", "s3", ("host",), "seed", "20260101T000000Z", "", False)
WHO = Authenticated(ANONYMOUS, CLAIM, SigningKey(KEY))


class Pieces(Bytes):
    """Bytes that come a few at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        for start in range(0, len(self.data), self.size):
            yield self.data[start : start + self.size]


def _signed(chunks: list[bytes], trailer: bytes = b"") -> bytes:
    previous, out = "seed", b""
    for chunk in [*chunks, b""]:
        digest = hashlib.sha256(chunk).hexdigest()
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{CLAIM.timestamp}\n{CLAIM.scope}\n{previous}\n{EMPTY_SHA256}\n{digest}"
        previous = hmac.digest(KEY, text.encode(), "sha256").hex()
        out += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk + (b"\r\n" if chunk else b"")
    if trailer:
        digest = hashlib.sha256(trailer + b"\n").hexdigest()
        text = f"AWS4-HMAC-SHA256-TRAILER\n{CLAIM.timestamp}\n{CLAIM.scope}\n{previous}\n{digest}"
        signature = hmac.digest(KEY, text.encode(), "sha256").hex()
        out += trailer + b"\r\nx-amz-trailer-signature:" + signature.encode() + b"\r\n"
    return out + b"\r\n"


def _unsigned(chunks: list[bytes], trailer: bytes) -> bytes:
    out = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return out + b"0\r\n" + trailer + b"\r\n\r\n"


def _read(data: bytes, mode: str, length: int, size: int = 7) -> tuple[bytes, dict[str, str]]:
    async def main() -> tuple[bytes, dict[str, str]]:
        body = Chunked(Pieces(data, size), mode, length, WHO)
        return b"".join([piece async for piece in body]), body.trailers

    return asyncio.run(main())


CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=4)


@settings(max_examples=60, deadline=None)
@given(CHUNKS, st.integers(1, 50))
def test_framing_comes_off(chunks: list[bytes], size: int) -> None:
    whole = b"".join(chunks)
    assert _read(_signed(chunks), SIGNED_CHUNKS, len(whole), size) == (whole, {})
    trailer = b"x-amz-checksum-crc32:AAAAAA=="
    assert _read(_signed(chunks, trailer), SIGNED_CHUNKS_TRAILER, len(whole), size) == (
        whole,
        {"x-amz-checksum-crc32": "AAAAAA=="},
    )
    assert _read(_unsigned(chunks, trailer), UNSIGNED_CHUNKS_TRAILER, len(whole), size) == (
        whole,
        {"x-amz-checksum-crc32": "AAAAAA=="},
    )


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_change_of_a_signed_body_is_taken(data: st.DataObject) -> None:
    chunks = [b"hello", b"world!"]
    sent = bytearray(_signed(chunks, b"x-amz-checksum-crc32:AAAAAA=="))
    index = data.draw(st.integers(0, len(sent) - 1))
    sent[index] ^= data.draw(st.integers(1, 255))
    try:
        whole, trailers = _read(bytes(sent), SIGNED_CHUNKS_TRAILER, 11)
    except AWSError:
        return
    # White space, letter case of hex digits and what follows the end carry no meaning; the content must be the same.
    assert whole == b"helloworld!"
    assert trailers.get("x-amz-checksum-crc32", "AAAAAA==") == "AAAAAA=="


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
def test_a_truncated_body_is_incomplete(cut: int) -> None:
    sent = _signed([b"hello"])
    with pytest.raises(AWSError) as caught:
        _read(sent[:-cut], SIGNED_CHUNKS, 5)
    assert caught.value.code in ("IncompleteBody", "InvalidRequest", "SignatureDoesNotMatch")


def test_a_wrong_length_is_incomplete() -> None:
    for length in (4, 6):
        with pytest.raises(AWSError) as caught:
            _read(_signed([b"hello"]), SIGNED_CHUNKS, length)
        assert caught.value.code == "IncompleteBody"


def test_the_signed_hash_is_held_at_the_end() -> None:
    async def main(digest: str) -> bytes:
        return b"".join([piece async for piece in Hashed(Pieces(b"hello", 2), digest)])

    assert asyncio.run(main(hashlib.sha256(b"hello").hexdigest())) == b"hello"
    with pytest.raises(AWSError) as caught:
        asyncio.run(main(hashlib.sha256(b"other").hexdigest()))
    assert caught.value.code == "XAmzContentSHA256Mismatch"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=120), st.sampled_from([SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER, UNSIGNED_CHUNKS_TRAILER]))
def test_noise_is_an_error_of_the_caller(noise: bytes, mode: str) -> None:
    try:
        whole, _ = _read(noise, mode, 0)
    except AWSError as error:
        assert (error.status or 400) < 500
    else:
        assert whole == b""
