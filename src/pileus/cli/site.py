"""`pileus site sync`: a folder becomes a bucket's website, and stays the same as it."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from pileus.cli.errors import CommandError
from pileus.cli.running import DEFAULT_DATA, Data
from pileus.cli.session import Session, Target, Where
from pileus.cli.website import MARK, File

_COMPRESSIBLE = ("text/", "application/json", "application/manifest+json", "application/wasm", "image/svg+xml")
_SMALLEST_TO_COMPRESS = 1024
_AT_ONCE = 8


class Upload(NamedTuple):
    """A file as the bucket shall hold it."""

    file: File
    cache_control: str
    encoding: str

    @property
    def etag(self) -> str:
        return hashlib.md5(self.file.data, usedforsecurity=False).hexdigest()

    def send(self, client: Any, bucket: str) -> None:
        encoding = {"ContentEncoding": self.encoding} if self.encoding else {}
        client.put_object(
            Bucket=bucket,
            Key=self.file.key,
            Body=self.file.data,
            ContentType=self.file.content_type,
            CacheControl=self.cache_control,
            **encoding,
        )


def sync(
    directory: Annotated[Path, typer.Argument(help="The folder with the site's files.")],
    bucket: Annotated[str, typer.Argument(help="The bucket that serves it.")],
    data: Data = DEFAULT_DATA,
    target: Where = Target.pileus,
    delete: Annotated[bool, typer.Option(help="Delete from the bucket what the folder does not have.")] = True,
    gzip: Annotated[bool, typer.Option(help="Store texts compressed, with Content-Encoding: gzip.")] = False,
    cache: Annotated[
        list[str] | None,
        typer.Option(help="Cache-Control for files: PATTERN=VALUE, as '*.html=no-cache'. The last that fits counts."),
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Files to leave alone, as '*.map'.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Upload a folder to a bucket's website: what changed goes up, what is gone goes away."""
    from rich.console import Console

    if not directory.is_dir():
        raise CommandError(f"{directory} is not a folder.")
    rules = [_rule(text) for text in cache or ()]
    client = Session(target, data).client("s3")
    there = _there(client, bucket)
    console = Console(highlight=False, soft_wrap=True)
    kept: set[str] = set()
    changed: list[Upload] = []
    for path in sorted(directory.rglob("*")):
        key = path.relative_to(directory).as_posix()
        if not path.is_file() or _fits(key, exclude or ()):
            continue
        kept.add(key)
        upload = _upload(File(key, path.read_bytes()), rules, compress=gzip)
        if there.get(key) != upload.etag:
            changed.append(upload)
    left = sorted(key for key in there if key not in kept and not _fits(key, exclude or ())) if delete else []
    gone = [key for key in left if not _is_configuration(client, bucket, key)]
    for upload in changed:
        console.print(f"↑ {upload.file.key}", markup=False)
    for key in gone:
        console.print(f"✗ {key}", markup=False)
    if not dry_run:
        with console.status(f"{len(changed)} to upload"), ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(upload.send, client, bucket) for upload in changed]:
                done.result()
        for some in _groups(gone, 1000):
            client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True})
    would = "would be " if dry_run else ""
    unchanged = len(there.keys() & kept) - sum(upload.file.key in there for upload in changed)
    console.print(f"{len(changed)} {would}uploaded, {len(gone)} {would}deleted, {unchanged} unchanged")


def _there(client: Any, bucket: str) -> dict[str, str]:
    """ETags by key."""
    from botocore.exceptions import ClientError

    try:
        return {
            item["Key"]: item["ETag"].strip('"')
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for item in page.get("Contents", [])
        }
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            raise CommandError(f"There is no bucket {bucket}; make it first: aws s3 mb s3://{bucket}") from error
        raise CommandError(str(error)) from error


def _is_configuration(client: Any, bucket: str, key: str) -> bool:
    """Whether `pileus deploy` wrote it to tell the page about its cloud: no folder has it, and the page needs it."""
    found: dict[str, str] = client.head_object(Bucket=bucket, Key=key)["Metadata"]
    return found == MARK


def _rule(text: str) -> tuple[str, str]:
    pattern, separator, value = text.partition("=")
    if not separator or not pattern or not value:
        raise CommandError(f"--cache {text} is not PATTERN=VALUE, as in --cache '*.html=no-cache'.")
    return pattern, value


def _fits(key: str, patterns: list[str] | tuple[()]) -> bool:
    return any(fnmatchcase(key, pattern) or fnmatchcase(key.rpartition("/")[2], pattern) for pattern in patterns)


def _upload(file: File, rules: list[tuple[str, str]], *, compress: bool) -> Upload:
    control = file.cache_control
    for pattern, value in rules:
        if _fits(file.key, [pattern]):
            control = value
    fits = file.content_type.startswith(_COMPRESSIBLE) and len(file.data) >= _SMALLEST_TO_COMPRESS
    if not compress or not fits:
        return Upload(file, control, "")
    # The same bytes every time, so that what did not change is known by its ETag.
    return Upload(File(file.key, gzip.compress(file.data, 9, mtime=0)), control, "gzip")


def _groups(keys: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
