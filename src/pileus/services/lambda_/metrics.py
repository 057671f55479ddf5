"""How each function fares: invocations, errors, throttles and durations, by the hour.

Counted in memory and written once a second, as usage is; durations go into a histogram whose steps are a tenth apart,
from which percentiles are read.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import msgspec

from pileus.aws.errors import AWSError
from pileus.runtime.interface import Outcome
from pileus.services.admin import admin
from pileus.services.context import Cloud, Context
from pileus.services.lambda_ import service
from pileus.services.lambda_.names import FunctionName
from pileus.store.interface import Transaction
from pileus.store.records import Records

_HOUR = 3600
_KEEP_HOURS = 24 * 14
_FLUSH_SECONDS = 1.0
_STEP = math.log(1.1)
_SMALLEST_MS = 0.1


class Counts(msgspec.Struct):
    invocations: int = 0
    errors: int = 0
    throttles: int = 0
    cold_starts: int = 0
    duration_ms: float = 0.0
    durations: dict[int, int] = {}

    def add(self, other: Counts) -> None:
        self.invocations += other.invocations
        self.errors += other.errors
        self.throttles += other.throttles
        self.cold_starts += other.cold_starts
        self.duration_ms += other.duration_ms
        for step, count in other.durations.items():
            self.durations[step] = self.durations.get(step, 0) + count

    def percentile(self, share: float) -> float:
        """The duration that `share` of the invocations did not exceed, to within a tenth."""
        wanted = share * sum(self.durations.values())
        for step, count in sorted(self.durations.items()):
            wanted -= count
            if wanted <= 0:
                return round(_SMALLEST_MS * math.exp(step * _STEP), 2)
        return 0.0


_COUNTS = Records(Counts, "lambda", "metrics")
"""(hour, account, region, name)"""


class Metrics:
    def __init__(self, cloud: Cloud) -> None:
        self._store = cloud.store
        self._clock = cloud.clock
        self._pending: dict[tuple[str, str, str], Counts] = {}
        self._task: asyncio.Task[None] | None = None

    def _of(self, name: FunctionName) -> Counts:
        if self._task is None:
            self._task = asyncio.create_task(self._flush_soon(), name="lambda metrics")
        try:
            return self._pending[name.key]
        except KeyError:
            made = self._pending[name.key] = Counts()
            return made

    def refused(self, name: FunctionName, error: AWSError) -> None:
        """An invocation that did not come to run."""
        self._of(name).throttles += error.code == "TooManyRequestsException"

    def count(self, name: FunctionName, outcome: Outcome) -> None:
        counts, duration = self._of(name), outcome.duration_ms
        step = math.ceil(math.log(duration / _SMALLEST_MS) / _STEP) if duration > _SMALLEST_MS else 0
        counts.invocations += 1
        counts.errors += outcome.function_error is not None
        counts.cold_starts += outcome.init_ms is not None
        counts.duration_ms += duration
        counts.durations[step] = counts.durations.get(step, 0) + 1

    async def _flush_soon(self) -> None:
        await asyncio.sleep(_FLUSH_SECONDS)
        self._task = None
        await self.flush()

    async def flush(self) -> None:
        pending, self._pending = self._pending, {}
        if not pending:
            return
        hour = int(self._clock.time()) // _HOUR

        def write(tx: Transaction) -> None:
            for key, counts in pending.items():
                kept = _COUNTS.get(tx, hour, *key) or Counts()
                kept.add(counts)
                _COUNTS.put(tx, hour, *key, value=kept)

        await self._store.transact(write)


@service.every(_HOUR, "metrics")
async def forget(cloud: Cloud) -> None:
    """Deletes counts that are older than two weeks."""
    before = int(cloud.clock.time()) // _HOUR - _KEEP_HOURS
    old = [key for key, _ in _COUNTS.scan(cloud.store) if isinstance(key[0], int) and key[0] < before]
    for key in old:
        await cloud.store.transact(lambda tx, key=key: _COUNTS.delete(tx, *key))  # type: ignore[misc]


@admin("functions")
async def functions(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """The account's functions with their counts of the last `Hours` (24)."""
    await context.cloud.part(Metrics).flush()
    asked = request.get("Hours") or 24
    hours = asked if isinstance(asked, int) and 0 < asked <= _KEEP_HOURS else 24
    first = int(context.cloud.clock.time()) // _HOUR - hours + 1
    sums: dict[tuple[str, str], Counts] = {}
    for hour in range(first, first + hours):
        for (_, _, region, name), counts in _COUNTS.scan(context.store, hour, context.account):
            sums.setdefault((str(region), str(name)), Counts()).add(counts)
    return {"Functions": [_summary(region, name, counts) for (region, name), counts in sorted(sums.items())]}


def _summary(region: str, name: str, counts: Counts) -> dict[str, Any]:
    return {
        "FunctionName": name,
        "Region": region,
        "Invocations": counts.invocations,
        "Errors": counts.errors,
        "Throttles": counts.throttles,
        "ColdStarts": counts.cold_starts,
        "Duration": {
            "Average": round(counts.duration_ms / counts.invocations, 2) if counts.invocations else 0.0,
            **{f"p{share}": counts.percentile(share / 100) for share in (50, 90, 99)},
        },
    }
