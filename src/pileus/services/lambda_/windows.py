"""Tumbling windows: the records of so many seconds are reduced to a state, which travels from batch to batch.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from pileus.runtime.interface import Outcome
from pileus.services.lambda_.stream_records import Record

_LATE_SECONDS = 1.0
"""A window is held open a little for records that are still on their way."""


@dataclass
class TumblingWindow:
    """`start` is the open window's first second, 0 where none is open; `state` what the function last answered."""

    length: int
    start: int = 0
    state: bytes = b"{}"

    def of(self, record: Record) -> int:
        """The first second of the window that a record belongs to."""
        created = int(record["dynamodb"]["ApproximateCreationDateTime"])
        return created - created % self.length

    def is_over(self, following: Record | None, now: float) -> bool:
        """Whether nothing more can come for the open window; `following` is the next record, if there is one."""
        if not self.start:
            return False
        if following is not None:
            return self.of(following) != self.start
        return now >= self.start + self.length + _LATE_SECONDS

    def close(self) -> None:
        self.start, self.state = 0, b"{}"

    def took(self, outcome: Outcome) -> None:
        """Keeps the state that the function answered; an answer without one leaves none."""
        try:
            answer = orjson.loads(outcome.payload)
        except ValueError:
            answer = None
        state = answer.get("state") if isinstance(answer, dict) else None
        self.state = orjson.dumps(state if isinstance(state, dict) else {})

    def members(self, shard: str, source: str, *, final: bool) -> dict[str, Any]:
        """What the event says of the window, beside its records."""
        return {
            "window": {"start": _iso(self.start), "end": _iso(self.start + self.length)},
            "state": orjson.Fragment(self.state),
            "shardId": shard,
            "eventSourceARN": source,
            "isFinalInvokeForWindow": final,
            "isWindowTerminatedEarly": False,
        }


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
