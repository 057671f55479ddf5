"""What each process does by itself while it runs: it writes down how tables have grown."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from pileus.services.context import Cloud
from pileus.services.dynamodb import service
from pileus.services.dynamodb.statistics import Statistics

log = logging.getLogger("pileus.dynamodb")
_SECONDS = 3.0


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


service.on_start.append(_start)
service.on_stop.append(_stop)
