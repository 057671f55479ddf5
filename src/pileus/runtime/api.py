"""The Runtime API and the Extensions API of one sandbox, on the socket that only its processes can reach.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html and …/runtimes-extensions-api.html. One connection is
one protocol object; what requests mean is decided by the `Handler`.

Our own runtime clients put their answer and their wish for the next invocation into one request (`_THEN_NEXT`): the
next invocation is what that is answered with, and one exchange serves where the protocol of AWS has two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import httptools
import msgspec

_RUNTIME = "/2018-06-01/runtime/"
_EXTENSION = "/2020-01-01/extension/"
_TELEMETRY = ("/2022-07-01/telemetry", "/2022-07-01/telemetry/")
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
_REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    413: "Payload Too Large",
}
BODY_LIMIT = 6_291_556
_THEN_NEXT = b"pileus-then-next"
_HEAD_LIMIT = 1 << 21  # awslambdaric sends an X-Ray document of up to 1 MiB as a header

Headers = dict[bytes, bytes]


class Handler(Protocol):
    """An execution environment, as seen by its own processes."""

    def next_invocation(self, connection: Connection) -> None: ...
    def response(self, connection: Connection, request_id: str, body: bytes, content_type: str) -> None: ...
    def response_begins(self, connection: Connection, request_id: str, content_type: str) -> bool: ...
    def response_piece(self, piece: bytes) -> None: ...
    def response_ends(self, connection: Connection, trailers: Headers) -> None: ...
    def response_too_large(self, connection: Connection, request_id: str) -> None: ...
    def error(self, connection: Connection, request_id: str, body: bytes, error_type: str) -> None: ...
    def init_error(self, connection: Connection, body: bytes, error_type: str) -> None: ...
    def register(self, connection: Connection, name: str, body: bytes) -> None: ...
    def extension_next(self, connection: Connection, identifier: str) -> None: ...
    def extension_error(self, connection: Connection, identifier: str, error_type: str, phase: str) -> None: ...
    def telemetry(self, connection: Connection, identifier: str, body: bytes) -> None: ...


class Share:
    """What the connections of one sandbox take of Pileus's memory, together."""

    CONNECTIONS, BYTES = 64, 16 << 20

    __slots__ = ("connections", "held")

    def __init__(self) -> None:
        self.connections = 0
        self.held = 0


