"""The constant of `constant.py` through uvicorn with httptools and uvloop, the HTTP stack that is usual in Python.

python bench/uvicorn_constant.py PORT
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

_LITTLE = b'{"Item":{"id":{"S":"1"},"text":{"S":"buy milk"}}}'
_HEADERS = [(b"content-type", b"application/x-amz-json-1.0"), (b"content-length", str(len(_LITTLE)).encode())]


async def constant(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _LITTLE})


if __name__ == "__main__":
    uvicorn.run(
        constant, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", lifespan="off",
        access_log=False, log_level="warning",
    )  # fmt: skip
