"""How functions reach the cloud: each sandbox's second socket leads to the gateway, and nowhere else."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

PORT = 4566
"""Inside sandboxes; nothing outside is bound to it."""


class Address(NamedTuple):
    """Where the gateway listens; `tls` where it speaks that: functions speak plain HTTP within their sandbox."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


def factory(target: Callable[[], Any] | Address) -> Callable[[], Any]:
    """The protocol factory for a sandbox's socket: the gateway's own, or one that passes bytes on."""
    if isinstance(target, Address):
        return lambda: _Outer(target)
    return target


class _Half(asyncio.Protocol):
    """One direction of a connection passed on: what comes here goes to `other`."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Half | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.other and self.other.transport:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        if self.other and self.other.transport and self.other.transport.can_write_eof():
            self.other.transport.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other and self.other.transport:
            self.other.transport.close()
        self.transport = None

    def pause_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.resume_reading()


class _Outer(_Half):
    """A guest's connection; what comes before the one to the gateway stands is kept until it does."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._address = address
        self._connecting: asyncio.Task[None] | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            # uvloop starts to read only after connection_made, whatever that says of pausing: here is the first chance.
            self._early += data
            if self.transport:
                self.transport.pause_reading()
            return
        super().data_received(data)

    async def _connect(self) -> None:
        try:
            host, port, tls = self._address
            _, inner = await asyncio.get_running_loop().create_connection(_Half, host, port, ssl=tls)
        except OSError:
            if self.transport:
                self.transport.close()
            return
        self.other, inner.other = inner, self
        if self.transport is None:
            inner.transport.close()  # type: ignore[union-attr]
            return
        super().data_received(self._early)
        self._early = b""
        self.transport.resume_reading()
