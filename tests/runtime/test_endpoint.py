"""What a guest sends before its way to the gateway stands arrives there."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pileus.runtime import endpoint
from pileus.services.context import Settings
from pileus.services.lambda_.execution import own_tls


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that its owner signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloud.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"


async def _first_words_arrive(serving: ssl.SSLContext | None = None, trusting: ssl.SSLContext | None = None) -> bytes:
    loop = asyncio.get_running_loop()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(5))
        await writer.drain()

    gateway = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=serving)
    listening = socket.create_server(("127.0.0.1", 0))
    guest = socket.create_connection(listening.getsockname())
    guest.sendall(b"hello")
    guest.setblocking(False)
    host, port = gateway.sockets[0].getsockname()
    reached = endpoint.Address(host, port, trusting)
    sandbox = await loop.create_server(endpoint.factory(reached), sock=listening)
    try:
        return await asyncio.wait_for(loop.sock_recv(guest, 5), 10)
    finally:
        guest.close()
        sandbox.close()
        gateway.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_what_comes_early_is_kept(run: object) -> None:
    assert run(_first_words_arrive()) == b"hello"  # type: ignore[operator]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_guest_reaches_a_gateway_that_speaks_tls(run: object, tmp_path: Path) -> None:
    """Functions speak plain HTTP within their sandbox; only our own certificate is trusted on the other side."""
    certificate, key = _certificate(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    trusting = own_tls(Settings(tmp_path, tls_certificate=certificate, tls_key=key))
    assert run(_first_words_arrive(serving, trusting)) == b"hello"  # type: ignore[operator]
    (tmp_path / "other").mkdir()
    other, _ = _certificate(tmp_path / "other")
    assert run(_first_words_arrive(serving, own_tls(Settings(tmp_path, tls_certificate=other)))) == b""  # type: ignore[operator]
