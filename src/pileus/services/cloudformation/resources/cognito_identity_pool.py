"""AWS::Cognito::IdentityPool."""

from __future__ import annotations

from typing import Any

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, tag_map
from pileus.services.cloudformation.schemas import Map

_DIRECT = (
    "AllowUnauthenticatedIdentities", "AllowClassicFlow", "DeveloperProviderName", "CognitoIdentityProviders",
    "SupportedLoginProviders", "OpenIdConnectProviderARNs", "SamlProviderARNs",
)  # fmt: skip


def _request(work: Work) -> dict[str, Any]:
    # AWS names a pool after its resource, with letters, digits and underscores only.
    name = work.properties.get("IdentityPoolName") or work.name("", 128).replace("-", "_")
    return {"IdentityPoolName": name, **work.given(*_DIRECT)}


async def create(work: Work) -> None:
    request = _request(work)
    tags = tag_map(work.properties.get("IdentityPoolTags")) or None
    made = await work.call("cognito-identity", "CreateIdentityPool", **request, IdentityPoolTags=tags)
    await work.identify(made["IdentityPoolId"])
    work.attributes = {"Name": request["IdentityPoolName"]}


async def update(work: Work) -> None:
    """UpdateIdentityPool replaces the whole pool; tags go with it."""
    request = _request(work)
    tags = tag_map(work.properties.get("IdentityPoolTags"))
    await work.call(
        "cognito-identity", "UpdateIdentityPool", IdentityPoolId=work.physical_id, **request, IdentityPoolTags=tags
    )
    work.attributes = {"Name": request["IdentityPoolName"]}


async def delete(work: Work) -> None:
    request = {"IdentityPoolId": work.physical_id}
    await absent(work.call("cognito-identity", "DeleteIdentityPool", **request), "ResourceNotFoundException")


IDENTITY_POOL = ResourceType(
    "AWS::Cognito::IdentityPool",
    properties={
        "IdentityPoolName": str, "AllowUnauthenticatedIdentities": bool, "AllowClassicFlow": bool,
        "DeveloperProviderName": str, "SupportedLoginProviders": Map(str),
        "CognitoIdentityProviders": [{"ClientId": str, "ProviderName": str, "ServerSideTokenCheck": bool}],
        "OpenIdConnectProviderARNs": [str], "SamlProviderARNs": [str],
        "IdentityPoolTags": [{"Key": str, "Value": str}],
    },
    create=create, update=update, delete=delete,
    required=frozenset({"AllowUnauthenticatedIdentities"}),
    attributes=frozenset({"Name"}),
    tags="IdentityPoolTags",
)  # fmt: skip
