"""AWS::IAM::Group."""

from __future__ import annotations

from pileus.services.cloudformation.resources.iam_entities import GONE, SHARED, Entity, attach, detach
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent

_ENTITY = Entity("Group", "GroupName")


async def create(work: Work) -> None:
    name = work.name("GroupName", 128)
    await work.create("iam", "CreateGroup", exists="EntityAlreadyExists", GroupName=name, **work.given("Path"))
    await work.identify(name)
    await attach(work, _ENTITY)
    work.attributes = {"Arn": (await work.call("iam", "GetGroup", GroupName=name))["Group"]["Arn"]}


async def update(work: Work) -> None:
    await attach(work, _ENTITY)


async def delete(work: Work) -> None:
    await absent(detach(work, _ENTITY), GONE)
    await absent(work.call("iam", "DeleteGroup", GroupName=work.physical_id), GONE)


GROUP = ResourceType(
    "AWS::IAM::Group",
    properties={"GroupName": str, **SHARED},
    create=create, update=update, delete=delete,
    create_only=frozenset({"GroupName"}),
    attributes=frozenset({"Arn"}),
    name_property="GroupName", capability="CAPABILITY_IAM",
)  # fmt: skip
