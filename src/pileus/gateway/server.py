"""The HTTP server of one worker: accepts connections, sweeps out the overdue, ends without cutting answers short."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from pathlib import Path

from pileus.gateway.connection import Connection, Respond

log = logging.getLogger("pileus.gateway")

BACKLOG = 4096
SWEEP_SECONDS = 5.0


class Server:
    """Serves `respond` on a listening socket, from `start` to `close`."""

    def __init__(self, respond: Respond, tls: ssl.SSLContext | None = None) -> None:
        self._respond = respond
        self._tls = tls
        self._connections: set[Connection] = set()

    async def start(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._respond, self._connections), sock=listening, backlog=BACKLOG, ssl=self._tls
        )
        self._sweeping = asyncio.create_task(self._sweep(), name="sweep")

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = loop.time()
            for connection in [one for one in self._connections if one.overdue(now)]:
                log.debug("closed a connection whose client had stopped")
                connection.abort()

    async def close(self, grace: float) -> None:
        """No new connections; answers under way have `grace` seconds."""
        self._server.close()
        self._sweeping.cancel()
        for connection in list(self._connections):
            connection.finish()
        tasks = [connection.task for connection in self._connections if connection.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
        for connection in list(self._connections):
            connection.abort()


def tls(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Raises OSError and ssl.SSLError for files that hold no certificate or key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
