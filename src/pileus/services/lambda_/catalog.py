"""What invocations need to know of functions, remembered as long as nothing changed.

One read of the mark that every change moves replaces the reads of function, version, policy and reservations. What is
remembered is shared: nobody may change it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar, cast

import orjson

from pileus.security.policy.document import Policy, parse
from pileus.services.context import Cloud
from pileus.services.lambda_.names import FunctionName
from pileus.services.lambda_.records import MARK, ResourcePolicy
from pileus.store.keys import Element
from pileus.store.records import Records

T = TypeVar("T")

_MOST = 20_000


class Catalog:
    def __init__(self, cloud: Cloud) -> None:
        self._store = cloud.store
        self._mark: bytes | None = None
        self._kept: dict[tuple[object, ...], Any] = {}

    def refresh(self) -> Catalog:
        """Forgets what is old. To be called before the first use for a request."""
        mark = self._store.recall(MARK)
        if mark != self._mark or len(self._kept) > _MOST:
            self._kept.clear()
            self._mark = mark
        return self

    def get(self, records: Records[T], *key: Element) -> T | None:
        place = (records, *key)
        try:
            return cast("T | None", self._kept[place])
        except KeyError:
            found = self._kept[place] = records.get(self._store, *key)
            return found

    def derived(self, derive: Callable[[Catalog, FunctionName], T], name: FunctionName) -> T:
        """What `derive` makes of the records of `name`, and of nothing else."""
        place = (derive, name)
        try:
            return cast("T", self._kept[place])
        except KeyError:
            found = self._kept[place] = derive(self, name)
            return found


@lru_cache(4096)
def _parsed(text: bytes) -> Policy:
    return parse(text.decode())


def compiled(policy: ResourcePolicy | None) -> tuple[Policy, ...]:
    return () if policy is None else (_parsed(orjson.dumps(policy.document)),)
