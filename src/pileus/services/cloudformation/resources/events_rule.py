"""AWS::Events::Rule."""

from __future__ import annotations

from typing import Any

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent
from pileus.services.cloudformation.schemas import members

_RULE = ("ScheduleExpression", "EventPattern", "State", "Description", "RoleArn", "EventBusName")


async def create(work: Work) -> None:
    name = work.name("Name", 64)
    made = await work.call("events", "PutRule", Name=name, Tags=work.properties.get("Tags"), **work.given(*_RULE))
    await work.identify(name)
    work.attributes = {"Arn": made["RuleArn"]}
    await _target(work)


async def _target(work: Work) -> None:
    new: list[dict[str, Any]] = work.properties.get("Targets") or []
    gone = {target["Id"] for target in work.previous.get("Targets") or ()} - {target["Id"] for target in new}
    if gone:
        await work.call("events", "RemoveTargets", Rule=work.physical_id, Ids=sorted(gone))
    if new:
        await work.call("events", "PutTargets", Rule=work.physical_id, Targets=new)


async def update(work: Work) -> None:
    await work.call("events", "PutRule", Name=work.physical_id, **work.given(*_RULE))
    await _target(work)


async def delete(work: Work) -> None:
    ids = [target["Id"] for target in work.properties.get("Targets") or work.previous.get("Targets") or ()]
    if ids:
        await absent(
            work.call("events", "RemoveTargets", Rule=work.physical_id, Ids=ids), "ResourceNotFoundException"
        )  # fmt: skip
    await absent(work.call("events", "DeleteRule", Name=work.physical_id), "ResourceNotFoundException")


RULE = ResourceType(
    "AWS::Events::Rule",
    properties={
        "Name": str,
        "Tags": [{"Key": str, "Value": str}],
        **members("events", "PutRule", _RULE),
        **members("events", "PutTargets", ("Targets",)),
    },
    create=create, update=update, delete=delete,
    create_only=frozenset({"Name", "EventBusName"}),
    attributes=frozenset({"Arn"}),
    name_property="Name",
)  # fmt: skip
