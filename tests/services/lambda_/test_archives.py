"""Hostile archives: nothing outside the folder, nothing beyond the limit, nothing left behind."""

import contextlib
import io
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.services.lambda_.archives import ArchiveError, TooLargeError, unpack

LIMIT = 1 << 20


def write(path: Path, *entries: tuple[str, bytes, int]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return path


FILE, LINK = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777


def test_files_folders_and_links_are_made_read_only(tmp_path: Path) -> None:
    archive = write(
        tmp_path / "a.zip",
        ("bin/tool", b"#!/bin/sh\n", stat.S_IFREG | 0o755),
        ("data.txt", b"data", FILE),
        ("bin/link", b"../data.txt", LINK),
        ("empty/", b"", stat.S_IFDIR | 0o755),
    )
    folder = tmp_path / "out"
    assert unpack(archive, folder, LIMIT) == len(b"#!/bin/sh\n" + b"data")
    assert (folder / "bin/link").read_bytes() == b"data"
    assert stat.S_IMODE((folder / "bin/tool").stat().st_mode) == 0o555
    assert stat.S_IMODE((folder / "data.txt").stat().st_mode) == 0o444
    assert stat.S_IMODE((folder / "bin").stat().st_mode) == 0o555
    assert (folder / "empty").is_dir()


@pytest.mark.parametrize(
    "entries",
    [
        [("../evil", b"x", FILE)],
        [("a/../../evil", b"x", FILE)],
        [("/etc/evil", b"x", FILE)],
        [("..", b"x", FILE)],
        [("link", b"/etc/passwd", LINK)],
        [("link", b"../../evil", LINK)],
        [("a/link", b"../..", LINK)],
        [("link", b"", LINK)],
        [("device", b"", stat.S_IFCHR | 0o666)],
        [("pipe", b"", stat.S_IFIFO | 0o666)],
        [("a", b"x", FILE), ("a/b", b"x", FILE)],
        [("link", b".", LINK), ("link/b", b"x", FILE)],
        [("x" * 300, b"x", FILE)],
        [],
    ],
)
def test_what_leaves_the_folder_or_is_no_file_is_refused(tmp_path: Path, entries: list[tuple[str, bytes, int]]) -> None:
    archive = write(tmp_path / "a.zip", *entries)
    with pytest.raises(ArchiveError):
        unpack(archive, tmp_path / "out", LIMIT)
    assert not (tmp_path / "evil").exists()
    assert not Path("/etc/evil").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link to a folder inside, made before the file below it, would still be inside; it is refused all the same."""
    archive = write(tmp_path / "a.zip", ("d/", b"", stat.S_IFDIR | 0o755), ("l", b"d", LINK), ("l/f", b"x", FILE))
    with pytest.raises(ArchiveError):
        unpack(archive, tmp_path / "out", LIMIT)


def test_a_bomb_is_stopped_whatever_its_directory_claims(tmp_path: Path) -> None:
    honest = write(tmp_path / "honest.zip", ("zeros", bytes(2 * LIMIT), FILE))
    with pytest.raises(TooLargeError):
        unpack(honest, tmp_path / "one", LIMIT)
    raw = bytearray(honest.read_bytes())
    size = (2 * LIMIT).to_bytes(4, "little")
    while (place := raw.find(size)) >= 0:
        raw[place : place + 4] = (10).to_bytes(4, "little")
    lying = tmp_path / "lying.zip"
    lying.write_bytes(raw)
    with pytest.raises(ArchiveError):
        unpack(lying, tmp_path / "two", LIMIT)
    many = write(tmp_path / "many.zip", *((f"f{number}", bytes(LIMIT // 4), FILE) for number in range(5)))
    with pytest.raises(TooLargeError):
        unpack(many, tmp_path / "three", LIMIT)


@given(st.binary(max_size=400), st.integers(0, 400), st.binary(max_size=8))
def test_damaged_archives_raise_only_archive_errors(content: bytes, place: int, damage: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", content)
        archive.writestr("c", b"c")
    raw = bytearray(buffer.getvalue())
    raw[place : place + len(damage)] = damage
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.zip"
        path.write_bytes(raw)
        with contextlib.suppress(ArchiveError):
            unpack(path, Path(directory) / "out", LIMIT)
        for found in (Path(directory) / "out").rglob("*"):
            found.chmod(0o700)
