"""Which connections are overdue, without waiting for one."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from pileus.gateway.connection import BODY_SECONDS, HEAD_SECONDS, Connection


class Transport(asyncio.Transport):
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None: ...

    def close(self) -> None: ...

    def pause_reading(self) -> None: ...


def _connection(loop: asyncio.AbstractEventLoop) -> Connection:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(3600)

    connection = Connection(uvicorn.Config(app, log_config=None), ServerState(), {}, _loop=loop)
    connection.connection_made(Transport())
    return connection


def test_a_head_has_a_deadline_however_it_trickles() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        connection = _connection(loop)
        now = loop.time()
        assert not connection.overdue(now + HEAD_SECONDS - 1)
        assert connection.overdue(now + HEAD_SECONDS + 1)
        connection.data_received(b"POST / HTTP/1.1\r\n")
        connection.data_received(b"X-A: b\r\n")
        assert connection.overdue(now + HEAD_SECONDS + 1)

    asyncio.run(main())


def test_a_body_must_keep_coming() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        connection = _connection(loop)
        connection.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        now = loop.time()
        assert not connection.overdue(now + HEAD_SECONDS + 1)
        assert connection.overdue(now + BODY_SECONDS + 1)
        connection.data_received(b"defghij")
        assert not connection.overdue(now + BODY_SECONDS + 1), "a whole request may be served for as long as it takes"

    asyncio.run(main())
