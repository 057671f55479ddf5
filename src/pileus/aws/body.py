"""Bodies that stream: what a request brings piece by piece, what an answer sends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Body(Protocol):
    """A request's streaming body. `length` is the number of bytes that will come, where the client said so.

    Iterating raises AWSError where the signed hash, a chunk's signature, the length or a trailer does not hold, at
    the latest when the last piece was read: nothing may be kept before the iteration has ended. `trailers` are
    there then.
    """

    length: int | None
    trailers: dict[str, str]

    @property
    def whole(self) -> bytes | None:
        """All that was not taken yet, where the last of it has come; it counts as taken then. None where pieces have to
        be waited for. Raises as iterating does."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Bytes:
    """A Body of bytes at hand, for calls in process."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.length: int | None = len(data)
        self.trailers: dict[str, str] = {}

    @property
    def whole(self) -> bytes | None:
        return self.data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.data:
            yield self.data


class TooLongError(Exception):
    """A body is longer than its service takes."""


async def read(body: Body, limit: int) -> bytes:
    """All of it. Raises TooLongError beyond `limit` bytes."""
    if body.length is not None and body.length > limit:
        raise TooLongError
    whole = body.whole
    if whole is not None:
        # Most bodies have come with their heads: no piece to wait for.
        if len(whole) > limit:
            raise TooLongError
        return whole
    pieces: list[bytes] = []
    size = 0
    async for piece in body:
        size += len(piece)
        if size > limit:
            raise TooLongError
        pieces.append(piece)
    return b"".join(pieces)
