"""AWS::Events::Rule."""

from __future__ import annotations

from typing import Any

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, document, must_be_free
from pileus.services.cloudformation.schemas import JSON, Map, members

_GONE = "ResourceNotFoundException"
_RULE = ("ScheduleExpression", "State", "Description", "RoleArn", "EventBusName")


def _request(work: Work) -> dict[str, Any]:
    pattern = work.properties.get("EventPattern")
    return {**work.given(*_RULE), **({} if pattern is None else {"EventPattern": document(pattern)})}


async def create(work: Work) -> None:
    name = work.name("Name", 64)
    await must_be_free(work, f"{name} already exists", _GONE, "events", "DescribeRule", Name=name)
    made = await work.call("events", "PutRule", Name=name, Tags=work.properties.get("Tags"), **_request(work))
    await work.identify(name)
    work.attributes = {"Arn": made["RuleArn"]}
    await _target(work)


async def _target(work: Work) -> None:
    new: list[dict[str, Any]] = work.properties.get("Targets", [])
    gone = {target["Id"] for target in work.previous.get("Targets", [])} - {target["Id"] for target in new}
    if gone:
        await work.call("events", "RemoveTargets", Rule=work.physical_id, Ids=sorted(gone))
    if new:
        await work.call("events", "PutTargets", Rule=work.physical_id, Targets=new)


async def update(work: Work) -> None:
    await work.call("events", "PutRule", Name=work.physical_id, **_request(work))
    await _target(work)
    if work.changed("Tags"):
        tags = work.properties.get("Tags", [])
        gone = {tag["Key"] for tag in work.previous.get("Tags", [])} - {tag["Key"] for tag in tags}
        if gone:
            await work.call("events", "UntagResource", ResourceARN=work.attributes["Arn"], TagKeys=sorted(gone))
        if tags:
            await work.call("events", "TagResource", ResourceARN=work.attributes["Arn"], Tags=tags)


async def delete(work: Work) -> None:
    ids = [target["Id"] for target in work.properties.get("Targets", [])]
    if ids:
        await absent(work.call("events", "RemoveTargets", Rule=work.physical_id, Ids=ids), _GONE)
    await absent(work.call("events", "DeleteRule", Name=work.physical_id), _GONE)


RULE = ResourceType(
    "AWS::Events::Rule",
    properties={
        "Name": str, "EventPattern": JSON, "Tags": [{"Key": str, "Value": str}],
        **members("events", "PutRule", _RULE),
        "Targets": [{
            "Id": str, "Arn": str, "RoleArn": str, "Input": str, "InputPath": str,
            "InputTransformer": {"InputPathsMap": Map(str), "InputTemplate": str},
            "RetryPolicy": {"MaximumEventAgeInSeconds": int, "MaximumRetryAttempts": int},
            "DeadLetterConfig": {"Arn": str},
        }],
    },
    create=create, update=update, delete=delete,
    create_only=frozenset({"Name", "EventBusName"}),
    attributes=frozenset({"Arn"}),
    name_property="Name", tags="Tags",
)  # fmt: skip
