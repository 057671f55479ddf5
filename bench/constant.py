"""The floor of every figure: the HTTP server of Pileus's gateway answering a constant, `/` little, `/large` 10 MB.

python bench/constant.py PORT
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys

import uvloop

from pileus.aws.body import read
from pileus.aws.http import Request, Response
from pileus.gateway.server import Server

_LITTLE = b'{"Item":{"id":{"S":"1"},"text":{"S":"buy milk"}}}'
_LARGE = bytes(10 << 20)
_MOST = 1 << 20


async def respond(request: Request) -> Response:
    await read(request.body, _MOST)
    body = _LARGE if request.raw_path == "/large" else _LITTLE
    return Response(200, {"content-type": "application/x-amz-json-1.0", "content-length": str(len(body))}, body)


async def main(port: int) -> None:
    listening = socket.create_server(("127.0.0.1", port))
    gc.collect()
    gc.freeze()
    await Server(respond).start(listening)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
