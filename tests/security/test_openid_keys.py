"""Other people's providers are strangers on the network: slow, wrong, endless, or not who they say."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pileus.aws.clock import Clock
from pileus.security import openid_keys
from pileus.security.openid import InvalidTokenError
from pileus.security.openid_keys import ProviderKeys, UnreachableProviderError, issuer_url, verify_external
from services.sts.openid_provider import running_provider

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def provider(answer: Answer) -> Iterator[str]:
    """A server that answers every request so; its name as IAM has it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with pytest.raises(OSError):
        while True:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.02)


def find(name: str, key_id: str = "k") -> Any:
    return asyncio.run(ProviderKeys(Clock()).find(name, key_id))


WRONG: dict[str, Answer] = {
    "no JSON": lambda handler: send(handler, b"<html>"),
    "no object": lambda handler: send(handler, b"[]"),
    "deep": lambda handler: send(handler, b"[" * 100_000),
    "not found": lambda handler: send(handler, b"", 404),
    "too long": lambda handler: send(handler, b" " * (1 << 20)),
    "elsewhere": lambda handler: send(handler, b"", 302, Location="http://127.0.0.1:1/"),
    "another issuer": lambda handler: send(
        handler, b'{"issuer": "https://accounts.google.com", "jwks_uri": "https://x"}'
    ),
    "no keys": lambda handler: send(handler, json.dumps({"issuer": f"http://{handler.headers['Host']}"}).encode()),
    "keys elsewhere": lambda handler: send(
        handler, json.dumps({"issuer": f"http://{handler.headers['Host']}", "jwks_uri": "http://10.0.0.1/"}).encode()
    ),
    "keys in a file": lambda handler: send(
        handler, json.dumps({"issuer": f"http://{handler.headers['Host']}", "jwks_uri": "file:///etc/passwd"}).encode()
    ),
    "drops": lambda handler: handler.connection.close(),
}


@pytest.mark.parametrize("how", WRONG)
def test_what_is_no_provider_is_unreachable(how: str) -> None:
    with provider(WRONG[how]) as name, pytest.raises(UnreachableProviderError):
        find(name)


def test_a_provider_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openid_keys, "_WHOLE_SECONDS", 0.1)
    with provider(drip) as name, pytest.raises(UnreachableProviderError):
        find(name)


def test_strange_keys_are_left_out() -> None:
    keys = [
        None,
        1,
        {},
        {"kid": "a"},
        {"kid": "b", "kty": "oct", "k": "c2VjcmV0"},
        {"kid": "c", "kty": "RSA", "n": "!"},
    ]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        issuer = f"http://{handler.headers['Host']}"
        body = {"keys": keys} if handler.path == "/keys" else {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
        send(handler, json.dumps(body).encode())

    with provider(answer) as name:
        assert all(find(name, key_id) is None for key_id in "abc")


def test_only_this_machine_is_asked_without_encryption() -> None:
    assert issuer_url("127.0.0.1:8080/x") == "http://127.0.0.1:8080/x"
    assert issuer_url("localhost") == "http://localhost"
    for name in ("id.example.com", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1"):
        assert issuer_url(name).startswith("https://")


def test_keys_are_kept_fetched_again_and_forgotten() -> None:
    now = [1000.0]
    keys = ProviderKeys(Clock(lambda: now[0]))
    with running_provider() as real:

        def fetches(key_id: str, found: bool) -> int:
            before = real.fetches
            assert (asyncio.run(keys.find(real.name, key_id)) is not None) == found
            return (real.fetches - before) // 2

        assert fetches("first", True) == 1
        assert fetches("first", True) == 0
        assert fetches("invented", False) == 0, "not again so soon"
        now[0] += openid_keys.AGAIN_SECONDS
        real.rotate("second")
        assert fetches("second", True) == 1
        assert fetches("first", False) == 0
        now[0] += openid_keys.KEPT_SECONDS
        assert fetches("second", True) == 1
        with pytest.raises(InvalidTokenError):
            asyncio.run(verify_external(keys, "id.example.com", real.token(), now[0]))
