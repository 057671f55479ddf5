"""Bodies that are read whole, held against the digests in their request's headers
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Container, Mapping

from pileus.aws.errors import AWSError
from pileus.services.s3 import checksums


def check(headers: Mapping[str, str], body: bytes, members: Container[str]) -> None:
    """`members` are the headers that the operation reads itself: a checksum among them is one of an object. Raises
    InvalidDigest, BadDigest, InvalidRequest."""
    md5 = headers.get("content-md5")
    if md5 is not None:
        _check_md5(md5, body)
    for algorithm in checksums.ALGORITHMS.values():
        given = headers.get(algorithm.header)
        if given is None or algorithm.header in members:
            continue
        checksums.check(algorithm, given)
        computed = algorithm.make()
        computed.update(body)
        if not hmac.compare_digest(checksums.encode(computed.digest()), given):
            raise checksums.mismatch(algorithm.name)


def _check_md5(md5: str, body: bytes) -> None:
    try:
        promised = base64.b64decode(md5, validate=True)
    except (binascii.Error, ValueError):
        promised = b""
    if len(promised) != 16:
        raise AWSError("InvalidDigest", "The Content-MD5 you specified was invalid.", status=400)
    if not hmac.compare_digest(hashlib.md5(body, usedforsecurity=False).digest(), promised):
        raise AWSError("BadDigest", "The Content-MD5 you specified did not match what we received.", status=400)
