"""Connections that do not behave: heads that never end or arrive a byte at a time, bodies that stop.

uvicorn bounds only the time between requests. Here a head has a size and a deadline, and a body must keep coming.
One sweep looks at all connections every few seconds, so that a request pays for noting the time and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

log = logging.getLogger("pileus.gateway")

HEAD_SECONDS = 30.0
BODY_SECONDS = 60.0
SWEEP_SECONDS = 5.0
LARGEST_HEAD = 64 << 10
"""Bytes of a request's line and headers together; S3 takes 8 KB, other services less."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with deadlines."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head = 0
        self._heard = self.loop.time()
        self._in_head = True

    def data_received(self, data: bytes) -> None:
        if not self._in_head:
            self._heard = self.loop.time()
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        self._in_head = True
        self._heard = self.loop.time()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > LARGEST_HEAD:
            # The parser turns what a callback raises into its own error, which is answered by 400.
            raise ValueError("the request's head is too long")

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def overdue(self, now: float) -> bool:
        """Whether the client owes something for too long. One between requests is uvicorn's to time out."""
        if self.timeout_keep_alive_task is not None:
            return False
        silent = now - self._heard
        if self._in_head:
            return silent > HEAD_SECONDS
        waiting = self.cycle is not None and self.cycle.more_body and not self.flow.read_paused
        return waiting and silent > BODY_SECONDS


async def sweep(state: ServerState) -> None:
    """Closes overdue connections, for as long as it is not cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = loop.time()
        for connection in [one for one in state.connections if isinstance(one, Connection) and one.overdue(now)]:
            log.info("closed a connection from %s that had stopped in the middle of a request", connection.client)
            connection.transport.abort()