class Connection(asyncio.Protocol):
    """HTTP/1.1 from one of a sandbox's processes. It trusts nothing that comes in; the worst that a guest can do here
    is to confuse its own invocations."""

    __slots__ = (
        "_body", "_find", "_handler", "_headers", "_held", "_parser", "_quiet", "_share", "_size", "_streaming",
        "_too_large", "_trailing", "_url", "transport",
    )  # fmt: skip

    def __init__(self, find: Callable[[], Handler | None], share: Share) -> None:
        self._find = find
        self._share = share
        self._held = 0
        self._handler: Handler | None = None
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self._parser = httptools.HttpRequestParser(self)
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._headers: Headers = {}
        self._body: list[bytes] = []
        self._size = 0
        self._streaming = False
        self._too_large = False
        self._trailing: Headers | None = None
        self._quiet = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._handler = self._find()
        self._share.connections += 1
        if self._handler is None or self._share.connections > Share.CONNECTIONS:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._share.connections -= 1
        self._release()
        if self._streaming and self._handler is not None:
            self._streaming = False
            self._handler.response_ends(self, {b"lambda-runtime-function-error-type": b"Runtime.TruncatedResponse"})
        self._handler = None

    def _release(self) -> None:
        self._share.held -= self._held
        self._held = 0

    def data_received(self, data: bytes) -> None:
        self._held += len(data)
        self._share.held += len(data)
        if self._share.held > Share.BYTES:
            self.transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    # Called by the parser.

    def on_message_begin(self) -> None:
        self._reset()

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > 8192:
            self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._trailing is not None:
            self._trailing[name.lower()] = value
        elif len(value) < _HEAD_LIMIT and len(self._headers) < 100:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._headers.get(b"lambda-runtime-function-response-mode", b"").lower() == b"streaming":
            path = self._url.decode("latin-1").split("/")
            if len(path) == 6 and path[5] == "response" and self._handler is not None:
                content_type = self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
                self._streaming = self._handler.response_begins(self, path[4], content_type)
                self._trailing = {}

    def on_body(self, body: bytes) -> None:
        if self._streaming and self._handler is not None:
            self._release()
            self._handler.response_piece(body)
            return
        self._size += len(body)
        if self._size <= BODY_LIMIT:
            self._body.append(body)
        else:
            self._too_large = True
            self._body.clear()
            self._release()

    def on_message_complete(self) -> None:
        self._release()
        handler = self._handler
        if handler is None:
            return
        if self._streaming:
            self._streaming = False
            handler.response_ends(self, self._trailing or {})
            return
        url = self._url.decode("latin-1")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        if url.startswith(_RUNTIME):
            self._runtime(handler, self._parser.get_method(), url[len(_RUNTIME) :], body)
        elif url.startswith(_EXTENSION):
            self._extension(handler, self._parser.get_method(), url[len(_EXTENSION) :], body)
        elif url in _TELEMETRY and self._parser.get_method() == b"PUT":
            identifier = self._headers.get(b"lambda-extension-identifier", b"").decode("latin-1")
            handler.telemetry(self, identifier, body)
        else:
            self.refuse(404, "NotFound", "no such path")

    def _runtime(self, handler: Handler, method: bytes, path: str, body: bytes) -> None:
        if path == "invocation/next" and method == b"GET":
            handler.next_invocation(self)
            return
        self._quiet = _THEN_NEXT in self._headers
        parts = path.split("/")
        error_type = self._headers.get(b"lambda-runtime-function-error-type", b"").decode("latin-1")
        if method != b"POST":
            self.refuse(404, "NotFound", "no such path")
        elif len(parts) == 3 and parts[0] == "invocation" and parts[2] == "response":
            if self._too_large:
                handler.response_too_large(self, parts[1])
            else:
                content_type = self._headers.get(b"content-type", b"application/json").decode("latin-1")
                handler.response(self, parts[1], body, content_type)
        elif len(parts) == 3 and parts[0] == "invocation" and parts[2] == "error":
            handler.error(self, parts[1], body, error_type)
        elif path == "init/error":
            handler.init_error(self, body, error_type)
        else:
            self.refuse(404, "NotFound", "no such path")
        if self._quiet:
            self._quiet = False
            handler.next_invocation(self)

    def _extension(self, handler: Handler, method: bytes, path: str, body: bytes) -> None:
        identifier = self._headers.get(b"lambda-extension-identifier", b"").decode("latin-1")
        error_type = self._headers.get(b"lambda-extension-function-error-type", b"").decode("latin-1")
        if path == "register" and method == b"POST":
            handler.register(self, self._headers.get(b"lambda-extension-name", b"").decode("latin-1"), body)
        elif path == "event/next" and method == b"GET":
            handler.extension_next(self, identifier)
        elif path in ("init/error", "exit/error") and method == b"POST":
            handler.extension_error(self, identifier, error_type, path.partition("/")[0])
        else:
            self.refuse(404, "NotFound", "no such path")

    # Answers.

    def accept(self) -> None:
        if not self._quiet:
            self.transport.write(_ACCEPTED)

    def refuse(self, status: int, error_type: str, message: str) -> None:
        self.answer(status, {"errorType": error_type, "errorMessage": message})

    def answer(self, status: int, document: Any, headers: str = "") -> None:
        if self._quiet:
            return
        body = msgspec.json.encode(document)
        self.transport.write(_head(status, headers, len(body)) + body)

    def deliver(self, headers: str, payload: bytes) -> None:
        """The answer to `next`."""
        self.transport.write(_head(200, headers, len(payload)) + payload)

    @property
    def open(self) -> bool:
        return self._handler is not None and not self.transport.is_closing()


def _head(status: int, headers: str, length: int) -> bytes:
    first = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
    return f"{first}{headers}Content-Length: {length}\r\n\r\n".encode()
