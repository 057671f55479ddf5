"""The month's bill, for `pileus cost` and the console."""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.aws.errors import AWSError
from pileus.metering import price_list
from pileus.metering.bill import bill
from pileus.services.admin import admin
from pileus.services.ce import holdings
from pileus.services.context import Context


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    prices: str = "current"
    free_tier: bool = True


@admin("cost")
async def cost(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """The account's bill (metering.bill.Bill) for the current month, with the sums."""
    try:
        asked = msgspec.convert(request, _Request)
        prices = price_list.load(asked.prices)
    except (msgspec.ValidationError, price_list.UnknownPriceListError) as error:
        raise AWSError("ValidationException", str(error)) from None
    await context.cloud.meter.flush()
    await holdings.read(context.cloud, context.account)
    made = bill(context.store, context.account, context.cloud.clock.now(), prices, free_tier=asked.free_tier)
    answer: dict[str, Any] = msgspec.to_builtins(made)
    return answer | {"cost": made.cost, "month_cost": made.month_cost}
