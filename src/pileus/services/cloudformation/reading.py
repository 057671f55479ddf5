"""Objects that S3 holds for CloudFormation, of a bounded size."""

from __future__ import annotations

from collections.abc import AsyncIterable


async def read(body: bytes | AsyncIterable[bytes], limit: int) -> bytes:
    """Raises ValueError for what is longer."""
    read = bytearray(body if isinstance(body, bytes) else b"")
    if not isinstance(body, bytes):
        async for piece in body:
            read += piece
            if len(read) > limit:
                break
    if len(read) > limit:
        raise ValueError("too long")
    return bytes(read)
