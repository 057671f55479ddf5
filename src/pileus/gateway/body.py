"""A request's body as it comes in: counted, hashed on the way, aws-chunked framing taken off and its signatures held.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and …/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable

from pileus.aws.body import Body
from pileus.aws.errors import AWSError
from pileus.security.authentication import Authenticated
from pileus.security.signature import ALGORITHM, EMPTY_SHA256

SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_CHUNKS_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING_MODES = frozenset({SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER, UNSIGNED_CHUNKS_TRAILER})

_MAX_LINE = 8192
_MAX_TRAILERS = 32
_HEX = re.compile(rb"[0-9a-fA-F]{1,16}\Z")


class ClientGoneError(Exception):
    """The connection ended before the body did."""


class HTTPBody:
    """What a connection receives, piece by piece. `length` is the Content-Length header's.

    `wanted` is called whenever the reader has taken all that came: the connection may bring more.
    """

    __slots__ = ("_ended", "_lost", "_pieces", "_waiter", "_wanted", "length", "size", "trailers")

    def __init__(self, length: int | None, wanted: Callable[[], None]) -> None:
        self._pieces: list[bytes] = []
        self._wanted = wanted
        self._ended = False
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None
        self.size = 0
        """Bytes that came and that nobody has taken."""
        self.length = length
        self.trailers: dict[str, str] = {}

    # The connection's side

    def feed(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.size += len(piece)
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def lose(self) -> None:
        """The connection is gone."""
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def is_waiting(self) -> bool:
        """Whether some of it has not come."""
        return not self._ended

    @property
    def is_lost(self) -> bool:
        return self._lost

    @property
    def is_wanted(self) -> bool:
        """Whether its reader waits for more."""
        return self._waiter is not None and not self._waiter.done()

    # The reader's side

    def _take(self) -> bytes:
        pieces, self._pieces, self.size = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def whole(self) -> bytes | None:
        return self._take() if self._ended else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            if self._pieces:
                yield self._take()
            elif self._ended:
                return
            elif self._lost:
                raise ClientGoneError
            else:
                self._waiter = asyncio.get_running_loop().create_future()
                self._wanted()
                await self._waiter


class Hashed:
    """Holds the whole against the SHA-256 that was signed."""

    def __init__(self, body: Body, digest: str) -> None:
        self._body = body
        self._digest = digest
        self.length = body.length
        self.trailers = body.trailers

    @property
    def whole(self) -> bytes | None:
        data = self._body.whole
        if data or (data is not None and self._digest != EMPTY_SHA256):
            self._check(hashlib.sha256(data).hexdigest())
        return data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        digest = hashlib.sha256()
        async for piece in self._body:
            digest.update(piece)
            yield piece
        self._check(digest.hexdigest())

    def _check(self, computed: str) -> None:
        if not (self._digest.isascii() and hmac.compare_digest(computed, self._digest)):
            raise AWSError(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                status=400,
                ClientComputedContentSHA256=self._digest,
                S3ComputedContentSHA256=computed,
            )


class _Reader:
    """Lines and counted bytes out of pieces."""

    def __init__(self, body: Body) -> None:
        self._pieces = body.__aiter__()
        self._buffer = bytearray()

    async def _more(self) -> None:
        try:
            self._buffer += await anext(self._pieces)
        except StopAsyncIteration:
            raise _incomplete() from None

    async def line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MAX_LINE:
                raise _malformed()
            await self._more()
        found = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return found

    async def end(self) -> None:
        """Raises where anything but line ends follows."""
        rest = bytes(self._buffer)
        async for piece in self._pieces:
            rest += piece
            if rest.strip(b"\r\n") or len(rest) > _MAX_LINE:
                raise _malformed()
        if rest.strip(b"\r\n"):
            raise _malformed()

    async def some(self, most: int) -> bytes:
        if not self._buffer:
            await self._more()
        found = bytes(self._buffer[:most])
        del self._buffer[:most]
        return found


class Chunked:
    """Takes aws-chunked framing off. Signed chunks are given on only when their signature was held.

    A signed chunk is gathered before it is given on, so its size is bounded.
    """

    _LARGEST_SIGNED_CHUNK = 64 << 20

    def __init__(self, body: Body, mode: str, length: int | None, who: Authenticated | None) -> None:
        self._body = body
        self._mode = mode
        self._who = who if mode != UNSIGNED_CHUNKS_TRAILER else None
        self._previous = who.claim.signature if who is not None else ""
        self.length = length
        self.trailers: dict[str, str] = {}

    @property
    def whole(self) -> bytes | None:
        return None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        reader = _Reader(self._body)
        total = 0
        while True:
            size, signature = _chunk_header(await reader.line(), signed=self._who is not None)
            total += size
            if self.length is not None and total > self.length:
                raise _incomplete()
            if self._who is not None:
                if size > self._LARGEST_SIGNED_CHUNK:
                    raise AWSError("EntityTooLarge", "A signed chunk is larger than 64 MiB.", status=400)
                data = bytearray()
                while len(data) < size:
                    data += await reader.some(size - len(data))
                self._verify_chunk(bytes(data), signature)
                if data:
                    yield bytes(data)
            else:
                left = size
                while left:
                    piece = await reader.some(left)
                    left -= len(piece)
                    yield piece
            if size == 0:
                break
            if await reader.line():
                raise _malformed()
        await self._read_trailers(reader)
        await reader.end()
        if self.length is not None and total != self.length:
            raise _incomplete()

    def _verify_chunk(self, data: bytes, signature: str) -> None:
        digest = hashlib.sha256(data).hexdigest()
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{digest}", signature)

    def _check(self, kind: str, hashes: str, signature: str) -> None:
        assert self._who is not None  # noqa: S101 - only signed modes come here
        claim = self._who.claim
        text = f"{kind}\n{claim.timestamp}\n{claim.scope}\n{self._previous}\n{hashes}"
        wanted = self._who.signing_key.sign(text.encode())
        if not hmac.compare_digest(wanted.encode(), signature.encode()):
            raise AWSError(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and"
                " signing method.",
                status=403,
            )
        self._previous = wanted

    async def _read_trailers(self, reader: _Reader) -> None:
        if self._mode == SIGNED_CHUNKS:
            if await reader.line():
                raise _malformed()
            return
        signature = ""
        canonical = b""
        for _ in range(_MAX_TRAILERS):
            line = await reader.line()
            if not line:
                break
            name, separator, value = line.partition(b":")
            if not separator:
                raise _malformed()
            key = name.decode("latin-1").strip().lower()
            if key == "x-amz-trailer-signature":
                signature = value.decode("latin-1").strip()
            else:
                self.trailers[key] = value.decode("latin-1").strip()
                canonical += f"{key}:{self.trailers[key]}\n".encode()
        else:
            raise _malformed()
        if self._who is not None:
            self._check(f"{ALGORITHM}-TRAILER", hashlib.sha256(canonical).hexdigest(), signature)


def _chunk_header(line: bytes, *, signed: bool) -> tuple[int, str]:
    size, _, extension = line.partition(b";")
    if not _HEX.match(size.strip()):
        raise _malformed()
    name, _, signature = extension.partition(b"=")
    if signed and name.strip() != b"chunk-signature":
        raise _malformed()
    return int(size, 16), signature.decode("latin-1").strip()


def _incomplete() -> AWSError:
    return AWSError(
        "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )


def _malformed() -> AWSError:
    return AWSError("InvalidRequest", "The body's aws-chunked encoding is malformed.", status=400)
