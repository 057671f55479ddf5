"""What goes away by itself: objects, versions and uploads that lifecycle rules expire, and orphaned blobs.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pileus.aws.identifiers import request_id
from pileus.security import principals
from pileus.services.context import Cloud, Context
from pileus.services.s3 import (
    contents,
    deletion,
    lifecycle_rules,
    listing,
    lock,
    service,
    transitions,
    uploads,
    versions,
    writing,
)  # fmt: skip
from pileus.services.s3.lifecycle_rules import DAY
from pileus.services.s3.state import BUCKETS, COMPLETED, OLDER, UPLOADS, Bucket, Version
from pileus.store.interface import Transaction

_GROUP = 100
"""Deletions in one transaction, and keys looked at before others may run."""
_REMEMBERED = 7 * DAY
"""How long a completed upload answers a client that asks again."""


class Due(NamedTuple):
    """A version that a rule takes away; the id is empty for a current one, which may leave a delete marker."""

    key: str
    version_id: str


@service.every(3600, "lifecycle")
async def run(cloud: Cloud) -> None:
    """Applies every bucket's rules."""
    for _, bucket in list(BUCKETS.scan(cloud.store)):
        rules = list(lifecycle_rules.enabled(bucket))
        if rules:
            await _apply(cloud, bucket, rules)
        await _forget_completed(cloud, bucket)


@service.every(3600, "orphans")
async def collect_orphans(cloud: Cloud) -> None:
    """Removes blobs that a crash left without a record."""
    blobs = contents.blobs(cloud)
    await blobs.sweep(cloud.store)
    await cloud.store.transact(blobs.tidy)


def _context(cloud: Cloud, bucket: Bucket) -> Context:
    principal = principals.service("s3.amazonaws.com", bucket.account)
    return Context(
        cloud,
        principal,
        bucket.region,
        request_id(),
        "s3",
        "Lifecycle",
        cloud.clock.time(),
        source_ip="s3.amazonaws.com",
    )


async def _apply(cloud: Cloud, bucket: Bucket, rules: list[Mapping[str, Any]]) -> None:
    context = _context(cloud, bucket)
    waiting: list[Due] = []
    moving: list[transitions.Move] = []
    last = ""
    while True:
        # A page at a time: what is deleted meanwhile must not disturb a scan.
        page = _page(cloud, bucket, last)
        for key, head in page:
            ending = list(_due(context, bucket, rules, key, head))
            waiting += ending
            gone = {due.version_id for due in ending}
            moving += (
                move for move in transitions.due(context, bucket, rules, key, head) if move.version_id not in gone
            )
            if len(waiting) >= _GROUP:
                await _delete(context, bucket, waiting)
                waiting = []
        await transitions.apply(context, bucket, moving)
        moving = []
        if not page:
            break
        last = page[-1][0]
        await asyncio.sleep(0)
    await _delete(context, bucket, waiting)
    await _abort_uploads(context, bucket, rules)


def _page(cloud: Cloud, bucket: Bucket, after: str) -> list[tuple[str, Version]]:
    page: list[tuple[str, Version]] = []
    for key, version in listing.walk(cloud.store, bucket.name, "", after=after, markers=True):
        if version is not None:
            page.append((key, version))
        if len(page) >= _GROUP:
            break
    return page


def _due(context: Context, bucket: Bucket, rules: list[Mapping[str, Any]], key: str, head: Version) -> Iterator[Due]:
    now = context.received
    older = [version for _, version in OLDER.scan(context.store, bucket.name, key)] if bucket.versioning else []
    for rule in rules:
        at = lifecycle_rules.expires(rule, head)
        if not head.delete_marker and at is not None and at <= now and lifecycle_rules.applies(rule, key, head):
            yield Due(key, "")
            break
    remaining = len(older)
    for due in _noncurrent(rules, key, head, older, now):
        remaining -= 1
        yield due
    if head.delete_marker and not remaining and _drops_markers(rules, key, head, now):
        yield Due(key, head.id)


def _noncurrent(
    rules: list[Mapping[str, Any]], key: str, head: Version, older: list[Version], now: float
) -> Iterator[Due]:
    """Older versions, newest first, by how long ago another one took their place."""
    successor = head
    for position, version in enumerate(older):
        for rule in rules:
            expiration = rule.get("NoncurrentVersionExpiration")
            if not expiration or not lifecycle_rules.applies(rule, key, version):
                continue
            kept = expiration.get("NewerNoncurrentVersions") or 0
            days = expiration.get("NoncurrentDays") or 0
            if position >= kept and lifecycle_rules.due(successor.modified, days) <= now:
                yield Due(key, version.id)
                break
        successor = version


def _drops_markers(rules: list[Mapping[str, Any]], key: str, head: Version, now: float) -> bool:
    """Whether a delete marker with nothing behind it goes: rules say so, or expire by days, which it has passed."""
    for rule in rules:
        expiration = rule.get("Expiration") or {}
        if not key.startswith(lifecycle_rules.prefix(rule)):
            continue
        at = lifecycle_rules.expires(rule, head)
        if expiration.get("ExpiredObjectDeleteMarker") or (at is not None and at <= now):
            return True
    return False


async def _delete(context: Context, bucket: Bucket, wanted: list[Due]) -> None:
    if not wanted:
        return

    def change(tx: Transaction) -> list[deletion.Deleted]:
        now = writing.same_bucket(tx, bucket)
        done = []
        for key, version_id in wanted:
            version = versions.look_up(tx, bucket.name, key, version_id or None)
            permanent = version_id or not now.versioning
            if version is None or (permanent and lock.protects(version, context.received, bypass=False)):
                continue
            request = {"VersionId": version_id} if version_id else {}
            done.append(deletion.delete(context, tx, now, key, request, cause="LifecycleExpiration"))
        return done

    for deleted in await context.store.transact(change):
        deletion.finish(context, deleted)


async def _abort_uploads(context: Context, bucket: Bucket, rules: list[Mapping[str, Any]]) -> None:
    ended = [
        (str(key), upload.id)
        for (_, key, _id), upload in UPLOADS.scan(context.store, bucket.name)
        for rule in rules
        if (abort := rule.get("AbortIncompleteMultipartUpload"))
        and str(key).startswith(lifecycle_rules.prefix(rule))
        and lifecycle_rules.due(upload.started, abort["DaysAfterInitiation"]) <= context.received
    ]
    for key, upload_id in ended:

        def change(tx: Transaction, key: str = key, upload_id: str = upload_id) -> list[str]:
            return uploads.abandon(context.cloud, tx, bucket.name, key, upload_id)

        uploads.remove_all(context.cloud, await context.store.transact(change))


async def _forget_completed(cloud: Cloud, bucket: Bucket) -> None:
    before = cloud.clock.time() - _REMEMBERED
    old = [key for key, done in COMPLETED.scan(cloud.store, bucket.name) if done.at < before]

    def change(tx: Transaction) -> None:
        for key in old:
            COMPLETED.delete(tx, *key)

    if old:
        await cloud.store.transact(change)
