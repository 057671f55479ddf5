"""AWS::Cognito::IdentityPoolRoleAttachment: the roles that a pool's identities get."""

from __future__ import annotations

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent
from pileus.services.cloudformation.schemas import Map


async def create(work: Work) -> None:
    await update(work)
    await work.identify(work.properties["IdentityPoolId"])
    work.attributes = {"Id": work.physical_id}


async def update(work: Work) -> None:
    mappings = {
        mapping.get("IdentityProvider", name): {
            key: value for key, value in mapping.items() if key != "IdentityProvider"
        }
        for name, mapping in work.properties.get("RoleMappings", {}).items()
    }
    await work.call(
        "cognito-identity", "SetIdentityPoolRoles", IdentityPoolId=work.properties["IdentityPoolId"],
        Roles=work.properties.get("Roles", {}), RoleMappings=mappings or None,
    )  # fmt: skip


async def delete(work: Work) -> None:
    request = {"IdentityPoolId": work.physical_id, "Roles": {}}
    await absent(work.call("cognito-identity", "SetIdentityPoolRoles", **request), "ResourceNotFoundException")


_RULE = {"Claim": str, "MatchType": str, "Value": str, "RoleARN": str}
ROLE_ATTACHMENT = ResourceType(
    "AWS::Cognito::IdentityPoolRoleAttachment",
    properties={
        "IdentityPoolId": str, "Roles": Map(str),
        "RoleMappings": Map({
            "IdentityProvider": str, "Type": str, "AmbiguousRoleResolution": str,
            "RulesConfiguration": {"Rules": [_RULE]},
        }),
    },
    create=create, update=update, delete=delete,
    required=frozenset({"IdentityPoolId"}),
    create_only=frozenset({"IdentityPoolId"}),
    attributes=frozenset({"Id"}),
)  # fmt: skip
