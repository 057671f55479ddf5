"""Unpacking what strangers upload: a zip may only make files, folders and inner links below one folder.

Refused are paths that leave the folder, links that point out of it, devices, encrypted or exotic entries, and archives
that grow beyond the limit, whatever their directory claims. Links are made last, so that no entry is written through
one.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
import struct
import zipfile
import zlib
from pathlib import Path

_PIECE = 1 << 20
_ENTRIES = 200_000
_LINK_BYTES = 4096


class ArchiveError(ValueError):
    """The archive is broken, or holds what no function's code may."""


class TooLargeError(ArchiveError):
    """Unpacked, it is larger than the limit."""


def unpack(archive: Path, folder: Path, limit: int) -> int:
    """Writes the contents into `folder`, which must not exist, read-only; their size in bytes is the answer."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return _Unpacking(folder, limit).run(opened)
    except ArchiveError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise ArchiveError(str(error)) from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise ArchiveError("two entries contradict each other") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place outside the file is what the directory says
            raise
        raise ArchiveError(str(error)) from error


class _Unpacking:
    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._left = limit
        self._limit = limit
        self._folders = {""}
        self._links: list[tuple[str, str]] = []

    def run(self, archive: zipfile.ZipFile) -> int:
        entries = archive.infolist()
        if not entries:
            raise ArchiveError("it is empty")
        if len(entries) > _ENTRIES:
            raise ArchiveError(f"more than {_ENTRIES} entries")
        if sum(entry.file_size for entry in entries) > self._limit:
            raise TooLargeError("it is too large")
        self._folder.mkdir(mode=0o755)
        for entry in entries:
            self._one(archive, entry)
        for path, target in self._links:
            (self._folder / path).symlink_to(target)
        for path in sorted(self._folders - {""}, reverse=True):
            (self._folder / path).chmod(0o555)
        return self._limit - self._left

    def _one(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        path = _inside(entry.filename)
        mode = entry.external_attr >> 16
        kind = stat.S_IFMT(mode)
        if entry.flag_bits & 1:
            raise ArchiveError("an entry is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError("an entry is compressed in a way that is not supported")
        if entry.is_dir() or kind == stat.S_IFDIR:
            self._make_folder(path)
        elif kind == stat.S_IFLNK:
            self._make_folder(posixpath.dirname(path))
            self._links.append((path, self._link_target(archive, entry, path)))
        elif kind in (0, stat.S_IFREG):
            self._make_folder(posixpath.dirname(path))
            self._write(archive, entry, path, 0o555 if mode & 0o111 else 0o444)
        else:
            raise ArchiveError("an entry is a special file")

    def _make_folder(self, path: str) -> None:
        while path not in self._folders:
            (self._folder / path).mkdir(mode=0o755, parents=True, exist_ok=True)
            self._folders.add(path)
            path = posixpath.dirname(path)

    def _link_target(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str) -> str:
        if entry.file_size > _LINK_BYTES:
            raise ArchiveError("a link's target is too long")
        target = archive.read(entry).decode()
        resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if not target or "\0" in target or target.startswith("/") or resolved == ".." or resolved.startswith("../"):
            raise ArchiveError("a link points out of the archive")
        return target

    def _write(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str, mode: int) -> None:
        final = self._folder / path
        final.unlink(missing_ok=True)  # of two entries with one name the last counts
        with archive.open(entry) as source, open(final, "xb", opener=_opened) as sink:
            while piece := source.read(_PIECE):
                self._left -= len(piece)
                if self._left < 0:
                    raise TooLargeError("it is too large")
                sink.write(piece)
            os.fchmod(sink.fileno(), mode)


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _inside(name: str) -> str:
    """The entry's path, relative and free of `..`."""
    if name.startswith("/") or "\0" in name:
        raise ArchiveError("an entry leaves the archive")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or len(name.encode()) > 4096 or any(len(part.encode()) > 255 for part in parts):
        raise ArchiveError("an entry leaves the archive")
    return "/".join(parts)
