"""Counts usage as it happens. Adding is a dictionary's work; the store is written once a second."""

from __future__ import annotations

import asyncio
import contextlib

from pileus.aws.clock import Clock
from pileus.aws.errors import AWSError
from pileus.metering import usage
from pileus.store.interface import Store

FLUSH_SECONDS = 1.0


class Meter:
    """One a process. What was added in the last second is lost if the process is killed; nothing else is.

    `start` needs a running event loop and writes every second until `close`, which writes the rest.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._pending: dict[tuple[str, str], float] = {}
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def add(self, account: str, unit: str, quantity: float = 1.0) -> None:
        """Adds `quantity` of `unit` (see `metering.units`) to what `account` used."""
        pending = self._pending
        key = (account, unit)
        try:
            pending[key] += quantity
        except KeyError:
            pending[key] = quantity

    async def flush(self) -> None:
        """Writes what was added, in one transaction. What cannot be written now is kept for the next time."""
        if not self._pending:
            return
        counted, self._pending = self._pending, {}
        day = usage.day_of(self._clock.now())
        try:
            await self._store.transact(lambda tx: usage.add(tx, day, counted))
        except Exception:
            for (account, unit), quantity in counted.items():
                self.add(account, unit, quantity)
            raise

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="meter")

    async def close(self) -> None:
        self._closing.set()
        if self._task is not None:
            await self._task
            self._task = None
        await self.flush()

    async def _run(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), FLUSH_SECONDS)
            # A full disk must not end the counting: the next second tries again, the sum is kept.
            with contextlib.suppress(AWSError, OSError):
                await self.flush()
