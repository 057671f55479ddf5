"""The heads of messages: names and values as they come, and an answer's head as it goes out."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

import httptools

from pileus.aws.http import Response

NAMES: dict[bytes, str] = {}
"""Names as they came, of any spelling, in lower case: clients send the same few."""
_REMEMBERED = 1024
_LONGEST = 64


def name(raw: bytes) -> str:
    """A header's name in lower case, remembered in NAMES."""
    lower = raw.decode("latin-1").lower()
    if len(NAMES) < _REMEMBERED and len(raw) <= _LONGEST:
        NAMES[raw] = lower
    return lower


def split(target: bytes) -> tuple[str, str]:
    """Path and query of a request's target (RFC 9112, 3.2). Raises ValueError."""
    if target[:1] == b"/" and b"#" not in target:
        path, _, query = target.partition(b"?")
    elif target == b"*":
        return "/", ""
    else:
        try:
            url = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError as error:
            raise ValueError("not a target") from error
        path, query = url.path or b"/", url.query or b""
    return path.decode("latin-1"), query.decode("latin-1")


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}
_date = ""
_date_second = 0


def _now() -> str:
    global _date, _date_second
    second = int(time.time())
    if second != _date_second:
        _date_second = second
        _date = formatdate(second, usegmt=True)
    return _date


def write(response: Response, keep_alive: bool) -> bytes:
    """The head of an answer, with its empty line."""
    headers = response.headers
    lines = [_STATUS_LINES.get(response.status) or f"HTTP/1.1 {response.status} Unknown"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if response.cookies:
        lines += [f"set-cookie: {cookie}" for cookie in response.cookies]
    if "date" not in headers:
        lines.append(f"date: {_now()}")
    if not keep_alive:
        lines.append("connection: close")
    head = "\r\n".join(lines)
    if head.count("\n") >= len(lines) or head.count("\r") >= len(lines):
        # Line ends inside could start another header: none goes out (RFC 9110, 5.5).
        head = "\r\n".join([line.replace("\r", " ").replace("\n", " ") for line in lines])
    return f"{head}\r\n\r\n".encode("utf-8", "surrogateescape")


def refusal(reason: str) -> bytes:
    """The whole answer to bytes that are no request."""
    return write(Response(400, {"content-type": "text/plain", "content-length": str(len(reason))}), False) + (
        reason.encode()
    )
