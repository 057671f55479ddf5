"""Work that happens by itself (expiry, lifecycle, retries): each piece every so often, on one process at a time."""

from __future__ import annotations

import asyncio
import logging
import secrets

import msgspec

from pileus.services import all_services
from pileus.services.context import Cloud
from pileus.services.operation import Periodic
from pileus.store.interface import Transaction
from pileus.store.records import Records

log = logging.getLogger("pileus.periodic")

_LEASE_SECONDS = 15.0


class Lease(msgspec.Struct):
    holder: str
    expires: float


_LEASES = Records(Lease, "periodic", "lease")


class PeriodicWork:
    """One worker's share: whoever holds the lease runs all of it; the others wait for the lease to lapse."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._holder = secrets.token_hex(8)
        self._tasks: list[asyncio.Task[None]] = []
        self._held = asyncio.Event()

    def start(self) -> None:
        self._tasks.append(asyncio.create_task(self._hold(), name="lease"))
        for service in all_services().values():
            for work in service.periodic:
                self._tasks.append(asyncio.create_task(self._repeat(work), name=work.name))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._held.is_set():
            await self._cloud.store.transact(lambda tx: _LEASES.delete(tx, "all"))

    async def _hold(self) -> None:
        while True:
            try:
                if await self._cloud.store.transact(self._take):
                    self._held.set()
                else:
                    self._held.clear()
            except Exception:
                self._held.clear()
                log.exception("the lease for periodic work could not be renewed")
            await asyncio.sleep(_LEASE_SECONDS / 3)

    def _take(self, tx: Transaction) -> bool:
        now = self._cloud.clock.time()
        lease = _LEASES.get(tx, "all")
        if lease is not None and lease.holder != self._holder and lease.expires > now:
            return False
        _LEASES.put(tx, "all", value=Lease(self._holder, now + _LEASE_SECONDS))
        return True

    async def _repeat(self, work: Periodic) -> None:
        while True:
            await asyncio.sleep(work.seconds)
            await self._held.wait()
            try:
                await work.function(self._cloud)
            except Exception:
                log.exception("periodic work %s failed", work.name)


def drop_leases(tx: Transaction) -> None:
    """At start, when no other process can hold one: what a killed one held must not be waited for."""
    _LEASES.delete_all(tx)
