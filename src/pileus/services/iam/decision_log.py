"""Writes the decision log down: every moment in each process, and when it stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from pileus.services.context import Cloud
from pileus.services.iam import service

log = logging.getLogger("pileus.security")

EVERY_SECONDS = 1.0


class Writer:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._write()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self._write()

    async def _write(self) -> None:
        try:
            await self._cloud.authorizer.decisions.flush(self._cloud.store)
        except Exception:
            # A full disk must not end the log for good: requests go on, and so does the writer.
            log.exception("the decision log was not written")


@service.on_start.append
async def start(cloud: Cloud) -> None:
    cloud.part(Writer).start()


@service.on_stop.append
async def stop(cloud: Cloud) -> None:
    await cloud.part(Writer).stop()
