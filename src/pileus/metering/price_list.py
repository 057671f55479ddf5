"""Price lists: data (prices/*.toml), typed and checked when read."""

from __future__ import annotations

import importlib.resources
from typing import Literal

import msgspec

from pileus.metering import units


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    price: float
    up_to: float | None = None
    """The quantity, free amounts left out, at which the next tier begins; None for the last."""


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a unit costs: `price` for every `per` of it, or, where `monthly`, for holding `per` of it all month long
    (the unit is then counted in hours). Quantities in `free` and `tiers` are in these multiples, named by `label`."""

    service: str
    unit: str
    kind: Literal["fixed", "variable"]
    """Fixed costs are for what is kept, variable ones grow with the load (and so with the capacity provisioned)."""
    what: str
    label: str
    tiers: tuple[Tier, ...]
    effective: str
    source: str
    per: float = 1.0
    monthly: bool = False
    free: float = 0.0
    free_all_month: bool = False
    """`free` is a level that may be held all month, not a quantity."""
    pool: str = ""
    """Prices with the same pool share one free amount."""

    def quantity(self, used: float, hours_in_month: float) -> float:
        """`used` in the multiples that are priced."""
        return used / self.per / (hours_in_month if self.monthly else 1.0)

    def free_quantity(self, hours_in_month: float) -> float:
        return self.free * (hours_in_month if self.free_all_month else 1.0)

    def cost(self, quantity: float) -> float:
        """Of a quantity beyond the free one, tier by tier."""
        cost = 0.0
        below = 0.0
        for tier in self.tiers:
            upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
            cost += max(0.0, upper - below) * tier.price
            below = max(below, upper)
        return cost


class PriceList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    currency: str
    prices: tuple[Price, ...] = msgspec.field(name="price")
    name: str = ""


class UnknownPriceListError(LookupError):
    pass


def names() -> list[str]:
    """Of the lists there are, the newest last."""
    folder = importlib.resources.files("pileus.metering.prices")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load(name: str = "current") -> PriceList:
    """Raises UnknownPriceListError for a name that is none of `names`."""
    if name not in names():
        raise UnknownPriceListError(f"there is no price list {name!r}: choose from {', '.join(names())}")
    text = (importlib.resources.files("pileus.metering.prices") / f"{name}.toml").read_bytes()
    prices = msgspec.structs.replace(msgspec.toml.decode(text, type=PriceList), name=name)
    for price in prices.prices:
        if price.unit not in units.ALL:
            raise ValueError(f"price list {name} names the unknown unit {price.unit}")
        if any(tier.up_to is None for tier in price.tiers[:-1]) or price.tiers[-1].up_to is not None:
            raise ValueError(f"the tiers of {price.unit} in price list {name} leave a gap")
    return prices
