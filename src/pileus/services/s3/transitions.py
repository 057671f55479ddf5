"""Storage classes that lifecycle rules give to objects (https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html).

A class is what the object's record says: contents stay where they are, at hand. Archives, whose contents would have to
be restored first, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.s3 import lifecycle_rules, versions, writing
from pileus.services.s3.state import OLDER, Bucket, Version
from pileus.store.interface import Transaction

DEFAULT_MINIMUM = "all_storage_classes_128K"
_MINIMUM_BYTES = 128 * 1024
"""Smaller objects stay, unless a rule says of which size its objects are."""
# Each goes only to one further down.
_ORDER = ("STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR")
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
_MONTH = ("STANDARD_IA", "ONEZONE_IA")
"""Classes for what is at least thirty days old."""


class Move(NamedTuple):
    """`order` tells the version from one that takes its place meanwhile; the id is empty for a current one."""

    key: str
    version_id: str
    order: int
    storage_class: str


def check(rule: Mapping[str, Any]) -> None:
    """Raises the errors that S3 has for transitions that cannot be."""
    lists = (("Transitions", "Days", "Transition"),
             ("NoncurrentVersionTransitions", "NoncurrentDays", "NoncurrentVersionTransition"))  # fmt: skip
    for member, days, action in lists:
        classes = [transition.get("StorageClass") for transition in rule.get(member) or ()]
        if len(classes) != len(set(classes)):
            raise _invalid(f"'StorageClass' must be different for '{action}' actions in same 'Rule'")
        for transition in rule.get(member) or ():
            _check(transition, days, action)


def _check(transition: Mapping[str, Any], member: str, action: str) -> None:
    storage_class, days, date = transition.get("StorageClass"), transition.get(member), transition.get("Date")
    if storage_class not in (*_ORDER[1:], *_ARCHIVES) or (days is None) == (date is None):
        raise lifecycle_rules.malformed()
    if date is not None and lifecycle_rules.seconds(date) % lifecycle_rules.DAY:
        raise _invalid("'Date' must be at midnight GMT")
    if storage_class in _ARCHIVES:
        raise option_not_implemented(f"transitions to {storage_class}", "nothing is archived here.")
    if days is not None and days < (30 if storage_class in _MONTH else 0):
        least = f"greater than or equal to 30 for storageClass '{storage_class}'" if days >= 0 else "nonnegative"
        raise _invalid(f"'{member}' in {action} action must be {least}")


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidArgument", message, status=400)


def due(context: Context, bucket: Bucket, rules: list[Mapping[str, Any]], key: str, head: Version) -> Iterator[Move]:
    """The versions of a key that belong in another class by now."""
    if not head.delete_marker:
        found = [
            transition["StorageClass"]
            for rule in rules
            for transition in rule.get("Transitions") or ()
            if _moves(rule, key, head) and _at(transition, head.modified, "Days") <= context.received
        ]
        yield from _move(key, "", head, found)
    if bucket.versioning and any(rule.get("NoncurrentVersionTransitions") for rule in rules):
        yield from _noncurrent(context, bucket, rules, key, head)


def _noncurrent(
    context: Context, bucket: Bucket, rules: list[Mapping[str, Any]], key: str, head: Version
) -> Iterator[Move]:
    successor = head
    for position, (_, version) in enumerate(OLDER.scan(context.store, bucket.name, key)):
        found = [
            transition["StorageClass"]
            for rule in rules
            for transition in rule.get("NoncurrentVersionTransitions") or ()
            if _moves(rule, key, version)
            and position >= (transition.get("NewerNoncurrentVersions") or 0)
            and _at(transition, successor.modified, "NoncurrentDays") <= context.received
        ]
        if not version.delete_marker:
            yield from _move(key, version.id, version, found)
        successor = version


def _at(transition: Mapping[str, Any], since: float, member: str) -> float:
    date = transition.get("Date")
    return lifecycle_rules.due(since, transition[member]) if date is None else lifecycle_rules.seconds(date)


def _moves(rule: Mapping[str, Any], key: str, version: Version) -> bool:
    filtered = rule.get("Filter") or {}
    both = filtered.get("And") or filtered
    sized = both.get("ObjectSizeGreaterThan") is not None or both.get("ObjectSizeLessThan") is not None
    return (sized or version.size >= _MINIMUM_BYTES) and lifecycle_rules.applies(rule, key, version)


def _move(key: str, version_id: str, version: Version, found: list[str]) -> Iterator[Move]:
    now = version.properties.storage_class
    furthest = max(found, key=_ORDER.index, default=now)
    if now in _ORDER and _ORDER.index(furthest) > _ORDER.index(now):
        yield Move(key, version_id, version.order, furthest)


async def apply(context: Context, bucket: Bucket, moves: list[Move]) -> None:
    if not moves:
        return

    def change(tx: Transaction) -> None:
        writing.same_bucket(tx, bucket)
        for move in moves:
            version = versions.look_up(tx, bucket.name, move.key, move.version_id or None)
            if version is not None and version.order == move.order:
                version.properties.storage_class = move.storage_class
                versions.replace(tx, bucket.name, move.key, version)

    await context.store.transact(change)
