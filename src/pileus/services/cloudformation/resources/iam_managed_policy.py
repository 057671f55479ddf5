"""AWS::IAM::ManagedPolicy."""

from __future__ import annotations

from typing import Any

from pileus.services.cloudformation.resources.iam_entities import GONE
from pileus.services.cloudformation.resources.iam_policy import HOLDERS
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, document
from pileus.services.cloudformation.schemas import JSON

_MAX_VERSIONS = 5


async def create(work: Work) -> None:
    name = work.name("ManagedPolicyName", 128)
    text = document(work.properties["PolicyDocument"])
    await work.create(
        "iam", "CreatePolicy", exists="EntityAlreadyExists", PolicyName=name, PolicyDocument=text,
        **work.given("Path", "Description"),
    )  # fmt: skip
    path = work.properties.get("Path", "/")
    await work.identify(f"arn:aws:iam::{work.account}:policy{path}{name}")
    await _attach(work)
    policy = (await work.call("iam", "GetPolicy", PolicyArn=work.physical_id))["Policy"]
    work.attributes = {"PolicyArn": work.physical_id, "PolicyId": policy["PolicyId"]}


async def update(work: Work) -> None:
    arn = work.physical_id
    if work.changed("PolicyDocument"):
        versions = (await work.call("iam", "ListPolicyVersions", PolicyArn=arn))["Versions"]
        if len(versions) >= _MAX_VERSIONS:
            oldest = min((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: int(v["VersionId"][1:]))
            await work.call("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId=oldest["VersionId"])
        text = document(work.properties["PolicyDocument"])
        await work.call("iam", "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
    await _attach(work)


async def _attach(work: Work) -> None:
    for name, (noun, key) in HOLDERS.items():
        old, new = (set(properties.get(name, [])) for properties in (work.previous, work.properties))
        for holder in sorted(new - old):
            await work.call("iam", f"Attach{noun}Policy", **{key: holder}, PolicyArn=work.physical_id)
        for holder in sorted(old - new):
            request: dict[str, Any] = {key: holder, "PolicyArn": work.physical_id}
            await absent(work.call("iam", f"Detach{noun}Policy", **request), GONE)


async def delete(work: Work) -> None:
    arn = work.physical_id
    work.previous, work.properties = work.properties, {}
    await _attach(work)

    async def drop() -> None:
        for version in (await work.call("iam", "ListPolicyVersions", PolicyArn=arn))["Versions"]:
            if not version["IsDefaultVersion"]:
                await work.call("iam", "DeletePolicyVersion", PolicyArn=arn, VersionId=version["VersionId"])
        await work.call("iam", "DeletePolicy", PolicyArn=arn)

    await absent(drop(), GONE)


MANAGED_POLICY = ResourceType(
    "AWS::IAM::ManagedPolicy",
    properties={
        "ManagedPolicyName": str, "PolicyDocument": JSON, "Path": str, "Description": str, "Roles": [str],
        "Users": [str], "Groups": [str],
    },
    create=create, update=update, delete=delete,
    required=frozenset({"PolicyDocument"}),
    create_only=frozenset({"ManagedPolicyName", "Path", "Description"}),
    attributes=frozenset({"PolicyArn", "PolicyId"}),
    name_property="ManagedPolicyName", capability="CAPABILITY_IAM",
)  # fmt: skip
