"""Usage records: how much of each unit an account used on each day (UTC, as AWS bills)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import cast

from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

_USED: Records[float] = Records(float, "metering", "usage")


def day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def day_at(time: float) -> date:
    """The day of a time in seconds since the epoch."""
    return datetime.fromtimestamp(time, UTC).date()


def month_of(day: date) -> str:
    return f"{day.year:04}-{day.month:02}"


def add(tx: Transaction, day: date, quantities: Mapping[tuple[str, str], float]) -> None:
    """Adds quantities by (account, unit) to `day`."""
    month = month_of(day)
    for (account, unit), quantity in quantities.items():
        before = _USED.get(tx, account, month, day.day, unit) or 0.0
        _USED.put(tx, account, month, day.day, unit, value=before + quantity)


def of_month(reader: Reader, account: str, month: str) -> Iterator[tuple[date, str, float]]:
    """(day, unit, quantity) of a month (`2026-11`), by day."""
    year, number = map(int, month.split("-"))
    for (_, _, day, unit), quantity in _USED.scan(reader, account, month):
        yield date(year, number, cast(int, day)), cast(str, unit), quantity


def totals(reader: Reader, account: str, month: str) -> dict[str, float]:
    """Quantity by unit, over a month."""
    sums: dict[str, float] = {}
    for _, unit, quantity in of_month(reader, account, month):
        sums[unit] = sums.get(unit, 0.0) + quantity
    return sums
