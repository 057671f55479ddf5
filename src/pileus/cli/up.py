"""`pileus up`."""

from __future__ import annotations

import gc
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pileus.cli.errors import CommandError
from pileus.cli.running import DEFAULT_DATA, Data, one_line


class Durability(StrEnum):
    full = "full"
    relaxed = "relaxed"


def up(
    data: Data = DEFAULT_DATA,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 picks a free one and prints it.", min=0, max=65535)] = 4566,
    workers: Annotated[int, typer.Option(help="Gateway processes that share the port.", min=1, max=64)] = 1,
    durability: Annotated[
        Durability,
        typer.Option(help="full: an answered write is on disk. relaxed: it survives a kill, not a power loss."),
    ] = Durability.full,
    region: Annotated[str, typer.Option(help="The region that this cloud is.")] = os.environ.get(
        "AWS_REGION", "us-east-1"
    ),
    require_isolation: Annotated[
        bool, typer.Option("--require-isolation", help="Refuse to start where functions cannot be kept apart.")
    ] = False,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="A PEM file with a certificate and its chain: the port speaks HTTPS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's private key, a PEM file.")] = None,
    trust_loopback: Annotated[
        bool,
        typer.Option(
            "--trust-loopback",
            help="Take plain HTTP from this machine for secure transport (aws:SecureTransport), as TLS would be.",
        ),
    ] = False,
    blobs: Annotated[
        str,
        typer.Option(
            help="Keep S3's larger contents in another object store: s3://bucket/prefix?endpoint=…&region=…",
            envvar="PILEUS_BLOBS",
        ),
    ] = "",
) -> int:
    """Run the cloud in the foreground. It prints its address when it answers; SIGTERM or Ctrl-C ends it."""
    # What is made while starting stays: looking for garbage in it again and again takes a tenth of the start. The
    # workers turn the collector on when they are ready.
    gc.disable()
    import pileus.console  # noqa: F401 - puts its page where the gateway finds it
    from pileus.gateway.serve import up as serve
    from pileus.services.context import Settings

    if not region.replace("-", "").isalnum():
        raise CommandError(f"{region!r} is no region's name; us-east-1 is one.", exit_code=2)
    if (tls_certificate is None) != (tls_key is None):
        raise CommandError("--tls-certificate and --tls-key go together.", exit_code=2)
    settings = Settings(
        data=data.resolve(),
        host=host,
        port=port,
        workers=workers,
        durability="full" if durability is Durability.full else "relaxed",
        region=region,
        require_isolation=require_isolation,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        trust_loopback=trust_loopback,
        blobs=blobs,
    )
    with one_line():
        return serve(settings)
