"""The bill: usage times prices, service by service, so far this month and for a whole month like it."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from pileus.metering import levels, units, usage
from pileus.metering.price_list import Price, PriceList
from pileus.store.interface import Reader

_HOURS_IN_A_DAY = 24.0
_FREE_SERVICES = ("cognito-identity", "iam", "sts", "cloudformation")
"""AWS charges nothing for calls of these, on either list: https://aws.amazon.com/cognito/pricing/ (identity pools),
https://aws.amazon.com/iam/, https://aws.amazon.com/cloudformation/pricing/."""


class Line(msgspec.Struct, frozen=True):
    service: str
    kind: Literal["fixed", "variable"]
    what: str
    label: str
    unit_price: float
    """Of the first tier."""
    quantity: float
    free: float
    """How much of `quantity` is free."""
    cost: float
    month_quantity: float
    month_cost: float
    effective: str
    source: str


class Bill(msgspec.Struct, frozen=True):
    account: str
    month: str
    list_name: str
    list_title: str
    currency: str
    free_tier: bool
    days: float
    """How much of the month the usage is of, one day at least: what the forecast goes by."""
    lines: tuple[Line, ...]
    unpriced: dict[str, float]
    """Usage in units that this list has no price for."""
    calls: dict[str, dict[str, float]]
    """Service, operation, number of calls."""

    @property
    def cost(self) -> float:
        return sum(line.cost for line in self.lines)

    @property
    def month_cost(self) -> float:
        return sum(line.month_cost for line in self.lines)


def bill(reader: Reader, account: str, now: datetime, prices: PriceList, *, free_tier: bool = True) -> Bill:
    """For the month of `now`. The forecast is a whole month at the levels that are held now and at the rate of use
    since the first day of the month with usage; a first day counts whole."""
    now = now.astimezone(UTC)
    month = usage.month_of(now.date())
    hours = hours_in_month(now.year, now.month)
    days = _days_of_usage(reader, account, month, now)
    used, calls = billable(usage.totals(reader, account, month))
    held = levels.last(reader, account).levels
    rate = hours / _HOURS_IN_A_DAY / days
    forecast = {unit: quantity * rate for unit, quantity in used.items()}
    forecast.update({unit: level * hours for unit, level in held.items()})
    rows = priced(prices, used, hours, free_tier=free_tier)
    month_rows = priced(prices, forecast, hours, free_tier=free_tier)
    lines = [
        Line(
            price.service,
            price.kind,
            price.what,
            price.label,
            price.tiers[0].price,
            quantity,
            free,
            cost,
            month_quantity,
            month_cost,
            price.effective,
            price.source,
        )
        for (price, quantity, free, cost), (_, month_quantity, _, month_cost) in zip(rows, month_rows, strict=True)
    ]
    lines += [_free_line(service, sum(calls.get(service, {}).values()), rate) for service in _FREE_SERVICES]
    known = {price.unit for price in prices.prices}
    unpriced = {unit: quantity for unit, quantity in used.items() if unit not in known and quantity}
    return Bill(
        account, month, prices.name, prices.title, prices.currency, free_tier, days, tuple(lines), unpriced, calls
    )


def hours_in_month(year: int, month: int) -> float:
    return calendar.monthrange(year, month)[1] * _HOURS_IN_A_DAY


def _days_of_usage(reader: Reader, account: str, month: str, now: datetime) -> float:
    first = next((day for day, _, _ in usage.of_month(reader, account, month)), now.date())
    since = now - datetime(first.year, first.month, first.day, tzinfo=UTC)
    return max(1.0, since.total_seconds() / 86400.0)


def billable(totals: Mapping[str, float]) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Billable units, and calls by service and operation; S3's calls become its request units."""
    used: dict[str, float] = {}
    calls: dict[str, dict[str, float]] = {}
    for unit, quantity in totals.items():
        if unit in units.ALL:
            used[unit] = used.get(unit, 0.0) + quantity
            continue
        _, service, operation = unit.split(":")
        calls.setdefault(service, {})[operation] = quantity
        tier = units.request_tier(operation) if service == "s3" else None
        if tier:
            used[tier] = used.get(tier, 0.0) + quantity
    return used, calls


def priced(
    prices: PriceList, used: Mapping[str, float], hours: float, *, free_tier: bool
) -> list[tuple[Price, float, float, float]]:
    """(price, quantity, free quantity, cost), the free amounts of shared pools given out in the list's order."""
    left: dict[str, float] = {}
    rows = []
    for price in prices.prices:
        quantity = price.quantity(used.get(price.unit, 0.0), hours)
        pool = price.pool or price.unit
        available = left.setdefault(pool, price.free_quantity(hours) if free_tier else 0.0)
        free = min(quantity, available)
        left[pool] = available - free
        rows.append((price, quantity, free, price.cost(quantity - free)))
    return rows


def _free_line(service: str, calls: float, rate: float) -> Line:
    return Line(
        service, "variable", "All calls", "call", 0.0, calls, calls, 0.0, calls * rate, 0.0, "", "free of charge"
    )
