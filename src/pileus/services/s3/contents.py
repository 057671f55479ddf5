"""Contents of objects: received, hashed and verified on the way, kept in the store (small) or as blobs, and read back.

Small contents lie in the store so that an object is one durable commit: a blob costs two fsyncs more. Tiny ones lie in
the object's own record: one read gets all.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import errno
import hashlib
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pileus.aws.body import Body, Bytes
from pileus.aws.errors import AWSError
from pileus.services.context import Cloud
from pileus.services.s3 import checksums, encryption
from pileus.services.s3.checksums import Algorithm, Declared
from pileus.services.s3.state import DATA, Part
from pileus.store.blobs import Blobs
from pileus.store.external_blobs import UnreachableError
from pileus.store.interface import Transaction

_log = logging.getLogger(__name__)
SMALL = 32 * 1024
"""Contents up to this size lie in the store."""
TINY = 1024
"""Contents up to this size lie in the record of their object, which listings read too."""
LARGEST = 5 * 1024**3
"""Of one request (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""
_GATHER = 1024 * 1024
"""Hashing goes to a thread in stretches of this size; shorter ones are hashed where they are."""


def blobs(cloud: Cloud) -> Blobs:
    return cloud.blobs.area("s3")


@dataclass(slots=True)
class Received:
    """Contents that have come whole and true, and that nobody knows of yet."""

    cloud: Cloud
    part: Part
    data: bytes | None = None
    declared: str = ""
    """The checksum that the client declared, as it was computed."""

    def keep(self, tx: Transaction) -> None:
        """In the transaction that records them."""
        if self.part.record and self.data is not None:
            DATA.put(tx, self.part.record, value=self.data)
        elif self.part.blob:
            blobs(self.cloud).claim(tx, self.part.blob)

    def discard(self) -> None:
        """Where no transaction recorded them."""
        if self.part.blob:
            blobs(self.cloud).delete([self.part.blob])


class _Digests:
    """MD5, the checksum to keep and, where it is another, the one that was declared."""

    __slots__ = ("also", "kept", "md5")

    def __init__(self, kept: Algorithm, declared: Algorithm) -> None:
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.kept = kept.make()
        self.also = self.kept if declared is kept else declared.make()

    def update(self, data: bytes) -> None:
        self.md5.update(data)
        self.kept.update(data)
        if self.also is not self.kept:
            self.also.update(data)


async def receive(
    cloud: Cloud,
    body: Body,
    *,
    md5: str | None = None,
    declared: Declared | None = None,
    algorithm: Algorithm,
    key: bytes = b"",
    hide_md5: bool = False,
    limit: int = LARGEST,
) -> Received:
    """Takes a body in and verifies it against `md5` and `declared`. `algorithm` is the checksum to keep, `key`
    encrypts; `hide_md5` makes an ETag that tells nothing of the contents, as SSE-C and SSE-KMS have it."""
    promised = _decode_md5(md5)
    if body.length is not None and body.length > limit:
        raise too_large(body.length, limit)
    digests = _Digests(algorithm, declared.algorithm if declared is not None else algorithm)
    part = Part(1, 0, "", nonce=encryption.new_nonce() if key else b"")
    data: bytes | None = None
    if body.length is not None and body.length <= SMALL:
        data = body.whole
        if data is not None:
            digests.update(data)
            part.size = len(data)
        else:
            data = b"".join([piece async for piece in _hashed(body, digests, part, limit)])
        if key and data:
            data = b"".join([piece async for piece in encryption.encrypt(Bytes(data), key, part.nonce)])
    else:
        stream = _hashed(body, digests, part, limit)
        try:
            blob = await blobs(cloud).write(encryption.encrypt(stream, key, part.nonce) if key else stream)
        except UnreachableError as error:
            _log.warning("the object store for blobs does not take one: %s", error)
            raise AWSError("ServiceUnavailable", "Service is unable to handle request.", status=503) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise AWSError("InsufficientStorage", "The disk is full: nothing was written.", status=507) from error
            raise
        part.blob = blob.key
    received = Received(cloud, part, data)
    try:
        digest = digests.md5.digest()
        if promised is not None and not hmac.compare_digest(promised, digest):
            raise AWSError(
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
                status=400,
                ExpectedDigest=promised.hex(),
                CalculatedDigest=base64.b64encode(digest).decode(),
            )
        part.checksum = checksums.encode(digests.kept.digest())
        if declared is not None:
            received.declared = checksums.encode(digests.also.digest())
            _verify(declared, received.declared, body)
    except AWSError:
        received.discard()
        raise
    part.etag = hmac.digest(key, digest, "sha256").hex()[:32] if hide_md5 else digest.hex()
    if part.size == 0:
        received.discard()
        part.blob, received.data = "", None
    elif data is not None and len(data) <= TINY:
        part.inline, received.data = data, None
    elif data is not None:
        part.record = secrets.token_hex(12)
    return received


async def _hashed(body: Body, digests: _Digests, part: Part, limit: int) -> AsyncIterator[bytes]:
    """The body in stretches of a megabyte or so, hashed and counted (into `part.size`)."""
    gathered: list[bytes] = []
    waiting = 0
    async for piece in body:
        gathered.append(piece)
        waiting += len(piece)
        part.size += len(piece)
        if part.size > limit:
            raise too_large(part.size, limit)
        if waiting >= _GATHER:
            stretch = b"".join(gathered)
            gathered, waiting = [], 0
            await asyncio.to_thread(digests.update, stretch)
            yield stretch
    if waiting:
        rest = b"".join(gathered)
        digests.update(rest)
        yield rest


def too_large(size: int, limit: int) -> AWSError:
    return AWSError(
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
        status=400,
        ProposedSize=str(size),
        MaxSizeAllowed=str(limit),
    )


def _decode_md5(md5: str | None) -> bytes | None:
    if md5 is None:
        return None
    try:
        digest = base64.b64decode(md5, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        told: Any = {"Content-MD5": md5}
        raise AWSError("InvalidDigest", "The Content-MD5 you specified was invalid.", status=400, **told)
    return digest


def _verify(declared: Declared, checksum: str, body: Body) -> None:
    value = declared.value
    if value is None:
        value = body.trailers.get(declared.algorithm.header)
        if value is None:
            raise AWSError(
                "MalformedTrailerError", "The request contained trailing data that was not well-formed.", status=400
            )
        checksums.check(declared.algorithm, value)
    if not hmac.compare_digest(value, checksum):
        raise checksums.mismatch(declared.algorithm.name)


# Reading


def open_part(cloud: Cloud, part: Part, key: bytes, start: int, length: int) -> bytes | AsyncIterator[bytes]:
    """A range of one part. Raises FileNotFoundError where it was deleted since its record was read."""
    if length <= 0:
        return b""
    offset, stored = encryption.stretch(part.size, start, length) if key else (start, length)
    if part.record or part.inline:
        data = part.inline or DATA.get(cloud.store, part.record)
        if data is None:
            raise FileNotFoundError(part.record)
        if not key:
            return data[start : start + length]
        pieces: AsyncIterator[bytes] = aiter(Bytes(data[offset : offset + stored]))
    else:
        pieces = blobs(cloud).read(part.blob, offset, stored)
    return encryption.decrypt(pieces, key, part.nonce, part.size, start, length) if key else pieces


def open_parts(
    cloud: Cloud, parts: Sequence[Part], key: bytes, start: int, length: int
) -> bytes | AsyncIterator[bytes]:
    """A range of contents made of `parts`, one after the other. The first is opened now."""
    wanted: list[tuple[Part, int, int]] = []
    for part in parts:
        if length <= 0:
            break
        if start < part.size:
            taken = min(part.size - start, length)
            wanted.append((part, start, taken))
            length -= taken
            start = 0
        else:
            start -= part.size
    if not wanted:
        return b""
    first = open_part(cloud, wanted[0][0], key, *wanted[0][1:])
    return first if len(wanted) == 1 else _following(cloud, first, wanted[1:], key)


async def _following(
    cloud: Cloud, first: bytes | AsyncIterator[bytes], rest: Iterable[tuple[Part, int, int]], key: bytes
) -> AsyncIterator[bytes]:
    async for piece in pieces_of(first):
        yield piece
    for part, start, length in rest:
        async for piece in pieces_of(open_part(cloud, part, key, start, length)):
            yield piece


async def pieces_of(contents: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(contents, bytes):
        yield contents
    else:
        async for piece in contents:
            yield piece


# Deleting


def forget(cloud: Cloud, tx: Transaction, parts: Iterable[Part]) -> list[str]:
    """Drops contents in the transaction that drops their record; answers the blobs to remove once it is durable."""
    gone = []
    for part in parts:
        if part.record:
            DATA.delete(tx, part.record)
        elif part.blob:
            blobs(cloud).release(tx, part.blob)
            gone.append(part.blob)
    return gone


def remove(cloud: Cloud, gone: Sequence[str]) -> None:
    """After the transaction. Several are the parts of one object, which a reader may be in the midst of."""
    if len(gone) > 1:
        blobs(cloud).defer(gone)
    elif gone:
        blobs(cloud).delete(gone)
