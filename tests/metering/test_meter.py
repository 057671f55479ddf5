from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.aws.clock import Clock
from pileus.aws.errors import AWSError
from pileus.metering import usage
from pileus.metering.meter import Meter
from pileus.store.sqlite import SQLiteStore

NOON = 1_795_521_600.0  # 2026-11-24 12:00 UTC
ACCOUNT = "000000000000"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "pairs", durability="relaxed")
    yield store
    store.close()


def test_what_is_added_is_written_by_day_and_summed_over_flushes(store: SQLiteStore) -> None:
    time = NOON

    async def use() -> None:
        nonlocal time
        meter = Meter(store, Clock(lambda: time))
        meter.add(ACCOUNT, "lambda:Requests")
        meter.add(ACCOUNT, "lambda:Requests", 2)
        meter.add("111111111111", "lambda:Requests", 7)
        await meter.flush()
        time += 86400
        meter.add(ACCOUNT, "lambda:Requests", 4)
        await meter.close()

    asyncio.run(use())
    days = [(day.isoformat(), unit, n) for day, unit, n in usage.of_month(store, ACCOUNT, "2026-11")]
    assert days == [("2026-11-24", "lambda:Requests", 3.0), ("2026-11-25", "lambda:Requests", 4.0)]
    assert usage.totals(store, ACCOUNT, "2026-11") == {"lambda:Requests": 7.0}
    assert usage.totals(store, "111111111111", "2026-11") == {"lambda:Requests": 7.0}
    assert usage.totals(store, ACCOUNT, "2026-12") == {}


def test_a_running_meter_writes_by_itself(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pileus.metering.meter.FLUSH_SECONDS", 0.01)
    written = asyncio.Event()

    class Watched:
        async def transact(self, change: Callable[[Any], Any]) -> Any:
            result = await store.transact(change)
            written.set()
            return result

    async def use() -> None:
        meter = Meter(Watched(), Clock(lambda: NOON))  # type: ignore[arg-type]
        meter.start()
        meter.add(ACCOUNT, "calls:s3:GetObject")
        await asyncio.wait_for(written.wait(), 10)
        await meter.close()

    asyncio.run(use())
    assert usage.totals(store, ACCOUNT, "2026-11") == {"calls:s3:GetObject": 1.0}


def test_what_cannot_be_written_is_kept_for_the_next_time(store: SQLiteStore) -> None:
    class FullFor:
        """Refuses the first change, then lets the store do it."""

        refused = False

        async def transact(self, change: Callable[[Any], Any]) -> Any:
            if not self.refused:
                self.refused = True
                raise AWSError("InternalServerError", "The disk is full: nothing was written.")
            return await store.transact(change)

    async def use() -> None:
        meter = Meter(FullFor(), Clock(lambda: NOON))  # type: ignore[arg-type]
        meter.add(ACCOUNT, "calls:s3:PutObject", 2)
        with pytest.raises(AWSError):
            await meter.flush()
        meter.add(ACCOUNT, "calls:s3:PutObject")
        await meter.flush()

    asyncio.run(use())
    assert usage.totals(store, ACCOUNT, "2026-11") == {"calls:s3:PutObject": 3.0}


def test_two_processes_add_up(store: SQLiteStore) -> None:
    async def use() -> None:
        one, other = Meter(store, Clock(lambda: NOON)), Meter(store, Clock(lambda: NOON))
        one.add(ACCOUNT, "calls:s3:PutObject", 2)
        other.add(ACCOUNT, "calls:s3:PutObject", 3)
        await asyncio.gather(one.flush(), other.flush())

    asyncio.run(use())
    assert usage.totals(store, ACCOUNT, "2026-11") == {"calls:s3:PutObject": 5.0}
