"""AWS::IAM::AccessKey."""

from __future__ import annotations

from pileus.services.cloudformation.resources.iam_entities import GONE
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent


async def create(work: Work) -> None:
    user = work.properties["UserName"]
    key = (await work.call("iam", "CreateAccessKey", UserName=user))["AccessKey"]
    await work.identify(key["AccessKeyId"])
    work.attributes = {"SecretAccessKey": key["SecretAccessKey"]}
    if work.properties.get("Status") == "Inactive":
        await update(work)


async def update(work: Work) -> None:
    await work.call(
        "iam", "UpdateAccessKey", UserName=work.properties["UserName"], AccessKeyId=work.physical_id,
        Status=work.properties.get("Status", "Active"),
    )  # fmt: skip


async def delete(work: Work) -> None:
    request = {"UserName": work.properties["UserName"], "AccessKeyId": work.physical_id}
    await absent(work.call("iam", "DeleteAccessKey", **request), GONE)


ACCESS_KEY = ResourceType(
    "AWS::IAM::AccessKey",
    properties={"UserName": str, "Status": str, "Serial": int},
    create=create, update=update, delete=delete,
    required=frozenset({"UserName"}),
    create_only=frozenset({"UserName", "Serial"}),
    attributes=frozenset({"SecretAccessKey"}),
    capability="CAPABILITY_IAM",
)  # fmt: skip
