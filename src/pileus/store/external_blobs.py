"""Blobs in an object store elsewhere (S3 and what speaks like it, by `obstore`), behind the interface of `blobs.Blobs`.

A blob is whole at the remote before `write` answers, and recorded only then: a crash leaves an orphan, never a record
without its blob. Nothing is deleted at once: a reader may just have read its record. What was released, and what nobody
claimed, is deleted by the sweep when it has been so for an hour.

Blobs that were written before, on this machine's disk, are read and deleted there: their keys tell which are which.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec

from pileus.store.blobs import PIECE, Blob, Blobs, TooLargeError
from pileus.store.interface import Reader, Transaction
from pileus.store.keys import pack, prefix_range, unpack

_CHUNK = 8 << 20
"""Bytes that are held, and sent at once or as the parts of an upload."""
_CHUNKS_AT_A_TIME = 2
_MARK = "x"
"""What the keys of external blobs begin with; those on disk are hexadecimal."""
_ORPHAN_AGE = 3600.0
_PAGE = 1000


class UnreachableError(OSError):
    """The object store does not answer, or not as it should."""


class Place(NamedTuple):
    """`s3://bucket/prefix?endpoint=https://…&region=…`."""

    bucket: str
    prefix: str
    endpoint: str
    region: str


def parse(address: str) -> Place:
    """Raises ValueError, with what is wrong."""
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    unknown = options.keys() - {"endpoint", "region"}
    if parts.scheme != "s3" or not parts.hostname or unknown or parts.username or parts.fragment:
        raise ValueError(f"{address!r} is not s3://bucket/prefix?endpoint=…&region=…")
    endpoint = options.get("endpoint", "")
    if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
        raise ValueError(f"{endpoint!r} is not an endpoint's URL")
    return Place(parts.hostname, parts.path.strip("/"), endpoint, options.get("region", "us-east-1"))


def _connect(place: Place) -> Any:
    """Credentials are those of PILEUS_BLOBS_ACCESS_KEY_ID and PILEUS_BLOBS_SECRET_ACCESS_KEY, or else what the AWS SDKs
    take from environment or machine. Raises ValueError where `obstore` is not installed."""
    try:
        from obstore.store import S3Store
    except ImportError:
        raise ValueError("--blobs needs the package obstore: pip install 'pileus[obstore]'") from None
    options: dict[str, Any] = {"region": place.region, "virtual_hosted_style_request": False}
    if place.endpoint:
        options["endpoint"] = place.endpoint
    key_id = os.environ.get("PILEUS_BLOBS_ACCESS_KEY_ID")
    if key_id:
        options["access_key_id"] = key_id
        options["secret_access_key"] = os.environ.get("PILEUS_BLOBS_SECRET_ACCESS_KEY", "")
    client: Any = {"allow_http": place.endpoint.startswith("http://")}
    return S3Store(place.bucket, prefix=place.prefix or None, client_options=client, **options)


class ExternalBlobs(Blobs):
    """An area of `Blobs` (`local`) whose new blobs go to `place`."""

    def __init__(self, local: Blobs, place: Place) -> None:
        super().__init__(local.directory, "full" if local.durable else "relaxed", local.name)
        import obstore

        self._api = obstore
        self._store = _connect(place)

    def check(self) -> None:
        """Raises UnreachableError where the store cannot be listed. Waits for it."""
        try:
            next(iter(self._api.list(self._store, chunk_size=1)), None)
        except Exception as error:
            raise UnreachableError(_short(error)) from error

    def _path(self, key: str) -> str:
        return f"{self.name}/{key}"

    async def write(self, pieces: AsyncIterable[bytes], *, limit: int | None = None) -> Blob:
        key = _MARK + secrets.token_hex(16)
        source = _Source(pieces, limit)
        first = await source.gather(_CHUNK)
        try:
            if source.ended:
                await self._api.put_async(self._store, self._path(key), first, use_multipart=False)
            else:
                await self._api.put_async(
                    self._store, self._path(key), source.following(first),
                    use_multipart=True, chunk_size=_CHUNK, max_concurrency=_CHUNKS_AT_A_TIME,
                )  # fmt: skip
        except Exception as error:
            if source.failure is not None:
                # What came in failed: an upload that was begun is not completed, and its parts are dropped.
                raise source.failure from None
            raise UnreachableError(_short(error)) from error
        return Blob(key, source.size)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Pieces, as `Reading` is, but asked for when the first is wanted: FileNotFoundError comes then."""
        if not key.startswith(_MARK):
            return super().read(key, start, length)
        return self._read(key, start, length)

    async def _read(self, key: str, start: int, length: int | None) -> AsyncIterator[bytes]:
        if length == 0:
            return
        wanted: Any = {"offset": start} if length is None else (start, start + length)
        try:
            found = await self._api.get_async(self._store, self._path(key), options={"range": wanted})
            got = 0
            async for piece in found.stream(min_chunk_size=PIECE):
                got += len(piece)
                yield bytes(piece)
        except FileNotFoundError:
            raise
        except self._api.exceptions.BaseError as error:
            raise UnreachableError(_short(error)) from error
        if length is not None and got != length:
            raise OSError("a blob is shorter than its record says")

    def delete(self, keys: Iterable[str]) -> None:
        super().delete(key for key in keys if not key.startswith(_MARK))

    def defer(self, keys: Iterable[str]) -> None:
        super().defer(key for key in keys if not key.startswith(_MARK))

    def release(self, tx: Transaction, key: str) -> None:
        super().release(tx, key)
        if key.startswith(_MARK):
            tx.put(self._released(key), msgspec.msgpack.encode(time.time()))

    def _released(self, *key: str) -> bytes:
        return pack("blobs released", self.name, *key)

    async def sweep(self, reader: Reader, *, age: float = _ORPHAN_AGE) -> int:
        removed = await super().sweep(reader, age=age)
        before = time.time() - age
        try:
            async for page in self._api.list(self._store, f"{self.name}/", chunk_size=_PAGE):
                gone = [row["path"] for row in page if self._is_gone(reader, row, before)]
                if gone:
                    await self._api.delete_async(self._store, gone)
                    removed += len(gone)
                await asyncio.sleep(0)
        except self._api.exceptions.BaseError as error:
            raise UnreachableError(_short(error)) from error
        return removed

    def _is_gone(self, reader: Reader, row: Any, before: float) -> bool:
        key = row["path"].rpartition("/")[2]
        if reader.get(self._claim(key)) is not None or row["last_modified"].timestamp() >= before:
            return False
        released = reader.get(self._released(key))
        return released is None or float(msgspec.msgpack.decode(released)) < before

    def tidy(self, tx: Transaction) -> None:
        """Notes of blobs that a sweep has deleted since are of no use any more."""
        before = time.time() - 2 * _ORPHAN_AGE
        for key, value in list(tx.range(*prefix_range("blobs released", self.name), limit=_PAGE)):
            if float(msgspec.msgpack.decode(value)) < before:
                tx.delete(self._released(str(unpack(key)[-1])))


class _Source:
    """Pieces gathered to chunks; `failure` is what their source raised, which passes through the store's own code."""

    def __init__(self, pieces: AsyncIterable[bytes], limit: int | None) -> None:
        self._pieces = aiter(pieces)
        self._limit = limit
        self.size = 0
        self.ended = False
        self.failure: BaseException | None = None

    async def gather(self, least: int) -> bytes:
        gathered: list[bytes] = []
        waiting = 0
        while waiting < least:
            try:
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                self.ended = True
                break
            gathered.append(piece)
            waiting += len(piece)
            self.size += len(piece)
            if self._limit is not None and self.size > self._limit:
                raise TooLargeError(f"more than {self._limit} bytes")
        return b"".join(gathered)

    async def following(self, first: bytes) -> AsyncIterator[bytes]:
        yield first
        try:
            while not self.ended:
                chunk = await self.gather(_CHUNK)
                if chunk:
                    yield chunk
        except BaseException as error:
            self.failure = error
            raise


def _short(error: Exception) -> str:
    """The first line: the whole of it quotes requests."""
    return str(error).partition("\n")[0][:300]
