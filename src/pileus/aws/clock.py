"""The one clock. Tests put another in its place; nothing else reads the time of day."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """`time()` is seconds since the epoch, as float; `now()` the same as an aware datetime in UTC."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self.time = source

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)
