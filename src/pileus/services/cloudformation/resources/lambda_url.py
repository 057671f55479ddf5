"""AWS::Lambda::Url: a function's own HTTP address."""

from __future__ import annotations

from typing import Any

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent
from pileus.services.cloudformation.schemas import members

_DIRECT = ("AuthType", "Cors", "InvokeMode")


def _target(work: Work) -> dict[str, Any]:
    return {"FunctionName": work.properties["TargetFunctionArn"], **work.given("Qualifier")}


async def create(work: Work) -> None:
    target = _target(work)
    made = await work.create(
        "lambda", "CreateFunctionUrlConfig", exists="ResourceConflictException", **target, **work.given(*_DIRECT)
    )
    if not made:
        made = await work.call("lambda", "GetFunctionUrlConfig", **target)
    await work.identify(made["FunctionArn"])
    work.attributes = {"FunctionUrl": made["FunctionUrl"], "FunctionArn": made["FunctionArn"]}


async def update(work: Work) -> None:
    defaults: dict[str, Any] = {"InvokeMode": "BUFFERED", "Cors": {}}
    changed = {name: work.properties.get(name, defaults.get(name)) for name in _DIRECT if work.changed(name)}
    await work.call("lambda", "UpdateFunctionUrlConfig", **_target(work), **changed)


async def delete(work: Work) -> None:
    await absent(work.call("lambda", "DeleteFunctionUrlConfig", **_target(work)), "ResourceNotFoundException")


URL = ResourceType(
    "AWS::Lambda::Url",
    properties={
        "TargetFunctionArn": str, "Qualifier": str, **members("lambda", "CreateFunctionUrlConfig", _DIRECT),
    },
    create=create, update=update, delete=delete,
    required=frozenset({"TargetFunctionArn", "AuthType"}),
    create_only=frozenset({"TargetFunctionArn", "Qualifier"}),
    attributes=frozenset({"FunctionUrl", "FunctionArn"}),
    name_property="TargetFunctionArn",
)  # fmt: skip
