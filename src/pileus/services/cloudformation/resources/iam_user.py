"""AWS::IAM::User."""

from __future__ import annotations

from pileus.services.cloudformation.resources.iam_entities import GONE, SHARED, TAGGED, Entity, attach, detach
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent

_ENTITY = Entity("User", "UserName")


async def create(work: Work) -> None:
    name = work.name("UserName", 64)
    await work.create(
        "iam", "CreateUser", exists="EntityAlreadyExists", UserName=name,
        **work.given("Path", "PermissionsBoundary", "Tags"),
    )  # fmt: skip
    await work.identify(name)
    await update(work)
    work.attributes = {"Arn": (await work.call("iam", "GetUser", UserName=name))["User"]["Arn"]}


async def update(work: Work) -> None:
    await attach(work, _ENTITY)
    old, new = (set(properties.get("Groups", [])) for properties in (work.previous, work.properties))
    for group in sorted(new - old):
        await work.call("iam", "AddUserToGroup", GroupName=group, UserName=work.physical_id)
    for group in sorted(old - new):
        await absent(work.call("iam", "RemoveUserFromGroup", GroupName=group, UserName=work.physical_id), GONE)


async def delete(work: Work) -> None:
    for group in work.properties.get("Groups", []):
        await absent(work.call("iam", "RemoveUserFromGroup", GroupName=group, UserName=work.physical_id), GONE)
    await absent(detach(work, _ENTITY), GONE)
    await absent(work.call("iam", "DeleteUser", UserName=work.physical_id), GONE)


USER = ResourceType(
    "AWS::IAM::User",
    properties={"UserName": str, "Groups": [str], **SHARED, **TAGGED},
    create=create, update=update, delete=delete,
    create_only=frozenset({"UserName"}),
    attributes=frozenset({"Arn"}),
    name_property="UserName", tags="Tags", capability="CAPABILITY_IAM",
)  # fmt: skip
