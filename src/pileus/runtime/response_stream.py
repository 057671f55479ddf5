"""A response that comes in pieces, on its way to a caller that takes them as they come, or wants them in one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pileus.runtime.api import Connection

WHOLE_LIMIT, STREAMED_LIMIT = 6_291_556, 200 << 20
_BUFFER = 1 << 20


class ResponseStream:
    def __init__(self, source: Connection, *, listened: bool) -> None:
        self.source = source
        self.listened = listened
        """Whether somebody iterates; else the pieces are kept for `whole`."""
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._kept: list[bytes] = []
        self._size = 0
        self._queued = 0
        self._dropped = False

    def take(self, piece: bytes) -> bool:
        """False where the response is longer than Lambda lets it be."""
        self._size += len(piece)
        if self._size > (STREAMED_LIMIT if self.listened else WHOLE_LIMIT):
            return False
        if not self.listened:
            self._kept.append(piece)
        elif not self._dropped:
            self._pieces.put_nowait(piece)
            self._queued += len(piece)
            if self._queued > _BUFFER:
                self.source.transport.pause_reading()
        return True

    def end(self) -> None:
        self._pieces.put_nowait(None)

    def whole(self) -> bytes:
        return b"".join(self._kept)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (piece := await self._pieces.get()) is not None:
                self._queued -= len(piece)
                if self._queued < _BUFFER // 2 and self.source.open:
                    self.source.transport.resume_reading()
                yield piece
        finally:
            self._dropped = True  # nobody listens any more: the function writes on, to nobody
            if self.source.open:
                self.source.transport.resume_reading()
