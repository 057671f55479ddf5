"""Looks after environments while they work and when they have stopped: time, memory, freezing.

Two timers serve all environments, and run only while there is one to look after: timers of their own, set and
cancelled at every invocation, would cost more than what they guard.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

WATCH_S = 0.025
FREEZE_AFTER_S = 0.1
"""Idle time before the freezer: a function that is called often is not stopped and started for nothing (some 30 µs),
and what a guest does behind its answer's back ends at the next look, another such time later at most."""


class Attended(Protocol):
    """An environment, as its attendant sees it; times are `time.perf_counter`'s."""

    idle_since: float
    deadline: float

    @property
    def working(self) -> bool:
        """Whether it initialises, or has an invocation that it has not finished with."""
        ...

    def watch(self) -> None: ...
    def timed_out(self) -> None: ...
    def freeze(self) -> None: ...


class Attendant:
    def __init__(self) -> None:
        self._working: set[Attended] = set()
        self._resting: set[Attended] = set()
        self._watcher: asyncio.TimerHandle | None = None
        self._freezer: asyncio.TimerHandle | None = None
        self._closed = False

    def works(self, environment: Attended) -> None:
        self._working.add(environment)
        if self._watcher is None and not self._closed:
            self._watcher = asyncio.get_running_loop().call_later(WATCH_S, self._watch)

    def rests(self, environment: Attended) -> None:
        self._resting.add(environment)
        if self._freezer is None and not self._closed:
            self._freezer = asyncio.get_running_loop().call_later(FREEZE_AFTER_S, self._freeze)

    def _watch(self) -> None:
        self._watcher = None
        now = time.perf_counter()
        soon = now + WATCH_S
        for environment in list(self._working):
            if not environment.working:
                self._working.discard(environment)
            elif environment.deadline <= now:
                environment.timed_out()
            else:
                environment.watch()
                soon = min(soon, environment.deadline)
        if self._working and not self._closed:
            self._watcher = asyncio.get_running_loop().call_later(soon - now, self._watch)

    def _freeze(self) -> None:
        self._freezer = None
        before = time.perf_counter() - FREEZE_AFTER_S
        for environment in list(self._resting):
            if environment.working:
                self._resting.discard(environment)
            elif environment.idle_since <= before:
                self._resting.discard(environment)
                environment.freeze()
        if self._resting and not self._closed:
            self._freezer = asyncio.get_running_loop().call_later(FREEZE_AFTER_S, self._freeze)

    def close(self) -> None:
        self._closed = True
        for timer in (self._watcher, self._freezer):
            if timer:
                timer.cancel()
