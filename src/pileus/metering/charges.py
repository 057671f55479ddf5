"""What each day cost. The free amounts and tiers are a month's, so a day costs what it adds to the month's bill."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import NamedTuple

from pileus.metering import usage
from pileus.metering.bill import billable, hours_in_month, priced
from pileus.metering.price_list import PriceList
from pileus.store.interface import Reader


class Charge(NamedTuple):
    day: date
    service: str
    unit: str
    quantity: float
    cost: float


def charges(reader: Reader, account: str, month: str, prices: PriceList) -> Iterator[Charge]:
    """Of a month (`2026-11`), by day and in the order of the price list."""
    hours = hours_in_month(*map(int, month.split("-")))
    totals: dict[str, float] = {}
    before = priced(prices, {}, hours, free_tier=True)
    for day, of_day in groupby(usage.of_month(reader, account, month), key=lambda row: row[0]):
        for _, unit, quantity in of_day:
            totals[unit] = totals.get(unit, 0.0) + quantity
        used, _ = billable(totals)
        now = priced(prices, used, hours, free_tier=True)
        for (price, quantity, _, cost), (_, earlier, _, earlier_cost) in zip(now, before, strict=True):
            if quantity > earlier:
                yield Charge(day, price.service, price.unit, quantity - earlier, cost - earlier_cost)
        before = now
