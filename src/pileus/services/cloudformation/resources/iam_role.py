"""AWS::IAM::Role."""

from __future__ import annotations

from pileus.services.cloudformation.resources.iam_entities import GONE, SHARED, TAGGED, Entity, attach, detach
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, document
from pileus.services.cloudformation.schemas import JSON

_ENTITY = Entity("Role", "RoleName")
_DIRECT = ("Path", "Description", "MaxSessionDuration", "PermissionsBoundary", "Tags")


async def create(work: Work) -> None:
    name = work.name("RoleName", 64)
    trust = document(work.properties["AssumeRolePolicyDocument"])
    await work.create(
        "iam", "CreateRole", exists="EntityAlreadyExists", RoleName=name, AssumeRolePolicyDocument=trust,
        **work.given(*_DIRECT),
    )  # fmt: skip
    await work.identify(name)
    await attach(work, _ENTITY)
    role = (await work.call("iam", "GetRole", RoleName=name))["Role"]
    work.attributes = {"Arn": role["Arn"], "RoleId": role["RoleId"]}


async def update(work: Work) -> None:
    name = _ENTITY.name(work)
    if work.changed("AssumeRolePolicyDocument"):
        trust = document(work.properties["AssumeRolePolicyDocument"])
        await work.call("iam", "UpdateAssumeRolePolicy", **name, PolicyDocument=trust)
    if work.changed("Description", "MaxSessionDuration"):
        seconds = work.properties.get("MaxSessionDuration", 3600)
        described = work.properties.get("Description", "")
        await work.call("iam", "UpdateRole", **name, Description=described, MaxSessionDuration=seconds)
    await attach(work, _ENTITY)


async def delete(work: Work) -> None:
    await absent(detach(work, _ENTITY), GONE)
    await absent(work.call("iam", "DeleteRole", RoleName=work.physical_id), GONE)


ROLE = ResourceType(
    "AWS::IAM::Role",
    properties={
        "RoleName": str, "AssumeRolePolicyDocument": JSON, "Description": str, "MaxSessionDuration": int,
        **SHARED, **TAGGED,
    },
    create=create, update=update, delete=delete,
    required=frozenset({"AssumeRolePolicyDocument"}),
    create_only=frozenset({"RoleName", "Path"}),
    attributes=frozenset({"Arn", "RoleId"}),
    name_property="RoleName", tags="Tags", capability="CAPABILITY_IAM",
)  # fmt: skip
