"""Which cloud a command talks to, as boto3 clients."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pileus.cli.errors import CommandError


class Target(StrEnum):
    pileus = "pileus"
    aws = "aws"


Where = Annotated[Target, typer.Option("--target", help="pileus: the running cloud. aws: Amazon's, as boto3 finds it.")]


class Session:
    """`endpoint` is the cloud's address, None on AWS."""

    def __init__(self, target: Target, data: Path) -> None:
        import boto3

        self.target = target
        self.endpoint: str | None = None
        if target is Target.aws:
            if os.environ.get("AWS_ENDPOINT_URL"):
                raise CommandError("AWS_ENDPOINT_URL points elsewhere; unset it to deploy to AWS.")
            self._session = boto3.Session()
            return
        values = _environment(data)
        self.endpoint = values["AWS_ENDPOINT_URL"]
        self._session = boto3.Session(
            aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=values.get("AWS_SESSION_TOKEN"),
            region_name=values["AWS_REGION"],
        )

    @property
    def region(self) -> str:
        region = self._session.region_name
        if not region:
            raise CommandError("No region is configured; set AWS_REGION.")
        return str(region)

    @property
    def local(self) -> bool:
        return self.endpoint is not None

    def client(self, service: str) -> Any:
        from botocore.config import Config

        config = Config(retries={"mode": "standard"}, s3={"addressing_style": "path"} if self.local else None)
        return self._session.client(service, endpoint_url=self.endpoint, config=config)


def _environment(data: Path) -> dict[str, str]:
    """The environment's own AWS_* where they name an endpoint and no data directory was named, else the root of the
    cloud that runs on it."""
    from pileus.cli.running import DEFAULT_DATA, variables

    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    if os.environ.get("AWS_ENDPOINT_URL") and data == DEFAULT_DATA:
        given = {name: os.environ[name] for name in names if os.environ.get(name)}
        if "AWS_ACCESS_KEY_ID" not in given or "AWS_SECRET_ACCESS_KEY" not in given:
            raise CommandError('AWS_ENDPOINT_URL is set without keys; set both with `eval "$(pileus env)"`.')
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return {**given, "AWS_REGION": region}
    return variables(data)
