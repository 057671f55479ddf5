"""AWS::Scheduler::Schedule."""

from __future__ import annotations

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent
from pileus.services.cloudformation.schemas import members

_SCHEDULE = (
    "GroupName", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "Description", "State",
    "KmsKeyArn", "Target", "FlexibleTimeWindow",
)  # fmt: skip


async def create(work: Work) -> None:
    name = work.name("Name", 64)
    made = await work.call("scheduler", "CreateSchedule", Name=name, **work.given(*_SCHEDULE))
    await work.identify(name)
    work.attributes = {"Arn": made["ScheduleArn"]}


async def update(work: Work) -> None:
    await work.call("scheduler", "UpdateSchedule", Name=work.physical_id, **work.given(*_SCHEDULE))


async def delete(work: Work) -> None:
    await absent(work.call("scheduler", "DeleteSchedule", Name=work.physical_id), "ResourceNotFoundException")


SCHEDULE = ResourceType(
    "AWS::Scheduler::Schedule",
    properties={"Name": str, **members("scheduler", "CreateSchedule", _SCHEDULE)},
    create=create, update=update, delete=delete,
    required=frozenset({"ScheduleExpression", "Target", "FlexibleTimeWindow"}),
    create_only=frozenset({"Name", "GroupName"}),
    attributes=frozenset({"Arn"}),
    name_property="Name",
)  # fmt: skip
