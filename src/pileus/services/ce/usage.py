"""GetCostAndUsage: the account's costs by day or month, by AWS's current public prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.metering import price_list, usage
from pileus.metering.charges import Charge, charges
from pileus.services.ce import holdings, service
from pileus.services.context import Context
from pileus.services.operation import Access, Shape
from pileus.store.interface import Reader

_COSTS = frozenset({"AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost", "UnblendedCost"})
"""All the same where nothing is reserved, discounted or shared."""
_QUANTITY = "UsageQuantity"
_SERVICES = {
    "dynamodb": "Amazon DynamoDB",
    "lambda": "AWS Lambda",
    "logs": "AmazonCloudWatch",
    "s3": "Amazon Simple Storage Service",
    "transfer": "AWS Data Transfer",
}
_LONGEST_DAYS = 400


def _access(context: Context, request: Shape) -> Access:
    return Access("ce:GetCostAndUsage")


@service.operation("GetCostAndUsage", access=_access)
async def get_cost_and_usage(context: Context, request: Shape) -> Shape:
    """https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html"""
    start, end = (_day(request["TimePeriod"][name]) for name in ("Start", "End"))
    if not start < end:
        raise _invalid("Start date (and hour) should be before end date (and hour)")
    if (end - start).days > _LONGEST_DAYS:
        raise option_not_implemented(f"GetCostAndUsage over more than {_LONGEST_DAYS} days")
    if request["Granularity"] == "HOURLY":
        raise option_not_implemented("Granularity HOURLY", "usage is kept by day.")
    for option in ("Filter", "BillingViewArn"):
        if request.get(option):
            raise option_not_implemented(f"{option} of GetCostAndUsage")
    metrics = request["Metrics"]
    for metric in metrics:
        if metric not in _COSTS and metric != _QUANTITY:
            raise option_not_implemented(f"the metric {metric}")
    keys = [_group_key(group) for group in request.get("GroupBy") or ()]
    await context.cloud.meter.flush()
    await holdings.read(context.cloud, context.account)
    with context.store.snapshot() as reader:
        found = list(_charges(reader, context.account, start, end))
    today = usage.day_of(context.cloud.clock.now())
    periods = []
    for first, last in _periods(start, end, monthly=request["Granularity"] == "MONTHLY"):
        inside = [charge for charge in found if first <= charge.day < last]
        period: Shape = {
            "TimePeriod": {"Start": first.isoformat(), "End": last.isoformat()},
            "Total": {} if keys else _sums(inside, metrics),
            "Groups": [],
            # AWS closes a month's bill some days later; here it is closed with the month.
            "Estimated": (last - timedelta(days=1)).replace(day=1) >= today.replace(day=1),
        }
        if keys:
            groups: dict[tuple[str, ...], list[Charge]] = {}
            for charge in inside:
                groups.setdefault(tuple(_KEYS[key](charge) for key in keys), []).append(charge)
            period["Groups"] = [
                {"Keys": list(group), "Metrics": _sums(members, metrics)} for group, members in sorted(groups.items())
            ]
        periods.append(period)
    answer: Shape = {"ResultsByTime": periods, "DimensionValueAttributes": []}
    return answer | ({"GroupDefinitions": request["GroupBy"]} if keys else {})


_KEYS: dict[str, Callable[[Charge], str]] = {
    "SERVICE": lambda charge: _SERVICES[charge.service],
    "USAGE_TYPE": lambda charge: charge.unit.partition(":")[2],
}


def _group_key(group: Shape) -> str:
    key: str = group.get("Key", "")
    if group.get("Type", "DIMENSION") != "DIMENSION" or key not in _KEYS:
        raise option_not_implemented(f"grouping by {group.get('Type', 'DIMENSION')} {key}")
    return key


def _charges(reader: Reader, account: str, start: date, end: date) -> Iterator[Charge]:
    prices = price_list.load()
    month = start.replace(day=1)
    while month < end:
        yield from charges(reader, account, usage.month_of(month), prices)
        month = (month + timedelta(days=31)).replace(day=1)


def _periods(start: date, end: date, *, monthly: bool) -> Iterator[tuple[date, date]]:
    while start < end:
        following = (start.replace(day=1) + timedelta(days=31)).replace(day=1) if monthly else start + timedelta(days=1)
        yield start, min(following, end)
        start = following


def _sums(found: list[Charge], metrics: list[str]) -> Shape:
    cost, quantity = (sum(getattr(charge, name) for charge in found) for name in ("cost", "quantity"))
    return {
        metric: {"Amount": f"{quantity:.10g}", "Unit": "N/A"}
        if metric == _QUANTITY
        else {"Amount": f"{cost:.10f}", "Unit": "USD"}
        for metric in metrics
    }


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _invalid(f"Start time {text} is invalid. Valid format is: yyyy-MM-dd.") from None


def _invalid(message: str) -> AWSError:
    return AWSError("ValidationException", message, status=400)
