"""Code packages: the uploaded zip in the blob store, and its unpacked folder, which functions run from.

Packages are content-addressed and counted: versions and layers with the same bytes share one blob and one folder,
which go when nothing refers to them. The folders are a cache below `<data>/functions`: what is missing is unpacked
again from its blob. They are not fsynced, so that after a power failure (another boot of the machine) they are not
trusted but made anew.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import orjson

from pileus.aws import body
from pileus.aws.errors import AWSError
from pileus.services.context import Cloud, Context
from pileus.services.lambda_ import service
from pileus.services.lambda_.archives import ArchiveError, TooLargeError, unpack
from pileus.services.lambda_.limits import UNZIPPED_BYTES, ZIPPED_BYTES
from pileus.services.lambda_.records import Package
from pileus.store import blobs
from pileus.store.interface import Transaction
from pileus.store.records import Records

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOCATION_SECONDS = 600.0
_LOCATION_PURPOSE = b"lambda-code"
_KEEP_FOLDER_SECONDS = 3600.0
"""Environments of deleted code may still be running from its folder."""


class _Held(msgspec.Struct):
    package: Package
    references: int


_HELD = Records(_Held, "lambda", "package")


def code_sha256(package: Package) -> str:
    return base64.b64encode(bytes.fromhex(package.tree)).decode()


class Packages:
    def __init__(self, cloud: Cloud) -> None:
        self._root = cloud.settings.data / "functions"
        self._incoming = self._root / "incoming"
        self._blobs = cloud.blobs.area("lambda")
        self._store = cloud.store
        self._unpacking: dict[str, asyncio.Lock] = {}
        self._prepare()

    def _prepare(self) -> None:
        boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
        marker = self._root / "boot"
        descriptor = os.open(self._root.parent / "functions.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # workers start at the same time
            if not marker.exists() or marker.read_text() != boot:
                _remove(self._root)
                self._incoming.mkdir(parents=True, mode=0o700)
                self._root.chmod(0o700)
                marker.write_text(boot)

    async def add(self, pieces: AsyncIterable[bytes]) -> Package:
        """Stores and unpacks an archive. It is kept only if `hold` records it soon."""
        digest = hashlib.sha256()

        async def hashed() -> AsyncIterator[bytes]:
            async for piece in pieces:
                digest.update(piece)
                yield piece

        try:
            blob = await self._blobs.write(hashed(), limit=UNZIPPED_BYTES)
        except blobs.TooLargeError as error:
            raise AWSError("InvalidParameterValueException", _TOO_LARGE, Type="User") from error
        tree = digest.hexdigest()
        try:
            unpacked = await self._unpack(blob.key, tree)
        except ArchiveError as error:
            self._blobs.delete([blob.key])
            raise _refused(error) from error
        return Package(blob.key, tree, blob.size, unpacked)

    async def folder(self, tree: str) -> Path:
        """Where a package that is held lies unpacked."""
        final = self._root / tree
        if not final.exists():
            held = _HELD.get(self._store, tree)
            if held is None:
                raise AWSError("ResourceNotFoundException", "The function's code was deleted.", Type="User")
            await self._unpack(held.package.blob, tree)
        return final

    async def _unpack(self, blob: str, tree: str) -> int:
        async with self._unpacking.setdefault(tree, asyncio.Lock()):
            final = self._root / tree
            size = await asyncio.to_thread(_unpack_beside, self._blobs.path(blob), self._incoming, final)
        self._unpacking.pop(tree, None)
        return size

    def read(self, blob: str) -> blobs.Reading:
        """An archive as it was uploaded. Raises FileNotFoundError."""
        return self._blobs.read(blob)

    def hold(self, tx: Transaction, package: Package) -> Package:
        """Counts one more reference, in the transaction that records it; answers the package to record."""
        held = _HELD.get(tx, package.tree) or _Held(package, 0)
        if held.references == 0:
            self._blobs.claim(tx, held.package.blob)
        held.references += 1
        _HELD.put(tx, package.tree, value=held)
        return held.package

    def drop(self, tx: Transaction, package: Package) -> list[str]:
        """Counts one less; the blobs to `discard` once the transaction is through are the answer."""
        held = _HELD.get(tx, package.tree)
        if held is None:
            return []
        held.references -= 1
        if held.references > 0:
            _HELD.put(tx, package.tree, value=held)
            return []
        _HELD.delete(tx, package.tree)
        self._blobs.release(tx, held.package.blob)
        return [held.package.blob]

    def discard(self, keys: list[str]) -> None:
        self._blobs.delete(keys)

    async def sweep(self) -> None:
        """Removes archives that nobody recorded, and folders that nothing refers to any more."""
        await self._blobs.sweep(self._store)
        before = time.time() - _KEEP_FOLDER_SECONDS
        for entry in [*self._root.iterdir(), *self._incoming.iterdir()]:
            old = entry.is_dir() and entry != self._incoming and entry.stat().st_mtime < before
            if old and _HELD.get(self._store, entry.name) is None:
                await asyncio.to_thread(_remove, entry)


@service.every(3600, "packages")
async def sweep(cloud: Cloud) -> None:
    await cloud.part(Packages).sweep()


async def from_request(context: Context, code: dict[str, Any], operation: str) -> Package:
    """The package that `Code` of a function or `Content` of a layer names: in the request, or in S3."""
    packages = context.cloud.part(Packages)
    if code.get("ZipFile") is not None and (code.get("S3Bucket") or code.get("S3Key")):
        text = "Please do not provide other FunctionCode parameters when providing a ZipFile."
        raise AWSError("InvalidParameterValueException", text, Type="User")
    if code.get("ZipFile") is not None:
        data: bytes = code["ZipFile"]
        if len(data) > ZIPPED_BYTES:
            raise AWSError(
                "RequestEntityTooLargeException",
                f"Zipped size must be smaller than {ZIPPED_BYTES} bytes",
                status=413,
            )
        if not data:
            raise AWSError("InvalidParameterValueException", "Uploaded file must be a non-empty zip", Type="User")
        return await packages.add(body.Bytes(data))
    if not code.get("S3Bucket") or not code.get("S3Key"):
        raise AWSError("InvalidParameterValueException", "Please provide a source for function code.", Type="User")
    asked = {"Bucket": code["S3Bucket"], "Key": code["S3Key"]}
    if code.get("S3ObjectVersion"):
        asked["VersionId"] = code["S3ObjectVersion"]
    try:
        answer = await context.client().call("s3", "GetObject", asked)
    except AWSError as error:
        raise AWSError(
            "InvalidParameterValueException",
            f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}",
            Type="User",
        ) from error
    content = answer["Body"]
    return await packages.add(body.Bytes(content) if isinstance(content, bytes) else content)


def location(context: Context, package: Package) -> str:
    """A URL from which the archive can be read for ten minutes, as `Code.Location` gives it."""
    settings = context.cloud.settings
    sealed = context.cloud.keyring.sealer.seal(
        orjson.dumps([package.blob, context.cloud.clock.time() + _LOCATION_SECONDS]), _LOCATION_PURPOSE
    )
    host = context.headers.get("host") or f"{settings.host}:{settings.port}"
    scheme = "https" if context.secure else "http"
    return f"{scheme}://{host}/_pileus/code/{base64.urlsafe_b64encode(sealed).decode()}"


def opened_location(cloud: Cloud, token: str) -> blobs.Reading | None:
    """What the URL with `token` stands for, None where it has expired or was never given out."""
    try:
        sealed = base64.b64decode(token, b"-_", validate=True)
        blob, expires = orjson.loads(cloud.keyring.sealer.open(sealed, _LOCATION_PURPOSE))
        return cloud.part(Packages).read(blob) if cloud.clock.time() < expires else None
    except (ValueError, FileNotFoundError):
        return None


_TOO_LARGE = f"Unzipped size must be smaller than {UNZIPPED_BYTES} bytes"


def _refused(error: ArchiveError) -> AWSError:
    text = "Could not unzip uploaded file. Please check your file, then try to upload again."
    return AWSError(
        "InvalidParameterValueException", _TOO_LARGE if isinstance(error, TooLargeError) else text, Type="User"
    )


def _unpack_beside(archive: Path, incoming: Path, final: Path) -> int:
    if final.exists():
        return _size(final)
    beside = incoming / secrets.token_hex(8)
    size = 0
    try:
        size = unpack(archive, beside, UNZIPPED_BYTES)
        beside.rename(final)
    except BaseException as error:
        _remove(beside)
        if isinstance(error, OSError) and final.exists():
            return size  # another worker was quicker
        raise
    final.chmod(0o555)
    return size


def _size(folder: Path) -> int:
    return sum(
        os.lstat(Path(parent) / name).st_size for parent, _, names in os.walk(folder) for name in names
    )  # fmt: skip


def _remove(folder: Path) -> None:
    """Deletes a read-only tree, or nothing where there is none."""
    for parent, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(parent).chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
