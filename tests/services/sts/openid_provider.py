"""A real OpenID provider on this machine, for tests: discovery, rotating keys, and ID tokens of its own making."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa


class OpenIDProvider:
    def __init__(self) -> None:
        self.fetches = 0
        self.keys: dict[str, Any] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches += 1
                if self.path == "/.well-known/openid-configuration":
                    self._answer({"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/keys"})
                elif self.path == "/keys":
                    self._answer({"keys": provider.jwks()})
                else:
                    self.send_error(404)

            def _answer(self, value: Any) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_port}"
        self.issuer = f"http://{self.name}"
        self.rotate("first")

    def rotate(self, key_id: str, algorithm: str = "RS256") -> None:
        """A new key takes the place of all others."""
        if algorithm == "RS256":
            self.keys = {key_id: (algorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048))}
        else:
            self.keys = {key_id: (algorithm, ec.generate_private_key(ec.SECP256R1()))}

    def jwks(self) -> list[dict[str, Any]]:
        found = []
        for key_id, (algorithm, key) in self.keys.items():
            public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
            found.append({**public, "kid": key_id, "use": "sig", "alg": algorithm})
        return found

    def token(self, subject: str = "alice", audience: Any = "client", **claims: Any) -> str:
        key_id, (algorithm, key) = next(iter(self.keys.items()))
        now = int(time.time())
        body = {"iss": self.issuer, "sub": subject, "aud": audience, "iat": now, "exp": now + 600, **claims}
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, key, algorithm=algorithm, headers={"kid": key_id})


@contextmanager
def running_provider() -> Iterator[OpenIDProvider]:
    provider = OpenIDProvider()
    thread = threading.Thread(target=provider.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.server.shutdown()
        provider.server.server_close()
        thread.join()
