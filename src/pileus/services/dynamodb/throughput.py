"""Provisioned throughput as it changes: when it last rose and fell, and how often it may fall in a day.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.dynamodb.schema import Throughput

_FREE_DECREASES = 4
"""Of one day; after them an hour must lie between two."""
_HOUR, _DAY = 3600, 86400


def decreases_today(throughput: Throughput, now: float) -> int:
    """Days are those of UTC."""
    return throughput.decreases_today if throughput.decreased // _DAY == now // _DAY else 0


def changed(current: Throughput, read: int, write: int, now: float) -> Throughput:
    """Raises AWSError where it has fallen too often today."""
    wanted = Throughput(read, write, current.increased, current.decreased, decreases_today(current, now))
    if read > current.read or write > current.write:
        wanted.increased = now
    if read < current.read or write < current.write:
        if wanted.decreases_today >= _FREE_DECREASES and now - current.decreased < _HOUR:
            raise AWSError("LimitExceededException", _too_many(wanted.decreases_today, current.decreased))
        wanted.decreased = now
        wanted.decreases_today += 1
    return wanted


def given_up(current: Throughput, now: float) -> Throughput:
    """As a table changes to on-demand capacity, which it may whenever it likes."""
    return Throughput(0, 0, current.increased, now, decreases_today(current, now) + 1)


def _too_many(decreases: int, last: float) -> str:
    return (
        "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. "
        f"After the first {_FREE_DECREASES} decreases, each subsequent decrease in the same UTC day can be performed "
        f"at most once every {_HOUR} seconds. Number of decreases today: {decreases}. Last decrease at {_text(last)}. "
        f"Next decrease can be made at {_text(last + _HOUR)}"
    )


def _text(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    clock = f"{moment.hour % 12 or 12}:{moment:%M:%S} {'PM' if moment.hour >= 12 else 'AM'}"
    return f"{moment:%A, %B} {moment.day}, {moment.year} at {clock} Coordinated Universal Time"


def shape(throughput: Throughput, now: float) -> dict[str, Any]:
    """ProvisionedThroughputDescription."""
    shape: dict[str, Any] = {
        "NumberOfDecreasesToday": decreases_today(throughput, now),
        "ReadCapacityUnits": throughput.read,
        "WriteCapacityUnits": throughput.write,
    }
    for member, seconds in (
        ("LastIncreaseDateTime", throughput.increased),
        ("LastDecreaseDateTime", throughput.decreased),
    ):
        if seconds:
            shape[member] = datetime.fromtimestamp(seconds, UTC)
    return shape
