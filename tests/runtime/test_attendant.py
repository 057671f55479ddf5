"""What happens to environments that take too long, and to those that have nothing to do."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import pytest

from pileus.runtime import attendant
from pileus.runtime.attendant import Attendant


class Environment:
    def __init__(self, *, working: bool, deadline: float = math.inf) -> None:
        self.working = working
        self.deadline = deadline
        self.idle_since = time.perf_counter()
        self.seen: list[str] = []

    def watch(self) -> None:
        self.seen.append("watched")

    def timed_out(self) -> None:
        self.seen.append("timed out")
        self.working = False

    def freeze(self) -> None:
        self.seen.append("frozen")


async def until(condition: Callable[[], object]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


def test_watches_what_works_until_its_time_is_over() -> None:
    async def look() -> None:
        one, looking = Environment(working=True), Attendant()
        looking.works(one)
        await until(lambda: one.seen.count("watched") > 1)
        one.deadline = time.perf_counter()
        await until(lambda: "timed out" in one.seen)
        looking.close()
        assert one.seen.count("timed out") == 1

    asyncio.run(look())


def test_leaves_alone_what_has_ended() -> None:
    async def look() -> None:
        one, other, looking = Environment(working=True), Environment(working=True), Attendant()
        looking.works(one)
        looking.works(other)
        one.working = False
        await until(lambda: other.seen.count("watched") > 1)
        looking.close()
        assert one.seen == []

    asyncio.run(look())


def test_freezes_what_rests_and_not_what_works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> None:
        monkeypatch.setattr(attendant, "FREEZE_AFTER_S", 0.02)
        resting, busy, looking = Environment(working=False), Environment(working=False), Attendant()
        looking.rests(resting)
        looking.rests(busy)
        busy.working = True
        await until(lambda: resting.seen)
        looking.close()
        assert resting.seen == ["frozen"]
        assert busy.seen == []

    asyncio.run(look())
