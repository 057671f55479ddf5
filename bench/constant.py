"""The floor of every figure: the HTTP server that Pileus's gateway runs on, answering a constant.

python bench/constant.py PORT
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

_BODY = b'{"Item":{"id":{"S":"1"},"text":{"S":"buy milk"}}}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/x-amz-json-1.0"), (b"content-length", str(len(_BODY)).encode())],
}


async def answer(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    while (await receive()).get("more_body"):
        pass
    await send(_START)
    await send({"type": "http.response.body", "body": _BODY})


if __name__ == "__main__":
    uvicorn.run(
        answer,
        port=int(sys.argv[1]), loop="uvloop", http="httptools", lifespan="off", access_log=False, log_config=None,
        server_header=False, date_header=False,
    )  # fmt: skip
