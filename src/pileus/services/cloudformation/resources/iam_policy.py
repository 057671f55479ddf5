"""AWS::IAM::Policy: one inline policy for several roles, users and groups."""

from __future__ import annotations

from typing import Any

from pileus.services.cloudformation.resources.iam_entities import GONE
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, document
from pileus.services.cloudformation.schemas import JSON

HOLDERS = {"Roles": ("Role", "RoleName"), "Users": ("User", "UserName"), "Groups": ("Group", "GroupName")}


async def create(work: Work) -> None:
    await work.identify(work.name("PolicyName", 128))
    await update(work)


async def update(work: Work) -> None:
    name, old_name = work.properties["PolicyName"], work.previous.get("PolicyName")
    text = document(work.properties["PolicyDocument"])
    for noun, key, holder in _holders(work.properties):
        await work.call("iam", f"Put{noun}Policy", **{key: holder}, PolicyName=name, PolicyDocument=text)
    kept = set(_holders(work.properties)) if name == old_name else set()
    await _take_off(work, work.previous, kept)


def _holders(properties: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(noun, key, holder) for name, (noun, key) in HOLDERS.items() for holder in properties.get(name, [])]


async def _take_off(work: Work, properties: dict[str, Any], kept: set[tuple[str, str, str]]) -> None:
    for noun, key, holder in _holders(properties):
        if (noun, key, holder) not in kept:
            request = {key: holder, "PolicyName": properties["PolicyName"]}
            await absent(work.call("iam", f"Delete{noun}Policy", **request), GONE)


async def delete(work: Work) -> None:
    await _take_off(work, work.properties, set())


POLICY = ResourceType(
    "AWS::IAM::Policy",
    properties={"PolicyName": str, "PolicyDocument": JSON, "Roles": [str], "Users": [str], "Groups": [str]},
    create=create, update=update, delete=delete,
    required=frozenset({"PolicyName", "PolicyDocument"}),
    capability="CAPABILITY_IAM",
)  # fmt: skip
