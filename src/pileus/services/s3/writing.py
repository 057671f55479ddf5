"""How a new version comes to be, whichever operation makes it: one transaction, then the loose ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.s3 import contents, notifications, preconditions, versions
from pileus.services.s3.names import no_such_bucket
from pileus.services.s3.state import BUCKETS, HEADS, PARTS, Bucket, Version, is_current
from pileus.store.interface import Reader, Transaction


def same_bucket(reader: Reader, bucket: Bucket) -> Bucket:
    """The bucket as it is now. Raises NoSuchBucket where it was deleted since the request began."""
    now = BUCKETS.get(reader, bucket.name)
    if now is None or now.created != bucket.created or now.account != bucket.account:
        raise no_such_bucket(bucket.name)
    return now


def _current(context: Context, tx: Transaction, bucket: Bucket) -> Bucket:
    """Like `same_bucket`, for reading only: most often the record is the one that is known decoded."""
    return bucket if is_current(context.cloud, tx, bucket) else same_bucket(tx, bucket)


def drop(context: Context, tx: Transaction, bucket: str, key: str, version: Version) -> list[str]:
    """Forgets the contents of a version that is gone; answers the blobs to remove afterwards."""
    gone = contents.forget(context.cloud, tx, versions.parts_of(tx, bucket, key, version))
    if version.parts_count:
        PARTS.delete(tx, bucket, key, version.order)
    return gone


async def record(
    context: Context,
    bucket: Bucket,
    key: str,
    version: Version,
    keep: Callable[[Transaction], None],
    *,
    conditions: Mapping[str, Any],
    event: str,
) -> Version:
    """Makes `version` the key's newest, if `conditions` hold. `keep` writes what it needs in the same transaction;
    what is raised leaves everything as it was."""

    def change(tx: Transaction) -> tuple[list[list[str]], notifications.Pending]:
        now = _current(context, tx, bucket)
        head = HEADS.get(tx, bucket.name, key)
        preconditions.check_write(head, conditions, key)
        version.order = versions.next_order(head, context.received)
        replaced = versions.add(tx, now, key, version, head)
        gone = [drop(context, tx, bucket.name, key, old) for old in replaced]
        keep(tx)
        return gone, notifications.note(context, tx, now, event, key, version)

    replaced, pending = await context.store.transact(change)
    for blobs in replaced:
        contents.remove(context.cloud, blobs)
    notifications.deliver(context.cloud, pending)
    return version


def shown_version(bucket: Bucket, version: Version) -> dict[str, Any]:
    """The VersionId member, where the bucket has versions."""
    return {"VersionId": version.id} if bucket.versioning == "Enabled" else {}


def no_such_version(key: str, version_id: str) -> AWSError:
    return AWSError("NoSuchVersion", "The specified version does not exist.", status=404, Key=key, VersionId=version_id)
