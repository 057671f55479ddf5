"""The versions of a key: which one is meant, how a write or a deletion changes them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
"""

from __future__ import annotations

import base64
import binascii
import secrets

from pileus.aws.errors import AWSError
from pileus.services.s3.state import HEADS, NULL, OLDER, PARTS, Bucket, Part, Version
from pileus.store.interface import Reader, Transaction

_ORDER_BYTES = 8
_RANDOM_BYTES = 16
_LATEST = 1 << 53
"""In the year 2255: ids that S3 or somebody else has made tell of later moments."""


def new_id(order: int) -> str:
    """An opaque id of 32 characters, as S3's are; it tells where among a key's versions to look."""
    return base64.b64encode(order.to_bytes(_ORDER_BYTES, "big") + secrets.token_bytes(_RANDOM_BYTES), b"._").decode()


def _order_of(version_id: str) -> int | None:
    try:
        # Ids have been made with the hyphen too.
        raw = base64.b64decode(version_id.replace("-", "."), b"._", validate=True)
    except (binascii.Error, ValueError):
        return None
    order = int.from_bytes(raw[:_ORDER_BYTES], "big")
    return order if len(raw) == _ORDER_BYTES + _RANDOM_BYTES and order < _LATEST else None


def look_up(reader: Reader, bucket: str, key: str, version_id: str | None = None) -> Version | None:
    """The version of that id, the newest where none is named; None where there is none. A delete marker is one."""
    head = HEADS.get(reader, bucket, key)
    if not version_id or head is None or head.id == version_id:
        return head
    if version_id == NULL:
        return next((version for _, version in OLDER.scan(reader, bucket, key) if version.id == NULL), None)
    order = _order_of(version_id)
    if order is None:
        return None
    found = OLDER.get(reader, bucket, key, -order)
    return found if found is not None and found.id == version_id else None


def order_of(reader: Reader, bucket: str, key: str, version_id: str) -> int | None:
    """Where a version stands or stood among those of its key, None where that cannot be told."""
    if version_id == NULL:
        version = look_up(reader, bucket, key, NULL)
        return None if version is None else version.order
    return _order_of(version_id)


def check_id(version_id: str) -> None:
    """Raises InvalidArgument for what was never a version id."""
    if version_id != NULL and _order_of(version_id) is None:
        raise AWSError(
            "InvalidArgument",
            "Invalid version id specified",
            status=400,
            ArgumentName="versionId",
            ArgumentValue=version_id,
        )


def parts_of(reader: Reader, bucket: str, key: str, version: Version) -> list[Part]:
    if version.contents is not None:
        return [version.contents]
    return (PARTS.get(reader, bucket, key, version.order) or []) if version.parts_count else []


def next_order(head: Version | None, now: float) -> int:
    """Time in microseconds, but always above what the key has had."""
    order = int(now * 1_000_000)
    return max(order, head.order + 1) if head is not None else order


def add(tx: Transaction, bucket: Bucket, key: str, version: Version, head: Version | None) -> list[Version]:
    """Makes `version` the newest of its key, given the head so far; answers what it replaces for good.

    Sets its id: where versioning is not enabled, it is the null version and takes the place of the former one.
    """
    replaced: list[Version] = []
    version.id = new_id(version.order) if bucket.versioning == "Enabled" else NULL
    if head is not None:
        if version.id == NULL and head.id == NULL:
            replaced.append(head)
        else:
            OLDER.put(tx, bucket.name, key, -head.order, value=head)
            if version.id == NULL:
                replaced += _take_null(tx, bucket.name, key)
    HEADS.put(tx, bucket.name, key, value=version)
    return replaced


def _take_null(tx: Transaction, bucket: str, key: str) -> list[Version]:
    for found, version in list(OLDER.scan(tx, bucket, key)):
        if version.id == NULL:
            OLDER.delete(tx, *found)
            return [version]
    return []


def remove(tx: Transaction, bucket: str, key: str, version: Version) -> None:
    """Takes one version away for good; the next older one becomes the newest."""
    head = HEADS.get(tx, bucket, key)
    if head is None or head.order != version.order:
        OLDER.delete(tx, bucket, key, -version.order)
        return
    successor = next(OLDER.scan(tx, bucket, key, limit=1), None)
    if successor is None:
        HEADS.delete(tx, bucket, key)
    else:
        OLDER.delete(tx, *successor[0])
        HEADS.put(tx, bucket, key, value=successor[1])


def replace(tx: Transaction, bucket: str, key: str, version: Version) -> None:
    """Writes a version anew after its properties changed."""
    head = HEADS.get(tx, bucket, key)
    if head is not None and head.order == version.order:
        HEADS.put(tx, bucket, key, value=version)
    else:
        OLDER.put(tx, bucket, key, -version.order, value=version)
