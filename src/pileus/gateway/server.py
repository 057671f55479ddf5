"""Bytes in, bytes out: uvicorn's HTTP server, and the translation between ASGI and our requests."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pileus.aws.http import Request, Response
from pileus.gateway.app import Gateway
from pileus.gateway.body import ClientGoneError, HTTPBody

log = logging.getLogger("pileus.gateway")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Names that SDKs send, so that they need not be decoded each time.
_NAMES = {
    name.encode(): name
    for name in (
        "accept", "accept-encoding", "amz-sdk-invocation-id", "amz-sdk-request", "authorization", "content-length",
        "content-md5", "content-type", "host", "origin", "user-agent", "x-amz-content-sha256", "x-amz-date",
        "x-amz-security-token", "x-amz-target", "x-amz-user-agent",
    )
}  # fmt: skip


def application(gateway: Gateway) -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """The ASGI application (https://asgi.readthedocs.io/en/latest/specs/www.html)."""

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            request = _request(scope, receive)
            body = request.body
            response = await gateway.respond(request)
            if isinstance(body, HTTPBody) and body.is_waiting and _has_body(request):
                # Answered before the body came: what is still to come must not be taken for the next request.
                response.headers["connection"] = "close"
            await _send(scope["method"], response, send)
        except ClientGoneError:
            log.debug("a client left before its request was whole")

    return app


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _text(value: bytes) -> str:
    """Metadata is in UTF-8 where it is not ASCII, and signed as that; what is none has been signed as Latin-1's
    characters."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _request(scope: dict[str, Any], receive: Receive) -> Request:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = _NAMES.get(name) or name.decode("latin-1")
        text = _text(value)
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    length = headers.get("content-length")
    body = HTTPBody(receive, int(length) if length is not None and length.isdigit() else None)
    client = scope.get("client")
    return Request(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        body,
        client[0] if client else "127.0.0.1",
        scope.get("scheme") == "https",
    )


async def _send(method: str, response: Response, send: Send) -> None:
    body = response.body
    headers = [(name.encode(), _header_value(value)) for name, value in response.headers.items()]
    headers += [(b"set-cookie", _header_value(cookie)) for cookie in response.cookies]
    if isinstance(body, bytes):
        if "content-length" not in response.headers and response.status not in (204, 304):
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
        return
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if method != "HEAD":
        async for piece in body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _header_value(text: str) -> bytes:
    """Line ends could start another header: none goes out (RFC 9110, 5.5)."""
    raw = text.encode() if text.isascii() else text.encode("utf-8", "surrogateescape")
    if b"\r" in raw or b"\n" in raw:
        return raw.replace(b"\r", b" ").replace(b"\n", b" ")
    return raw
