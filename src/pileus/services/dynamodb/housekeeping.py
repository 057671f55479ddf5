"""Tables' statistics: every process writes down how tables have grown, and four times a day they are counted anew."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial

from pileus.services.context import Cloud
from pileus.services.dynamodb import service, statistics
from pileus.services.dynamodb.catalog import Catalog
from pileus.services.dynamodb.schema import Keys, record_size
from pileus.services.dynamodb.statistics import Statistics
from pileus.store.keys import prefix_range, unpack

log = logging.getLogger("pileus.dynamodb")
_SECONDS = 3.0
_PIECE = 250
_LEISURE = 4
"""Times as long as it counts, a count leaves the event loop to requests: a large table is counted for minutes."""


class _Flushing:
    def __init__(self, cloud: Cloud) -> None:
        self.task: asyncio.Task[None] | None = None


async def _flush(cloud: Cloud) -> None:
    while True:
        await asyncio.sleep(_SECONDS)
        try:
            await cloud.part(Statistics).flush(cloud)
        except Exception:
            log.exception("the growth of tables could not be written down")


async def _start(cloud: Cloud) -> None:
    cloud.part(_Flushing).task = asyncio.get_running_loop().create_task(_flush(cloud))


async def _stop(cloud: Cloud) -> None:
    task = cloud.part(_Flushing).task
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await cloud.part(Statistics).flush(cloud)


@service.every(6 * 3600, "recount")
async def recount(cloud: Cloud) -> None:
    """Puts right what killed processes had not written down. Writes meanwhile may be missed or counted twice: the
    counts are approximate, as on AWS."""
    for key, _ in list(cloud.store.range(*prefix_range("dynamodb", "table"))):
        account, region, name = (str(part) for part in unpack(key)[2:])
        table = cloud.part(Catalog).find(cloud.store, account, region, name)
        if table is None:
            continue
        for index, keys in ((0, table.keys), *((plan.index.number, plan.keys) for plan in table.indexes)):
            items, size = await _count(cloud, keys)
            number = table.record.number
            await cloud.store.transact(partial(statistics.put, number=number, index=index, items=items, size=size))


async def _count(cloud: Cloud, keys: Keys) -> tuple[int, int]:
    items = size = 0
    start, end = keys.range()
    began = time.perf_counter()
    while found := list(cloud.store.range(start, end, limit=_PIECE)):
        items += len(found)
        size += sum(record_size(record) for _, record in found)
        start = found[-1][0] + b"\0"
        await asyncio.sleep(_LEISURE * (time.perf_counter() - began))
        began = time.perf_counter()
    return items, size


service.on_start.append(_start)
service.on_stop.append(_stop)
