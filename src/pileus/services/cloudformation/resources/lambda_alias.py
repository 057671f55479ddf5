"""AWS::Lambda::Alias."""

from __future__ import annotations

from typing import Any

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent


def _request(work: Work) -> dict[str, Any]:
    weights = work.properties.get("RoutingConfig", {}).get("AdditionalVersionWeights", [])
    routing = {item["FunctionVersion"]: item["FunctionWeight"] for item in weights}
    return {
        **work.given("FunctionName", "Name", "FunctionVersion", "Description"),
        **({"RoutingConfig": {"AdditionalVersionWeights": routing}} if routing or work.previous else {}),
    }


async def create(work: Work) -> None:
    request = _request(work)
    made = await work.create("lambda", "CreateAlias", exists="ResourceConflictException", **request)
    if not made:
        made = await work.call("lambda", "GetAlias", **work.given("FunctionName", "Name"))
    await work.identify(made["AliasArn"])
    work.attributes = {"AliasArn": made["AliasArn"]}


async def update(work: Work) -> None:
    await work.call("lambda", "UpdateAlias", **{"Description": "", **_request(work)})


async def delete(work: Work) -> None:
    request = {"FunctionName": work.properties["FunctionName"], "Name": work.properties["Name"]}
    await absent(work.call("lambda", "DeleteAlias", **request), "ResourceNotFoundException")


ALIAS = ResourceType(
    "AWS::Lambda::Alias",
    properties={
        "FunctionName": str, "Name": str, "FunctionVersion": str, "Description": str,
        "RoutingConfig": {"AdditionalVersionWeights": [{"FunctionVersion": str, "FunctionWeight": float}]},
    },
    create=create, update=update, delete=delete,
    required=frozenset({"FunctionName", "Name", "FunctionVersion"}),
    create_only=frozenset({"FunctionName", "Name"}),
    attributes=frozenset({"AliasArn"}),
    name_property="Name",
)  # fmt: skip
