"""Requests as real boto3 makes and signs them, caught before they leave: what the load generator repeats."""

from __future__ import annotations

import functools
import http.client
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config

REGION = "us-east-1"
_UNSENT = {"expect", "connection", "content-length", "host"}


class Client:
    """boto3's clients for one endpoint and key. A caught request is good for minutes: signatures age."""

    def __init__(
        self, endpoint: str, access_key_id: str, secret_access_key: str, session_token: str | None = None
    ) -> None:
        self.endpoint = endpoint
        self._session = boto3.Session(access_key_id, secret_access_key, session_token, region_name=REGION)

    @functools.cache  # noqa: B019  one per contender, and it ends with it
    def __call__(self, service: str) -> Any:
        config = Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"max_attempts": 1},
            read_timeout=120,
        )
        return self._session.client(service, endpoint_url=self.endpoint, config=config)

    @functools.cache  # noqa: B019
    def _catching(self, service: str) -> Any:
        """A client whose requests do not leave."""
        client = self._session.client(service, endpoint_url=self.endpoint, config=self(service).meta.config)
        client.meta.events.register("before-send", _catch)
        return client

    def sign(self, service: str, operation: str, **parameters: Any) -> bytes:
        """The request's bytes, for HTTP/1.1."""
        client = self._catching(service)
        try:
            getattr(client, operation)(**parameters)
        except _CaughtError as caught:
            request = caught.request
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        return plain(request.method, request.url, request.headers, body if isinstance(body, bytes) else body.read())


def send(request: bytes, port: int) -> tuple[int, bytes]:
    """Status and body of the answer to one request."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection, method=request.split(b" ", 1)[0].decode())
        response.begin()
        return response.status, response.read()


class _CaughtError(Exception):
    def __init__(self, request: AWSPreparedRequest) -> None:
        super().__init__()
        self.request = request


def _catch(request: AWSPreparedRequest, **_: Any) -> None:
    raise _CaughtError(request)


def plain(method: str, url: str, headers: Mapping[str, str | bytes] | None = None, body: bytes = b"") -> bytes:
    """The bytes of one HTTP/1.1 request that keeps the connection."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1"]
    given = {name: value if isinstance(value, str) else value.decode() for name, value in (headers or {}).items()}
    if not any(name.lower() == "host" for name in given):
        lines.append(f"Host: {parts.netloc}")
    lines += [f"{name}: {value}" for name, value in given.items() if name.lower() not in _UNSENT - {"host"}]
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
