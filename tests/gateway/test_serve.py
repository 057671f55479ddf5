"""The processes: workers that share a port, ends that are clean, starts that cannot be."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conftest import Cloud


@pytest.fixture
def two_workers(tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path / "data", "--workers", "2", "--durability", "relaxed")
    yield cloud
    if cloud.process.poll() is None:
        cloud.stop()


def _workers(cloud: Cloud) -> set[int]:
    children = Path(f"/proc/{cloud.process.pid}/task/{cloud.process.pid}/children").read_text().split()
    return {int(child) for child in children}


def test_a_policy_changed_in_one_worker_is_in_force_in_all(two_workers: Cloud) -> None:
    root = two_workers.root
    iam = root.client("iam")
    iam.create_user(UserName="ada")
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    ada = type(root)(root.endpoint, root.id, key["AccessKeyId"], key["SecretAccessKey"])
    # A new client opens a new connection: over many, both workers are asked.
    for allowed in (True, False, True):
        if allowed:
            policy = {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"}],
            }
            iam.put_user_policy(UserName="ada", PolicyName="list", PolicyDocument=json.dumps(policy))
        else:
            iam.delete_user_policy(UserName="ada", PolicyName="list")
        for _ in range(8):
            client = ada.client("dynamodb")
            if allowed:
                client.list_tables()
            else:
                with pytest.raises(ClientError, match="not authorized"):
                    client.list_tables()
            client.close()


def test_a_worker_that_dies_is_replaced(two_workers: Cloud) -> None:
    before = _workers(two_workers)
    assert len(before) == 2
    os.kill(min(before), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while len(after := _workers(two_workers)) < 2 or after == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for _ in range(4):
        with contextlib.suppress(ConnectionError):
            assert json.loads(two_workers.get("/_pileus/health"))["workers"] == 2
    assert two_workers.stop() == 0


def test_sigterm_ends_it_cleanly_and_state_stays(fresh_cloud: Cloud) -> None:
    fresh_cloud.root.client("s3").create_bucket(Bucket="kept")
    assert fresh_cloud.stop() == 0
    fresh_cloud.start()
    assert [bucket["Name"] for bucket in fresh_cloud.root.client("s3").list_buckets()["Buckets"]] == ["kept"]


def test_the_first_root_key_can_be_given(tmp_path: Path) -> None:
    given = {"PILEUS_ROOT_ACCESS_KEY_ID": "AKIAGIVENGIVENGIVEN1", "PILEUS_ROOT_SECRET_ACCESS_KEY": "a-secret-of-mine"}
    cloud = Cloud(tmp_path / "data", environment=given)
    try:
        assert cloud.root.access_key_id == given["PILEUS_ROOT_ACCESS_KEY_ID"]
        assert cloud.root.secret_access_key == given["PILEUS_ROOT_SECRET_ACCESS_KEY"]
        assert cloud.root.client("sts").get_caller_identity()["Account"] == "000000000000"
    finally:
        cloud.stop()


_ONLY_SECURE = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::kept/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    },
}  # fmt: skip


@pytest.mark.parametrize("options", [(), ("--trust-loopback",)])
def test_plain_http_is_secure_transport_only_where_the_machine_is_trusted(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    cloud = Cloud(tmp_path / "data", *options)
    try:
        s3 = cloud.root.client("s3")
        s3.create_bucket(Bucket="kept")
        s3.put_bucket_policy(Bucket="kept", Policy=json.dumps(_ONLY_SECURE))
        if options:
            s3.put_object(Bucket="kept", Key="a", Body=b"")
        else:
            with pytest.raises(ClientError, match="AccessDenied"):
                s3.put_object(Bucket="kept", Key="a", Body=b"")
    finally:
        cloud.stop()


def test_data_is_the_owners_alone(cloud: Cloud) -> None:
    assert cloud.data.stat().st_mode & 0o077 == 0
    for path in cloud.data.iterdir():
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--data", "{data}"), "Another Pileus uses"),
        (("--data", "{new}", "--port", "{port}"), "cannot be used"),
        (("--data", "/proc/nowhere"), "cannot be used"),
        (("--data", "{new}", "--port", "0", "--tls-certificate", "/dev/null"), "go together"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(
    cloud: Cloud, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    values = {"data": str(cloud.data), "new": str(tmp_path / "new"), "port": cloud.endpoint.rpartition(":")[2]}
    result = cloud.pileus("up", *[word.format(**values) for word in words])
    assert result.returncode != 0
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def _raw(cloud: Cloud, data: bytes) -> bytes:
    host, _, port = cloud.endpoint.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                received += piece
        return received


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_smuggled_and_oversized_heads_are_refused(cloud: Cloud, data: bytes) -> None:
    assert _raw(cloud, data)[9:12] in (b"400", b"")
    assert cloud.get("/_pileus/health")


def test_a_header_that_never_ends_is_refused_before_it_fills_the_memory(cloud: Cloud) -> None:
    host, _, port = cloud.endpoint.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with contextlib.suppress(ConnectionError):  # closed while it was being sent: refused as well
            for _ in range(64):
                connection.sendall(b"a" * 65536)
                if select.select([connection], [], [], 0.01)[0]:
                    break
            assert connection.recv(64)[9:12] == b"400"


def test_hundreds_of_idle_connections_leave_room(cloud: Cloud) -> None:
    host, _, port = cloud.endpoint.removeprefix("http://").partition(":")
    idle: list[Any] = []
    try:
        for _ in range(900):
            idle.append(socket.create_connection((host, int(port)), timeout=10))
            idle[-1].sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
        assert cloud.get("/_pileus/health")
    finally:
        for connection in idle:
            connection.close()
