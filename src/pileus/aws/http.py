"""A request and a response as HTTP has them, before and after any protocol of AWS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from pileus.aws.body import Body


@dataclass
class Request:
    """`raw_path` and `query` are as on the wire; `headers` have lower-case names, repeated ones joined by a comma."""

    method: str
    raw_path: str
    query: str
    headers: dict[str, str]
    body: Body
    source_ip: str = "127.0.0.1"
    secure: bool = False
    head_size: int = 0
    """Bytes of its target and headers; zero for those of a few thousand at most, which no service refuses."""
    principal: Any = None
    """Who made it (security.principals), once that is proven."""

    @property
    def host(self) -> str:
        """The Host header without its port, lower case."""
        return _host(self.headers.get("host", ""))

    @cached_property
    def path(self) -> str:
        """Decoded. Raises UnicodeDecodeError where it is no UTF-8."""
        return unquote_to_bytes(self.raw_path).decode()

    @cached_property
    def parameters(self) -> list[tuple[str, str]]:
        """The query string's decoded pairs, in order; a name without `=` has the empty value."""
        return parse_query(self.query)

    def parameter(self, name: str) -> str | None:
        for key, value in self.parameters:
            if key == name:
                return value
        return None


@lru_cache(maxsize=1024)
def _host(header: str) -> str:
    host = header.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def parse_query(query: str) -> list[tuple[str, str]]:
    """Pairs of a query string, `+` kept as it is (SigV4 writes a space as %20). Bytes that are no UTF-8 come as
    surrogates."""
    pairs = []
    for piece in query.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            pairs.append((decoded(name), decoded(value)))
    return pairs


def decoded(text: str) -> str:
    """Without its percent escapes; bytes that are no UTF-8 come as surrogates."""
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape") if "%" in text else text


@dataclass
class Response:
    """`body` is all of it, or an iterator that brings it while it is sent (then say content-length if it is known).
    `cookies` are the values of Set-Cookie, the one header that comes once for each."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] = b""
    cookies: list[str] = field(default_factory=list)
