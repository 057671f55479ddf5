"""kill -9 in the midst of writes: what was answered is there, whole; what was not is there whole or not at all."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

BUCKET = "bucket"
SIZES = (100, 40_000, 1_500_000)


class Writer(threading.Thread):
    """Overwrites its own keys with ever new contents, and keeps what was answered and what was under way."""

    def __init__(self, s3: Any, name: str) -> None:
        super().__init__()
        self.s3 = s3
        self.label = name
        self.answered: dict[str, str] = {}
        self.tried: dict[str, set[str]] = {}
        self.ended = False

    def run(self) -> None:
        number = 0
        while not self.ended:
            number += 1
            key = f"{self.label}/{number % 7}"
            body = f"{key} {number} ".encode() * (SIZES[number % 3] // 10)
            digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
            self.tried.setdefault(key, set()).add(digest)
            try:
                self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            except (BotoCoreError, ClientError):
                return
            self.answered[key] = digest
            self.tried[key] = {digest}


@pytest.mark.parametrize("delay", [0.6, pytest.param(1.1, marks=pytest.mark.slow)])
def test_nothing_that_was_answered_is_lost(fresh_cloud: Any, delay: float) -> None:
    s3 = fresh_cloud.root.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    writers = [Writer(s3, f"w{number}") for number in range(3)]
    for writer in writers:
        writer.start()
    time.sleep(delay)
    fresh_cloud.kill()
    for writer in writers:
        writer.ended = True
        writer.join()
    fresh_cloud.start()
    s3 = fresh_cloud.root.client("s3")
    found = 0
    for writer in writers:
        for key, digests in writer.tried.items():
            try:
                answer = s3.get_object(Bucket=BUCKET, Key=key)
            except ClientError as error:
                assert error.response["Error"]["Code"] == "NoSuchKey"
                assert key not in writer.answered, f"{key} was answered and is gone"
                continue
            body = answer["Body"].read()
            digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
            assert answer["ETag"] == f'"{digest}"'
            assert digest in digests | {writer.answered.get(key)}
            found += 1
    assert found > 0


def test_a_body_that_breaks_off_leaves_nothing(fresh_cloud: Any) -> None:
    import socket

    from botocore.config import Config

    s3 = fresh_cloud.root.client("s3", config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket=BUCKET)
    url = s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "k"})
    host, _, port = fresh_cloud.endpoint.rpartition("/")[2].partition(":")
    path = url.partition(f":{port}")[2]
    with socket.create_connection((host, int(port))) as connection:
        head = f"PUT {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 5000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 2_000_000)
    blobs = fresh_cloud.data / "blobs"
    for _ in range(100):
        files = [path for path in blobs.rglob("*") if path.is_file()]
        if not files:
            break
        time.sleep(0.05)
    assert not files
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)
