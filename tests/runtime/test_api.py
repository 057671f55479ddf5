"""The Runtime API's own manner of speaking, without a sandbox."""

from __future__ import annotations

import re
from typing import Any

from pileus.runtime.api import Connection, Share


class Transport:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False


class Handler:
    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def response(self, connection: Connection, request_id: str, body: bytes, content_type: str) -> None:
        self.calls.append(("response", request_id, body.decode()))
        if request_id == "unknown":
            connection.refuse(400, "InvalidRequestID", "Invalid request ID")
        else:
            connection.accept()

    def next_invocation(self, connection: Connection) -> None:
        self.calls.append(("next",))
        connection.deliver("Lambda-Runtime-Aws-Request-Id: 2\r\n", b"{}")


def answered(request: bytes) -> tuple[list[tuple[str, ...]], list[bytes]]:
    """What the handler was called with, and the first line of each answer."""
    handler, transport = Handler(), Transport()
    made: Any = handler
    connection = Connection(lambda: made, Share())
    connection.connection_made(transport)  # type: ignore[arg-type]
    for byte in range(0, len(request), 7):
        connection.data_received(request[byte : byte + 7])
    return handler.calls, re.findall(rb"HTTP/1.1 \d+ [^\r]+", transport.written)


def post(request_id: str, more: str = "") -> bytes:
    path = f"/2018-06-01/runtime/invocation/{request_id}/response"
    return f"POST {path} HTTP/1.1\r\n{more}Content-Length: 2\r\n\r\n{{}}".encode()


def test_a_response_is_accepted() -> None:
    assert answered(post("1")) == ([("response", "1", "{}")], [b"HTTP/1.1 202 Accepted"])


def test_a_response_may_ask_for_the_next_invocation() -> None:
    calls, answers = answered(post("1", "Pileus-Then-Next: 1\r\n"))
    assert calls == [("response", "1", "{}"), ("next",)]
    assert answers == [b"HTTP/1.1 200 OK"]


def test_a_refused_one_is_answered_with_the_next_too() -> None:
    calls, answers = answered(post("unknown", "Pileus-Then-Next: 1\r\n") + post("unknown"))
    assert [call[0] for call in calls] == ["response", "next", "response"]
    assert answers == [b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad Request"]
