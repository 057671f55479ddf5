"""AWS::IAM::OIDCProvider."""

from __future__ import annotations

from pileus.services.cloudformation.resources.iam_entities import GONE
from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent


async def create(work: Work) -> None:
    properties = work.properties
    await work.create(
        "iam", "CreateOpenIDConnectProvider", exists="EntityAlreadyExists", Url=properties["Url"],
        ClientIDList=properties.get("ClientIdList"), ThumbprintList=properties.get("ThumbprintList"),
        **work.given("Tags"),
    )  # fmt: skip
    host = properties["Url"].removeprefix("https://").rstrip("/")
    await work.identify(f"arn:aws:iam::{work.account}:oidc-provider/{host}")
    work.attributes = {"Arn": work.physical_id}


async def update(work: Work) -> None:
    name = {"OpenIDConnectProviderArn": work.physical_id}
    old, new = (set(properties.get("ClientIdList", [])) for properties in (work.previous, work.properties))
    for client in sorted(new - old):
        await work.call("iam", "AddClientIDToOpenIDConnectProvider", **name, ClientID=client)
    for client in sorted(old - new):
        await work.call("iam", "RemoveClientIDFromOpenIDConnectProvider", **name, ClientID=client)
    if work.changed("ThumbprintList"):
        thumbprints = work.properties.get("ThumbprintList", [])
        await work.call("iam", "UpdateOpenIDConnectProviderThumbprint", **name, ThumbprintList=thumbprints)
    if work.changed("Tags"):
        tags = work.properties.get("Tags", [])
        gone = {tag["Key"] for tag in work.previous.get("Tags", [])} - {tag["Key"] for tag in tags}
        if gone:
            await work.call("iam", "UntagOpenIDConnectProvider", **name, TagKeys=sorted(gone))
        if tags:
            await work.call("iam", "TagOpenIDConnectProvider", **name, Tags=tags)


async def delete(work: Work) -> None:
    request = {"OpenIDConnectProviderArn": work.physical_id}
    await absent(work.call("iam", "DeleteOpenIDConnectProvider", **request), GONE)


OIDC_PROVIDER = ResourceType(
    "AWS::IAM::OIDCProvider",
    properties={
        "Url": str, "ClientIdList": [str], "ThumbprintList": [str], "Tags": [{"Key": str, "Value": str}],
    },
    create=create, update=update, delete=delete,
    required=frozenset({"Url"}),
    create_only=frozenset({"Url"}),
    attributes=frozenset({"Arn"}),
    name_property="Url", tags="Tags",
)  # fmt: skip
