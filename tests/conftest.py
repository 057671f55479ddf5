"""A real cloud for tests: a `pileus up` process on a free port, and fresh accounts on it, so that tests stay apart."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config

pytest_plugins = ["todo_application"]

REGION = "us-east-1"
PILEUS = str(Path(sys.executable).parent / "pileus")


@dataclass
class Account:
    """An account's root, as boto3 or a subprocess uses it."""

    endpoint: str
    id: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def client(self, service: str, **options: Any) -> Any:
        options.setdefault("config", Config(retries={"total_max_attempts": 1}, read_timeout=30))
        return boto3.client(
            service,
            endpoint_url=options.pop("endpoint_url", self.endpoint),
            region_name=options.pop("region_name", REGION),
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            aws_session_token=self.session_token,
            **options,
        )

    def env(self) -> dict[str, str]:
        """The environment for the AWS CLI and other SDKs."""
        values = {
            **os.environ,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }
        if self.session_token:
            values["AWS_SESSION_TOKEN"] = self.session_token
        return values

    def using(self, credentials: dict[str, Any]) -> Account:
        """The same cloud with temporary credentials, as STS or Cognito answer them."""
        return Account(
            self.endpoint,
            self.id,
            credentials["AccessKeyId"],
            credentials.get("SecretAccessKey") or credentials["SecretKey"],
            credentials["SessionToken"],
        )


class Cloud:
    """A `pileus up` process that can be killed and started again on the same data."""

    def __init__(self, data: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self.data = data
        self.options = options
        self.environment = environment or {}
        self.endpoint = ""
        self.process: subprocess.Popen[str]
        self.start()

    def start(self) -> None:
        port = self.endpoint.rpartition(":")[2] or "0"
        self.process = subprocess.Popen(
            [PILEUS, "up", "--data", str(self.data), "--port", port, *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environment},
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        line = self.process.stdout.readline()
        if "is up at " not in line:
            raise RuntimeError(f"pileus did not start: {line}{self.process.stderr.read()}")
        self.endpoint = line.rpartition(" ")[2].strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def pileus(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs a `pileus` command against this cloud."""
        return subprocess.run(
            [PILEUS, *words],
            capture_output=True,
            text=True,
            timeout=options.pop("timeout", 60),
            env={**os.environ, "PILEUS_DATA": str(self.data), **options.pop("env", {})},
            **options,
        )

    def create_account(self, name: str = "") -> Account:
        result = self.pileus("account", "create", name or f"test-{secrets.token_hex(6)}")
        assert result.returncode == 0, result.stderr
        return self._account(result.stdout)

    @property
    def root(self) -> Account:
        result = self.pileus("env")
        assert result.returncode == 0, result.stderr
        return self._account(result.stdout)

    def _account(self, lines: str) -> Account:
        values = dict(line.removeprefix("export ").split("=", 1) for line in lines.splitlines())
        return Account(
            self.endpoint,
            values.get("PILEUS_ACCOUNT_ID", "000000000000"),
            values["AWS_ACCESS_KEY_ID"],
            values["AWS_SECRET_ACCESS_KEY"],
        )

    def get(self, path: str) -> bytes:
        with urlopen(self.endpoint + path, timeout=10) as response:
            return bytes(response.read())


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all tests of a worker process, durability relaxed: tests of durability start their own."""
    running = Cloud(tmp_path_factory.mktemp("cloud") / "data", "--durability", "relaxed")
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture
def fresh_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """One of the test's own, to be killed, filled or looked into; durability full."""
    running = Cloud(tmp_path / "data")
    yield running
    if running.process.poll() is None:
        running.kill()
    for stream in (running.process.stdout, running.process.stderr):
        if stream is not None:
            stream.close()


@pytest.fixture
def account(cloud: Cloud) -> Account:
    """An account that no other test has."""
    wait_until_ready(cloud)
    return cloud.create_account()


def wait_until_ready(cloud: Cloud) -> None:
    for _ in range(100):
        try:
            cloud.get("/_pileus/health")
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the cloud does not answer")
