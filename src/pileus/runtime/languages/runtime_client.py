"""The transport of `awslambdaric`, in place of its compiled one.

The same functions and answers (`runtime_client.cpp` in https://github.com/aws/aws-lambda-python-runtime-interface-client),
for every version of Python, and with two system calls an invocation where curl makes two score: an answer waits until
the next invocation is asked for, which the client does at once, and goes with that. It runs inside functions, as
/var/runtime/runtime_client.py, and speaks to our own Runtime API, whose answers always have a length.
"""

from __future__ import annotations

import os
import socket

_PATH = "/2018-06-01/runtime/invocation/"
_NEXT = f"GET {_PATH}next HTTP/1.1\r\n\r\n".encode()
_DEADLINE = "Lambda-Runtime-Deadline-Ms"
_answer = b""
_connection: socket.socket | None = None


def initialize_client(user_agent: str) -> None:
    """Who asks is known."""


def next() -> tuple[bytes, dict[str, str | int]]:
    global _answer
    request, _answer = _answer or _NEXT, b""
    status, headers, body = _call(request)
    if status != "200":
        raise RuntimeError(f"Failed to get next invocation: {status}")
    return body, {**headers, _DEADLINE: int(headers[_DEADLINE])}


def post_invocation_result(request_id: str, body: bytes, content_type: str, invocation_id: str | None = None) -> None:
    # A response that is too large is refused, and the function's error already.
    # JSON is what a response is unless it says otherwise.
    kind = "" if content_type == "application/json" else f"Content-Type: {content_type}\r\n"
    _post(f"{request_id}/response", body, kind)


def post_error(request_id: str, error: str, xray_fault: str, invocation_id: str | None = None) -> None:
    _post(f"{request_id}/error", error.encode(), "Lambda-Runtime-Function-Error-Type: Unhandled\r\n")


def _post(path: str, body: bytes, headers: str) -> None:
    global _answer
    head = f"POST {_PATH}{path} HTTP/1.1\r\n{headers}Pileus-Then-Next: 1\r\nContent-Length: {len(body)}\r\n\r\n"
    _answer = head.encode() + body


def _connect() -> socket.socket:
    global _connection
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
    # Not create_connection: looking up the name of an address would first import the codec of such names.
    connection = _connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.connect((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _call(request: bytes) -> tuple[str, dict[str, str], bytes]:
    connection = _connection or _connect()
    connection.sendall(request)
    data = _receive(connection, 65536)
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _receive(connection, 65536)
    first, *lines = data[:end].decode().split("\r\n")
    headers: dict[str, str] = dict([line.split(": ", 1) for line in lines])
    body = data[end + 4 :]
    missing = int(headers["Content-Length"]) - len(body)
    if missing > 0:
        pieces = [body]
        while missing > 0:
            pieces.append(_receive(connection, min(missing, 1 << 20)))
            missing -= len(pieces[-1])
        body = b"".join(pieces)
    return first[9:12], headers, body


def _receive(connection: socket.socket, most: int) -> bytes:
    data = connection.recv(most)
    if not data:
        raise RuntimeError("The Runtime API closed the connection")
    return data
