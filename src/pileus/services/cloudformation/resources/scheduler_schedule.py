"""AWS::Scheduler::Schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent
from pileus.services.cloudformation.schemas import members

_SCHEDULE = (
    "ScheduleExpression", "ScheduleExpressionTimezone", "Description", "State", "KmsKeyArn", "Target",
    "FlexibleTimeWindow",
)  # fmt: skip


def _name(work: Work) -> dict[str, Any]:
    return {"Name": work.physical_id or work.name("Name", 64), **work.given("GroupName")}


def _request(work: Work) -> dict[str, Any]:
    dates = {name: _moment(name, value) for name, value in work.given("StartDate", "EndDate").items()}
    return {**_name(work), **work.given(*_SCHEDULE), **dates}


def _moment(name: str, written: str) -> datetime:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise TemplateError(f"Value of property {name} must be a date and time, as 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def create(work: Work) -> None:
    await work.create("scheduler", "CreateSchedule", exists="ConflictException", **_request(work))
    await work.identify(work.name("Name", 64))
    found = await work.call("scheduler", "GetSchedule", **_name(work))
    work.attributes = {"Arn": found["Arn"]}


async def update(work: Work) -> None:
    await work.call("scheduler", "UpdateSchedule", **_request(work))


async def delete(work: Work) -> None:
    await absent(work.call("scheduler", "DeleteSchedule", **_name(work)), "ResourceNotFoundException")


SCHEDULE = ResourceType(
    "AWS::Scheduler::Schedule",
    properties={
        "Name": str, "GroupName": str, "StartDate": str, "EndDate": str,
        **members("scheduler", "CreateSchedule", _SCHEDULE),
        "Target": {
            "Arn": str, "RoleArn": str, "Input": str, "DeadLetterConfig": {"Arn": str},
            "RetryPolicy": {"MaximumEventAgeInSeconds": int, "MaximumRetryAttempts": int},
        },
    },
    create=create, update=update, delete=delete,
    required=frozenset({"ScheduleExpression", "Target", "FlexibleTimeWindow"}),
    create_only=frozenset({"Name", "GroupName"}),
    attributes=frozenset({"Arn"}),
    name_property="Name",
)  # fmt: skip
