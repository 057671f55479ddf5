"""Filling a cloud that is down: its own operations called in process, authorised, validated and stored as a request's.

Without HTTP, signatures and an SDK a million items take two minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from pileus.gateway.cloud import open_cloud
from pileus.security import principals
from pileus.security.accounts import FIRST_ACCOUNT
from pileus.services import all_services
from pileus.services.context import Settings

Call = tuple[str, str, dict[str, Any]]
"""Service, operation, request."""
_AT_ONCE = 64


def fill(data: Path, calls: Iterable[Call]) -> None:
    """Raises AWSError where a call does."""
    asyncio.run(_fill(data, calls))


async def _fill(data: Path, calls: Iterable[Call]) -> None:
    cloud = open_cloud(Settings(data, durability="relaxed"))
    all_services()
    client = cloud.client(principals.root(FIRST_ACCOUNT))
    waiting = iter(calls)
    while group := list(islice(waiting, _AT_ONCE)):
        await asyncio.gather(*(client.call(*call) for call in group))
    await cloud.meter.close()
    cloud.store.close()
