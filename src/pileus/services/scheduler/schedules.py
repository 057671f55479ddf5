"""Schedules: when a function runs, and as which role."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from pileus.aws.arn import parse
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.aws.schedules import parse as parse_schedule
from pileus.services.context import Context
from pileus.services.operation import Access, AccessRule, Shape
from pileus.services.scheduler import service
from pileus.services.scheduler.firing import assume
from pileus.services.scheduler.records import (
    SCHEDULES,
    Key,
    Schedule,
    check_group,
    delete_schedule,
    get_group,
    get_schedule,
    placed,
    put_schedule,
    schedule_arn,
    schedule_key,
)
from pileus.store import paging
from pileus.store.interface import Transaction

_KNOWN = frozenset({"Arn", "RoleArn", "Input", "RetryPolicy"})


def _on_schedule(action: str) -> AccessRule:
    return lambda context, request: Access(f"scheduler:{action}", schedule_arn(schedule_key(context, request)))


def _on_change(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Iterable[Access]:
        yield Access(f"scheduler:{action}", schedule_arn(schedule_key(context, request)))
        keys = {"iam:passedtoservice": "scheduler.amazonaws.com"}
        yield Access("iam:PassRole", request["Target"]["RoleArn"], keys)

    return rule


@service.operation(
    "CreateSchedule", access=_on_change("CreateSchedule"), actions=("scheduler:CreateSchedule", "iam:PassRole")
)
async def create_schedule(context: Context, request: Shape) -> Shape:
    key = schedule_key(context, request)
    check_group(context.store, key)
    schedule = await _checked(context, key, request)

    def change(tx: Transaction) -> None:
        check_group(tx, key)
        if SCHEDULES.get(tx, *key) is not None:
            raise AWSError("ConflictException", f"Schedule {placed(key)[1]} already exists.")
        put_schedule(tx, key, schedule, schedule.created)

    await context.store.transact(change)
    return {"ScheduleArn": schedule_arn(key)}


@service.operation(
    "UpdateSchedule", access=_on_change("UpdateSchedule"), actions=("scheduler:UpdateSchedule", "iam:PassRole")
)
async def update_schedule(context: Context, request: Shape) -> Shape:
    """What the request does not say goes back to its default, as on AWS."""
    key = schedule_key(context, request)
    get_schedule(context.store, key)
    schedule = await _checked(context, key, request)

    def change(tx: Transaction) -> None:
        schedule.created = get_schedule(tx, key).created
        delete_schedule(tx, key)
        put_schedule(tx, key, schedule, schedule.modified)

    await context.store.transact(change)
    return {"ScheduleArn": schedule_arn(key)}


@service.operation("GetSchedule", access=_on_schedule("GetSchedule"))
async def get_schedule_operation(context: Context, request: Shape) -> Shape:
    key = schedule_key(context, request)
    schedule = get_schedule(context.store, key)
    shape: Shape = {
        **_summary(key, schedule),
        "ScheduleExpression": schedule.expression,
        "ScheduleExpressionTimezone": schedule.zone,
        "Target": schedule.target,
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": schedule.window}
        if schedule.window
        else {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE" if schedule.delete_after else "NONE",
    }
    optional = {
        "Description": schedule.description or None,
        "StartDate": None if schedule.start is None else datetime.fromtimestamp(schedule.start, UTC),
        "EndDate": None if schedule.end is None else datetime.fromtimestamp(schedule.end, UTC),
    }
    return {**shape, **{member: value for member, value in optional.items() if value is not None}}


@service.operation("DeleteSchedule", access=_on_schedule("DeleteSchedule"))
async def delete_schedule_operation(context: Context, request: Shape) -> None:
    key = schedule_key(context, request)

    def change(tx: Transaction) -> None:
        get_schedule(tx, key)
        delete_schedule(tx, key)

    await context.store.transact(change)


def _on_list(context: Context, request: Shape) -> Access:
    return Access("scheduler:ListSchedules", "*")


@service.operation("ListSchedules", access=_on_list)
async def list_schedules(context: Context, request: Shape) -> Shape:
    group, prefix, state = request.get("GroupName"), request.get("NamePrefix") or "", request.get("State")
    if group:
        get_group(context.store, (context.account, context.region, group))
    try:
        after = paging.decode(request.get("NextToken"))
    except ValueError:
        raise AWSError("ValidationException", "Invalid NextToken.") from None
    rows = (
        ((context.account, context.region, str(key[2])), schedule)
        for key, schedule in SCHEDULES.scan(context.store, context.account, context.region, after=after)
        if state in (None, schedule.state)
    )
    rows = (
        (key, schedule)
        for key, schedule in rows
        if placed(key)[1].startswith(prefix) and group in (None, placed(key)[0])
    )
    shown, token = paging.page(rows, request.get("MaxResults") or 100)
    schedules = []
    for key, schedule in shown:
        summary = _summary((context.account, context.region, str(key[2])), schedule)
        schedules.append({**summary, "Target": {"Arn": schedule.target["Arn"]}})
    return {"Schedules": schedules, **({"NextToken": token} if token else {})}


async def _checked(context: Context, key: Key, request: Shape) -> Schedule:
    """The schedule that a request describes. Raises for what cannot be."""
    if request.get("KmsKeyArn"):
        raise option_not_implemented("KmsKeyArn", "there is no KMS; the data directory is the place to encrypt.")
    expression, zone = request["ScheduleExpression"], request.get("ScheduleExpressionTimezone") or "UTC"
    try:
        parse_schedule(expression, zone)
    except ValueError as error:
        member = "Schedule Expression Timezone" if "time zone" in str(error) else "Schedule Expression"
        raise AWSError("ValidationException", f"Invalid {member} {zone if 'zone' in member else expression}.") from None
    window = request["FlexibleTimeWindow"]
    if (window["Mode"] == "FLEXIBLE") != bool(window.get("MaximumWindowInMinutes")):
        raise AWSError("ValidationException", "MaximumWindowInMinutes goes with the mode FLEXIBLE, and only with it.")
    target = request["Target"]
    _check_target(target)
    await assume(context.cloud, key, target["RoleArn"])
    now = context.cloud.clock.time()
    start, end = request.get("StartDate"), request.get("EndDate")
    return Schedule(
        expression,
        zone,
        target,
        now,
        now,
        request.get("State") or "ENABLED",
        request.get("Description") or "",
        start.timestamp() if start else None,
        end.timestamp() if end else None,
        window.get("MaximumWindowInMinutes") or 0,
        request.get("ActionAfterCompletion") == "DELETE",
    )


def _check_target(target: dict[str, Any]) -> None:
    for option in target.keys() - _KNOWN:
        raise option_not_implemented(f"the target option {option}")
    if (target.get("RetryPolicy") or {}).get("MaximumRetryAttempts", 0):
        raise option_not_implemented("RetryPolicy", "the function's own retries apply once it is invoked.")
    try:
        kind = parse(target["Arn"]).service
    except ValueError:
        raise AWSError("ValidationException", "Provided Arn is not in correct format.") from None
    if kind != "lambda":
        raise option_not_implemented("targets other than functions")
    if target.get("Input"):
        try:
            orjson.loads(target["Input"])
        except ValueError:
            raise AWSError("ValidationException", "Invalid JSON provided for Input.") from None


def _summary(key: Key, schedule: Schedule) -> Shape:
    return {
        "Arn": schedule_arn(key),
        "Name": placed(key)[1],
        "GroupName": placed(key)[0],
        "State": schedule.state,
        "CreationDate": datetime.fromtimestamp(schedule.created, UTC),
        "LastModificationDate": datetime.fromtimestamp(schedule.modified, UTC),
    }
