"""What a guest sends before its way to the gateway stands arrives there."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvloop

from pileus.runtime import endpoint


async def _first_words_arrive() -> bytes:
    loop = asyncio.get_running_loop()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(5))
        await writer.drain()

    gateway = await asyncio.start_server(echo, "127.0.0.1", 0)
    listening = socket.create_server(("127.0.0.1", 0))
    guest = socket.create_connection(listening.getsockname())
    guest.sendall(b"hello")
    guest.setblocking(False)
    sandbox = await loop.create_server(endpoint.factory(gateway.sockets[0].getsockname()), sock=listening)
    try:
        return await asyncio.wait_for(loop.sock_recv(guest, 5), 10)
    finally:
        guest.close()
        sandbox.close()
        gateway.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_what_comes_early_is_kept(run: object) -> None:
    assert run(_first_words_arrive()) == b"hello"  # type: ignore[operator]
