"""What bodies cost the server in memory: large ones, and those that do not come to an end."""

from __future__ import annotations

import io
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config

MIB = 1 << 20


def resident(cloud: Any) -> int:
    text = Path(f"/proc/{cloud.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024  # type: ignore[index]


def largest(cloud: Any) -> int:
    text = Path(f"/proc/{cloud.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) * 1024  # type: ignore[index]


@pytest.fixture
def s3(fresh_cloud: Any) -> Iterator[Any]:
    s3 = fresh_cloud.root.client("s3", config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket="test-memory")
    s3.put_object(Bucket="test-memory", Key="warm", Body=bytes(2 * MIB))
    s3.get_object(Bucket="test-memory", Key="warm")["Body"].read()
    yield s3


def test_a_large_body_passes_through(fresh_cloud: Any, s3: Any) -> None:
    before = largest(fresh_cloud)
    s3.put_object(Bucket="test-memory", Key="large", Body=io.BytesIO(bytes(128 * MIB)))
    body = s3.get_object(Bucket="test-memory", Key="large")["Body"]
    assert sum(len(piece) for piece in body.iter_chunks(MIB)) == 128 * MIB
    assert largest(fresh_cloud) - before < 48 * MIB


def test_uploads_that_stall_cost_a_megabyte_each_and_leave_nothing(fresh_cloud: Any, s3: Any) -> None:
    url = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": "test-memory", "Key": "stalled"}))
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {5 * 1024 * MIB}\r\n\r\n"
    before = resident(fresh_cloud)
    incoming = fresh_cloud.data / "blobs" / "areas" / "s3" / "incoming"
    stalled = []
    try:
        for _ in range(32):
            connection = socket.create_connection((url.hostname or "", url.port or 0), timeout=10)
            stalled.append(connection)
            connection.sendall(head.encode() + bytes(3 * MIB))
        assert eventually(lambda: len(list(incoming.iterdir())) == 32)
        assert s3.get_object(Bucket="test-memory", Key="warm")["ContentLength"] == 2 * MIB
        assert resident(fresh_cloud) - before < 32 * 2.5 * MIB
    finally:
        for connection in stalled:
            connection.close()
    assert eventually(lambda: not list(incoming.iterdir()))
    assert [row["Key"] for row in s3.list_objects_v2(Bucket="test-memory")["Contents"]] == ["warm"]


def eventually(holds: Any) -> bool:
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.05)
    return False
