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


_HELD_BYTES = 64 << 10


class Gathering:
    """A transport whose writes of one turn of the event loop leave together: uvicorn writes an answer's head and body
    apart, and each write is a system call that goes all the way to the reader."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > _HELD_BYTES:
            # A large body: the transport must see it to say that the reader does not keep up.
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held, self._size = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with deadlines."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = Gathering(transport, self.loop)  # type: ignore[assignment]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._packet = 0
        self._received = 0
        """Bytes of the head in the packets before this one, but for the one that it began in."""
        self._begun = False
        self._heard = self.loop.time()
        self._in_head = True

    def data_received(self, data: bytes) -> None:
        if not self._in_head:
            self._heard = self.loop.time()
        self._packet = len(data)
        self._begun = False
        super().data_received(data)
        if self._in_head and not self._begun:
            # Whole packets of nothing but head: its end may never come, nor that of the header that it is in.
            self._received += len(data)
            if self._received > LARGEST_HEAD and not self.transport.is_closing():
                self.send_400_response("The request's head is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._received = 0
        self._begun = True
        self._in_head = True
        self._heard = self.loop.time()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._received + self._packet > LARGEST_HEAD:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > LARGEST_HEAD:
                # The parser turns what a callback raises into its own error, which is answered by 400.
                raise ValueError("the request's head is too long")
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
