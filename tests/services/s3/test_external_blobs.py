"""Contents kept in another object store: a second Pileus, whose bucket is watched."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("obstore")

from pileus.store.blobs import Blobs, TooLargeError
from pileus.store.external_blobs import ExternalBlobs, Place, parse
from pileus.testing import Cloud


class Remote(NamedTuple):
    s3: Any
    bucket: str
    address: str
    environment: dict[str, str]

    def stored(self) -> list[str]:
        return [row["Key"] for row in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@pytest.fixture
def remote(owner: Any, s3: Any, bucket: str) -> Remote:
    address = f"s3://{bucket}/pre?endpoint={owner.endpoint}"
    environment = {
        "PILEUS_BLOBS_ACCESS_KEY_ID": owner.access_key_id,
        "PILEUS_BLOBS_SECRET_ACCESS_KEY": owner.secret_access_key,
    }
    return Remote(s3, bucket, address, environment)


@pytest.fixture
def blobs(remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExternalBlobs:
    for name, value in remote.environment.items():
        monkeypatch.setenv(name, value)
    return ExternalBlobs(Blobs(tmp_path, "relaxed").area("s3"), parse(remote.address))


async def pieces(count: int, size: int = 300_000, error: Exception | None = None) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number % 251]) * size
    if error is not None:
        raise error


async def read(blobs: ExternalBlobs, *where: Any) -> bytes:
    return b"".join([piece async for piece in blobs.read(*where)])


class Claims:
    """A store of claims, as bytes."""

    def __init__(self) -> None:
        self.pairs: dict[bytes, bytes] = {}
        self.get = self.pairs.get

    def put(self, key: bytes, value: bytes) -> None:
        self.pairs[key] = value

    def delete(self, key: bytes) -> None:
        self.pairs.pop(key, None)

    def range(self, start: bytes, end: bytes, **_: Any) -> Iterator[tuple[bytes, bytes]]:
        return iter([pair for pair in sorted(self.pairs.items()) if start <= pair[0] < end])


def test_addresses() -> None:
    assert parse("s3://b/p/q?endpoint=http://h:1&region=r") == Place("b", "p/q", "http://h:1", "r")
    assert parse("s3://b") == Place("b", "", "", "us-east-1")
    for wrong in ("b", "gs://b", "s3://", "s3://b?endpoint=h", "s3://b?token=x", "s3://key:secret@b", "s3://b?x"):
        with pytest.raises(ValueError):
            parse(wrong)


@pytest.mark.parametrize("count", [1, 60])
def test_blobs_go_and_come_in_pieces(blobs: ExternalBlobs, count: int) -> None:
    async def run() -> None:
        blob = await blobs.write(pieces(count))
        assert blob.size == 300_000 * count
        assert await read(blobs, blob.key) == b"".join([piece async for piece in pieces(count)])
        assert await read(blobs, blob.key, 299_990, 10) == bytes(10)
        with pytest.raises(FileNotFoundError):
            await read(blobs, "x" + "0" * 32)

    asyncio.run(run())


@pytest.mark.parametrize("count", [1, 60])
def test_what_breaks_off_leaves_nothing(blobs: ExternalBlobs, remote: Remote, count: int) -> None:
    async def run() -> None:
        with pytest.raises(RuntimeError, match="gone"):
            await blobs.write(pieces(count, error=RuntimeError("gone")))
        with pytest.raises(TooLargeError):
            await blobs.write(pieces(count), limit=300_000 * count - 1)

    asyncio.run(run())
    assert remote.stored() == []
    assert "Uploads" not in remote.s3.list_multipart_uploads(Bucket=remote.bucket)


def test_only_what_nobody_wants_is_swept(blobs: ExternalBlobs, remote: Remote) -> None:
    claims = Claims()

    async def run() -> None:
        kept, released, orphan = [(await blobs.write(pieces(1, 10))).key for _ in range(3)]
        for key in (kept, released):
            blobs.claim(claims, key)  # type: ignore[arg-type]
        blobs.release(claims, released)  # type: ignore[arg-type]
        blobs.delete([released])
        assert await blobs.sweep(claims) == 0
        assert await read(blobs, released) == bytes(10), "a reader may be about to"
        assert await blobs.sweep(claims, age=-10.0) == 2
        assert remote.stored() == [f"pre/s3/{kept}"]
        assert orphan not in remote.stored()

    asyncio.run(run())
    before = len(claims.pairs)
    blobs.tidy(claims)  # type: ignore[arg-type]
    assert len(claims.pairs) == before
    name = next(key for key in claims.pairs if b"released" in key)
    import msgspec

    claims.put(name, msgspec.msgpack.encode(time.time() - 9999))
    blobs.tidy(claims)  # type: ignore[arg-type]
    assert name not in claims.pairs


def test_a_cloud_keeps_its_contents_elsewhere(remote: Remote, tmp_path: Path, refused: Any) -> None:
    bucket = f"test-{secrets.token_hex(6)}"
    large = os.urandom(9_000_000)
    data = tmp_path / "data"
    with Cloud(data) as before:
        s3 = before.root.client("s3")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="here", Body=large)
        before.stop()
    with Cloud(data, "--blobs", remote.address, environment=remote.environment) as running:
        s3 = running.root.client("s3")
        assert s3.get_object(Bucket=bucket, Key="here")["Body"].read() == large
        s3.put_object(Bucket=bucket, Key="there", Body=large, ServerSideEncryption="AES256")
        s3.put_object(Bucket=bucket, Key="small", Body=b"small")
        assert len(remote.stored()) == 1
        assert remote.s3.get_object(Bucket=remote.bucket, Key=remote.stored()[0])["Body"].read() != large
        running.kill()
        running.start()
        assert s3.get_object(Bucket=bucket, Key="there")["Body"].read() == large
        part = s3.get_object(Bucket=bucket, Key="there", Range="bytes=8388600-8388700")["Body"].read()
        assert part == large[8388600:8388701]
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "there"})
        s3.delete_object(Bucket=bucket, Key="here")
        assert len(remote.stored()) == 2
        remote.s3.delete_objects(Bucket=remote.bucket, Delete={"Objects": [{"Key": key} for key in remote.stored()]})
        remote.s3.delete_bucket(Bucket=remote.bucket)
        with refused("ServiceUnavailable", 503):
            s3.put_object(Bucket=bucket, Key="refused", Body=large)
        assert s3.get_object(Bucket=bucket, Key="small")["Body"].read() == b"small"
    with pytest.raises(RuntimeError, match="start with --blobs"):
        Cloud(data)
    with pytest.raises(RuntimeError, match="cannot be used"):
        Cloud(tmp_path / "other", "--blobs", remote.address, environment=remote.environment)
