"""A real cloud for the tests of an application: a `pileus up` process, and accounts of its own for each test.

    from pileus.testing import Cloud

    with Cloud(tmp_path / "cloud") as cloud:
        account = cloud.create_account()
        account.client("s3").create_bucket(Bucket="mine")

Whoever uses pytest gets the same as fixtures (`pileus.testing.plugin`).
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self
from urllib.request import urlopen

import boto3
from botocore.config import Config

REGION = "us-east-1"
PILEUS = str(Path(sys.executable).parent / "pileus")


@dataclass
class Account:
    """Credentials in an account of a running cloud, its root's at first, as boto3 or a subprocess uses them."""

    endpoint: str
    id: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client that does not retry: a test wants the first answer."""
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
    """A `pileus up` process on a free port, which can be killed and started again on the same data.

    `options` are those of `pileus up`. Raises RuntimeError, with what it said, where it does not start.
    """

    def __init__(self, data: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self.data = data
        self.options = options
        self.environment = environment or {}
        self.endpoint = ""
        self.process: subprocess.Popen[str]
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Again, on the same port, after `kill` or `stop`."""
        port = self.endpoint.rpartition(":")[2] or "0"
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [PILEUS, "up", "--data", str(self.data), "--port", port, *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environment},
        )
        line = self._stream(self.process.stdout).readline()
        if "is up at " not in line:
            raise RuntimeError(f"pileus did not start: {line}{self._stream(self.process.stderr).read()}")
        self.endpoint = line.rpartition(" ")[2].strip()

    def kill(self) -> None:
        """As a loss of power would: nothing is closed."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ends it cleanly; its exit code. Raises subprocess.TimeoutExpired."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    @staticmethod
    def _stream(stream: IO[str] | None) -> IO[str]:
        if stream is None:
            raise RuntimeError("the process was started without pipes")
        return stream

    def pileus(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs a `pileus` command against this cloud."""
        return subprocess.run(  # noqa: S603
            [PILEUS, *words],
            capture_output=True,
            text=True,
            timeout=options.pop("timeout", 60),
            env={**os.environ, "PILEUS_DATA": str(self.data), **options.pop("env", {})},
            **options,
        )

    def create_account(self, name: str = "") -> Account:
        """A new account, apart from all others: what one test leaves behind no other sees."""
        return self._account(self.pileus("account", "create", name or f"test-{secrets.token_hex(6)}"))

    @property
    def root(self) -> Account:
        """The first account's root."""
        return self._account(self.pileus("env"))

    def _account(self, result: subprocess.CompletedProcess[str]) -> Account:
        if result.returncode != 0:
            raise RuntimeError(result.stderr)
        lines = result.stdout.splitlines()
        values = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        return Account(
            self.endpoint,
            values.get("PILEUS_ACCOUNT_ID", "000000000000"),
            values["AWS_ACCESS_KEY_ID"],
            values["AWS_SECRET_ACCESS_KEY"],
        )

    def get(self, path: str) -> bytes:
        """What an unsigned GET answers."""
        with urlopen(self.endpoint + path, timeout=10) as response:  # noqa: S310 - our own address
            return bytes(response.read())
