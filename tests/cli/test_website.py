"""A site's files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from pileus.cli.errors import CommandError
from pileus.cli.source import Site
from pileus.cli.website import File, build, files, upload


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("key", "content_type", "cached"),
    [
        ("index.html", "text/html; charset=utf-8", "no-cache"),
        ("main.js", "text/javascript; charset=utf-8", "no-cache"),
        ("app-4f3a9b2c.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("assets/app.4f3a9b2c1d.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable"),
        ("logo-2024.svg", "image/svg+xml; charset=utf-8", "no-cache"),
        ("picture.png", "image/png", "no-cache"),
        ("module.wasm", "application/wasm", "no-cache"),
        ("site.webmanifest", "application/manifest+json", "no-cache"),
        ("file.unheard-of", "application/octet-stream", "no-cache"),
        ("README", "application/octet-stream", "no-cache"),
    ],
)
def test_types_and_caching(key: str, content_type: str, cached: str) -> None:
    file = File(key, b"")
    assert (file.content_type, file.cache_control) == (content_type, cached)


class Bucket:
    """As much of an S3 client as uploading needs."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []

    def get_paginator(self, _: str) -> Bucket:
        return self

    def paginate(self, Bucket: str) -> list[dict[str, Any]]:  # noqa: N803
        import hashlib

        return [{"Contents": [{"Key": k, "ETag": f'"{hashlib.md5(v).hexdigest()}"'} for k, v in self.objects.items()]}]  # noqa: S324

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        self.objects[Key] = io.BytesIO(Body).read()
        self.puts.append(Key)

    def delete_object(self, Bucket: str, Key: str) -> None:  # noqa: N803
        del self.objects[Key]


def test_only_differences_are_sent_and_only_own_files_are_taken_away() -> None:
    bucket = Bucket()
    bucket.objects["upload-of-a-user"] = b"theirs"
    sent, keys = upload(bucket, "b", iter([File("a", b"1"), File("b", b"2")]), set())
    assert (sent, keys) == (2, {"a", "b"})
    bucket.puts.clear()
    sent, keys = upload(bucket, "b", iter([File("a", b"1"), File("c", b"3")]), keys)
    assert (sent, bucket.puts, keys) == (1, ["c"], {"a", "c"})
    assert sorted(bucket.objects) == ["a", "c", "upload-of-a-user"]


def test_the_page_is_told_its_cloud(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("x")
    (folder / "config.json").write_text("{}")
    site = Site("Site", folder, "", "config.json")
    made = {file.key: file.data for file in files(site, {"Table": "t"}, "eu-west-1", "http://localhost:1")}
    assert json.loads(made["config.json"]) == {"Table": "t", "region": "eu-west-1", "endpoint": "http://localhost:1"}
    on_aws = {file.key: file.data for file in files(site, {}, "eu-west-1", None)}
    assert json.loads(on_aws["config.json"])["endpoint"] is None


def test_a_site_is_built_when_its_sources_changed(tmp_path: Path) -> None:
    work = tmp_path / "site"
    work.mkdir()
    (work / "package.json").write_text("{}")
    (work / "source").write_text("1")
    site = Site("Site", work / "dist", "mkdir -p dist && cp source dist/out", "")
    assert build(site, tmp_path)
    assert not build(site, tmp_path)
    (work / "source").write_text("2")
    assert build(site, tmp_path)
    assert (work / "dist" / "out").read_text() == "2"


def test_a_site_is_built_when_what_it_borrows_changed(tmp_path: Path) -> None:
    work, shared = tmp_path / "site", tmp_path / "shared"
    work.mkdir()
    shared.mkdir()
    (work / "package.json").write_text("{}")
    (shared / "source").write_text("1")
    site = Site("Site", work / "dist", "mkdir -p dist && cp ../shared/source dist/out", "", (shared,))
    assert build(site, tmp_path)
    assert not build(site, tmp_path)
    (shared / "source").write_text("2")
    assert build(site, tmp_path)
    assert (work / "dist" / "out").read_text() == "2"


def test_builds_that_fail_say_so_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="does not exist"):
        build(Site("Site", tmp_path / "dist", "", ""), tmp_path)
    with pytest.raises(CommandError, match="broken"):
        build(Site("Site", tmp_path / "dist", "echo broken >&2; exit 3", ""), tmp_path)
    with pytest.raises(CommandError, match="made no"):
        build(Site("Site", tmp_path / "dist", "true", ""), tmp_path)
