"""What users and roles were seen to do, counted: what `pileus policy suggest` is made from, and when a key or role was
last used.

Bounded in memory and in the store: of an action's resources so many are kept apart, and all further ones are counted
under their common beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from pileus.store.interface import Reader, Transaction
from pileus.store.keys import prefix_range
from pileus.store.records import Records

if TYPE_CHECKING:
    from pileus.security.access import Access
    from pileus.services.context import Context

RESOURCES_KEPT = 100
_ACTIONS = 4096
_KINDS = frozenset({"user", "role"})


class Activity(msgspec.Struct):
    count: int
    last: float


class Used(msgspec.Struct):
    time: float
    service: str
    region: str


ACTIVITY = Records(Activity, "decision", "activity")
"""By account, issuer, action, resource."""
LAST_USED = Records(Used, "decision", "last-used")
"""By the id of a long-term access key, or a role's ARN."""


Seen = tuple[str, str, str, str]
"""Account, issuer, action, resource."""


class _Count:
    __slots__ = ("last", "number", "seen")

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.number = 0
        self.last = 0.0


class Activities:
    """Of one process, until they are written down."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], dict[str, _Count]] = {}
        self._fresh: list[_Count] = []
        self._used: dict[str, Used] = {}

    def add(self, context: Context, access: Access) -> None:
        principal = context.principal
        used = principal.issuer if principal.kind == "role" else principal.access_key_id
        if used and (principal.session is None or principal.kind == "role"):
            self._used[used] = Used(context.received, context.service, context.region)
        if principal.kind not in _KINDS:
            return
        key = (principal.account, principal.issuer, access.action)
        counts = self._counts.get(key)
        if counts is None:
            if len(self._counts) >= _ACTIONS:
                self._counts.clear()
            counts = self._counts[key] = {}
        count = counts.get(access.resource) or _new(counts, key, access.resource)
        if count is None:
            return
        if count.number == 0:
            self._fresh.append(count)
        count.number += 1
        count.last = context.received

    @property
    def waiting(self) -> bool:
        return bool(self._fresh or self._used)

    def take(self) -> tuple[list[tuple[Seen, Activity]], dict[str, Used]]:
        """What was counted since the last time, which is then forgotten."""
        counted = [(count.seen, Activity(count.number, count.last)) for count in self._fresh]
        for count in self._fresh:
            count.number = 0
        used = self._used
        self._fresh, self._used = [], {}
        return counted, used


def _new(counts: dict[str, _Count], key: tuple[str, str, str], resource: str) -> _Count | None:
    """The count of a resource that is new, or of its kin where enough are kept apart; None beyond all bounds."""
    name = resource if len(counts) < RESOURCES_KEPT else generalised(resource)
    count = counts.get(name)
    if count is None and len(counts) < 2 * RESOURCES_KEPT:
        count = counts[name] = _Count((*key, name))
    return count


def generalised(resource: str) -> str:
    """A resource's first part, for counting many under one name: all keys of a bucket, all streams of a group."""
    arn, colon, own = resource.rpartition(":")
    head, slash, _ = own.partition("/")
    return f"{arn}{colon}{head}{slash}*" if slash else f"{arn}{colon}*"


def write(tx: Transaction, counted: list[tuple[Seen, Activity]], used: dict[str, Used]) -> None:
    for seen, activity in counted:
        known = ACTIVITY.get(tx, *seen)
        if known is None:
            account, issuer, action, resource = seen
            start, end = prefix_range("decision", "activity", account, issuer, action)
            if sum(1 for _ in tx.range(start, end, limit=RESOURCES_KEPT)) >= RESOURCES_KEPT:
                seen = (account, issuer, action, generalised(resource))
                known = ACTIVITY.get(tx, *seen)
        known = known or Activity(0, 0.0)
        ACTIVITY.put(tx, *seen, value=Activity(known.count + activity.count, max(known.last, activity.last)))
    for name, use in used.items():
        LAST_USED.put(tx, name, value=use)


def activity_of(reader: Reader, account: str, issuer: str) -> Iterator[tuple[str, str, Activity]]:
    """(action, resource, how often and when last) of what the issuer's sessions were allowed to do."""
    for key, activity in ACTIVITY.scan(reader, account, issuer):
        yield str(key[2]), str(key[3]), activity
