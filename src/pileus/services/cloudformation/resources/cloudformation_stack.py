"""AWS::CloudFormation::Stack: a stack in a stack, whose outputs are its attributes."""

from __future__ import annotations

from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, settled
from pileus.services.cloudformation.schemas import Map

_NOT_THERE = "ValidationError"
_FAILING = frozenset({"CREATE_FAILED", "ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "DELETE_FAILED"})
_STABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
_UNCHANGED = "No updates are to be performed."


def _request(work: Work) -> dict[str, Any]:
    parameters = work.properties.get("Parameters", {})
    return {
        "TemplateURL": work.properties["TemplateURL"],
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        "Capabilities": list(work.capabilities),
        **work.given("Tags", "NotificationARNs"),
    }


async def create(work: Work) -> None:
    name = work.name("", 128)
    await work.create(
        "cloudformation", "CreateStack", exists="AlreadyExistsException", StackName=name, **_request(work),
        **work.given("TimeoutInMinutes"), DisableRollback=work.keeps_failures or None,
    )  # fmt: skip
    described = await work.call("cloudformation", "DescribeStacks", StackName=name)
    await work.identify(described["Stacks"][0]["StackId"])
    stack = await _settle(work, work.pause)
    if stack["StackStatus"] != "CREATE_COMPLETE":
        raise TemplateError(f"Embedded stack {work.physical_id} was not successfully created: {await _reason(work)}")
    _tell(work, stack)


async def update(work: Work) -> None:
    reached = {"UPDATE_COMPLETE"}
    try:
        await work.call("cloudformation", "UpdateStack", StackName=work.physical_id, **_request(work))
    except AWSError as error:
        if error.message != _UNCHANGED:
            raise
        reached = _STABLE
    stack = await _settle(work, work.pause)
    if stack["StackStatus"] not in reached:
        raise TemplateError(
            f"Embedded stack {work.physical_id} was not successfully updated. Currently in {stack['StackStatus']} "
            f"with reason: {await _reason(work)}"
        )
    _tell(work, stack)


async def delete(work: Work) -> None:
    """One that is still at something is deleted when that is over."""

    async def drop() -> None:
        await _settle(work)
        await work.call("cloudformation", "DeleteStack", StackName=work.physical_id)
        stack = await _settle(work)
        if stack["StackStatus"] != "DELETE_COMPLETE":
            raise TemplateError(
                f"Embedded stack {work.physical_id} was not successfully deleted: {await _reason(work)}"
            )

    await absent(drop(), _NOT_THERE)


async def _settle(work: Work, *wait: Any) -> dict[str, Any]:
    asked = {"StackName": work.physical_id}
    answer = await settled(work, "cloudformation", "DescribeStacks", asked, _busy, *wait)
    stack: dict[str, Any] = answer["Stacks"][0]
    return stack


def _busy(answer: dict[str, Any]) -> bool:
    return str(answer["Stacks"][0]["StackStatus"]).endswith("_IN_PROGRESS")


async def _reason(work: Work) -> str:
    """Why it failed: its last event that tells so."""
    answer = await work.call("cloudformation", "DescribeStackEvents", StackName=work.physical_id)
    told = (
        str(event["ResourceStatusReason"]).removesuffix(" Rollback requested by user.")
        for event in answer["StackEvents"]
        if event["PhysicalResourceId"] == work.physical_id and event["ResourceStatus"] in _FAILING
        and event.get("ResourceStatusReason")
    )  # fmt: skip
    return next(told, "no reason was given")


def _tell(work: Work, stack: dict[str, Any]) -> None:
    work.attributes = {f"Outputs.{item['OutputKey']}": item["OutputValue"] for item in stack.get("Outputs", [])}


STACK = ResourceType(
    "AWS::CloudFormation::Stack",
    properties={
        "TemplateURL": str, "Parameters": Map(str), "TimeoutInMinutes": int, "NotificationARNs": [str],
        "Tags": [{"Key": str, "Value": str}],
    },
    create=create, update=update, delete=delete,
    required=frozenset({"TemplateURL"}),
    attribute_prefix="Outputs.", tags="Tags", automatic=True,
)  # fmt: skip
