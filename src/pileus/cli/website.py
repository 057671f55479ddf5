"""A website's files: built, uploaded with the types and cache rules that browsers need, and told where its cloud is."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pileus.cli.bundles import cache, hash_of, run
from pileus.cli.errors import CommandError
from pileus.cli.source import Site

_HASHED = re.compile(r"[.-][0-9A-Za-z_]*[0-9][0-9A-Za-z_]*\.[a-z0-9]+$")
_HASH_LENGTH = 8
_FOREVER = "public, max-age=31536000, immutable"
_ASK = "no-cache"
_TYPES = {
    ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".map": "application/json",
    ".svg": "image/svg+xml", ".wasm": "application/wasm", ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2", ".ico": "image/x-icon", ".avif": "image/avif", ".webp": "image/webp",
}  # fmt: skip


MARK = {"pileus": "configuration"}
"""The metadata of what a deployment wrote into a site and no folder has."""


class File(NamedTuple):
    """`metadata` is kept with the object."""

    key: str
    data: bytes
    metadata: Mapping[str, str] = {}

    @property
    def content_type(self) -> str:
        suffix = Path(self.key).suffix.lower()
        found = _TYPES.get(suffix) or mimetypes.guess_type(self.key)[0] or "application/octet-stream"
        text = found.startswith("text/") or found in ("application/json", "image/svg+xml")
        return f"{found}; charset=utf-8" if text else found

    @property
    def cache_control(self) -> str:
        """A name with a hash of the content in it never comes to mean anything else; of all others a browser asks
        whether they changed."""
        match = _HASHED.search(self.key)
        return _FOREVER if match and len(match.group(0).split(".")[-2].strip(".-")) >= _HASH_LENGTH else _ASK


def build(site: Site, base: Path) -> bool:
    """Runs the site's build where its sources changed since the last time; says whether it did. It runs in the
    nearest folder around the site that has a package.json, else beside the template. Raises CommandError."""
    if not site.build:
        if not site.folder.is_dir():
            raise CommandError(
                f"{site.folder} does not exist; build the site first, or say how in Metadata.Pileus.Build."
            )
        return False
    work = next((folder for folder in site.folder.parents if (folder / "package.json").is_file()), base)
    read = (work, *site.sources)
    state = "".join(hash_of(folder, without=frozenset({site.folder})) for folder in read) + site.build
    stamp = cache() / "sites" / hashlib.sha256(str(site.folder.resolve()).encode()).hexdigest()
    if site.folder.is_dir() and stamp.is_file() and stamp.read_text() == state:
        return False
    run(["/bin/sh", "-c", site.build], work, shown=site.build)
    if not site.folder.is_dir():
        raise CommandError(f"`{site.build}` made no {site.folder}.")
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(state)
    return True


def files(site: Site, outputs: Mapping[str, str], region: str, endpoint: str | None) -> Iterator[File]:
    """The site's files, and the configuration that tells the page its cloud and the stack's outputs."""
    for path in sorted(site.folder.rglob("*")):
        if path.is_file():
            key = path.relative_to(site.folder).as_posix()
            if key != site.config:
                yield File(key, path.read_bytes())
    if site.config:
        told = {**outputs, "region": region, "endpoint": endpoint}
        yield File(site.config, json.dumps(told, indent=1, sort_keys=True).encode(), MARK)


def upload(client: Any, bucket: str, wanted: Iterator[File], earlier: set[str]) -> tuple[int, set[str]]:
    """Brings the bucket to the files, touching only what differs. `earlier` are the keys that an earlier deployment
    put there: what is no file any more goes, what others put there stays. Answers how many were sent, and all keys."""
    there = {
        item["Key"]: item["ETag"].strip('"')
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for item in page.get("Contents", [])
    }
    keys: set[str] = set()
    sent = 0
    for file in wanted:
        keys.add(file.key)
        if there.get(file.key) != hashlib.md5(file.data, usedforsecurity=False).hexdigest():
            client.put_object(
                Bucket=bucket, Key=file.key, Body=file.data, ContentType=file.content_type,
                CacheControl=file.cache_control, Metadata=dict(file.metadata),
            )  # fmt: skip
            sent += 1
    for key in sorted((earlier - keys) & there.keys()):
        client.delete_object(Bucket=bucket, Key=key)
    return sent, keys
