"""Identity pools: https://docs.aws.amazon.com/cognito/latest/developerguide/identity-pools.html"""

from __future__ import annotations

import re
import uuid
from typing import Any

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.security.identities import OPENID_PROVIDERS
from pileus.services.cognito_identity import service
from pileus.services.cognito_identity.errors import invalid_parameter
from pileus.services.cognito_identity.records import (
    IDENTITIES,
    IDENTITIES_OF_POOL,
    POOLS,
    POOLS_OF_ACCOUNT,
    Pool,
    TagMap,
    delete_identity,
    on_everything,
    on_pool,
    on_tagged,
    own_pool,
    pool_of,
    put_pool,
)
from pileus.services.context import Context
from pileus.services.operation import Access, Shape
from pileus.services.system_tags import own, system
from pileus.store import paging
from pileus.store.interface import Transaction

_SETTINGS = ("SupportedLoginProviders", "OpenIdConnectProviderARNs", "CognitoIdentityProviders")
_ARN = re.compile(r"^arn:aws:cognito-identity:[a-z0-9-]+:(\d{12}):identitypool/(.+)$")
TAGS_PER_POOL = 50


def _shape(pool: Pool) -> Shape:
    shape: Shape = {
        "IdentityPoolId": pool.id,
        "IdentityPoolName": pool.name,
        "AllowUnauthenticatedIdentities": pool.allow_unauthenticated,
        "AllowClassicFlow": pool.allow_classic,
        **pool.settings,
    }
    if pool.developer_provider:
        shape["DeveloperProviderName"] = pool.developer_provider
    if pool.tags:
        shape["IdentityPoolTags"] = pool.tags
    return shape


def _settings(context: Context, request: Shape) -> dict[str, Any]:
    if request.get("SamlProviderARNs"):
        raise option_not_implemented("SamlProviderARNs: SAML identity providers")
    for provider_arn in request.get("OpenIdConnectProviderARNs") or ():
        name = provider_arn.partition(":oidc-provider/")[2]
        provider = OPENID_PROVIDERS.get(context.store, context.account, name)
        if provider is None or provider.arn != provider_arn:
            raise invalid_parameter(f"OpenId Connect provider {provider_arn} was not found.")
    return {name: request[name] for name in _SETTINGS if request.get(name)}


@service.operation("CreateIdentityPool", access=on_tagged)
async def create_identity_pool(context: Context, request: Shape) -> Shape:
    pool = Pool(
        account=context.account,
        region=context.region,
        id=f"{context.region}:{uuid.uuid4()}",
        name=request["IdentityPoolName"],
        created=context.received,
        allow_unauthenticated=request["AllowUnauthenticatedIdentities"],
        allow_classic=request.get("AllowClassicFlow", False),
        developer_provider=request.get("DeveloperProviderName", ""),
        settings=_settings(context, request),
        tags=_checked_tags(request.get("IdentityPoolTags") or {}) | dict(context.system_tags),
    )
    await context.store.transact(lambda tx: put_pool(tx, pool))
    return _shape(pool)


@service.operation("UpdateIdentityPool", access=on_pool)
async def update_identity_pool(context: Context, request: Shape) -> Shape:
    """Takes the pool's whole description: what is left out is switched off."""
    settings = _settings(context, request)

    def update(tx: Transaction) -> Pool:
        pool = own_pool(context, tx, request["IdentityPoolId"])
        developer = request.get("DeveloperProviderName", "")
        if pool.developer_provider and developer != pool.developer_provider:
            raise invalid_parameter("The developer provider name cannot be changed once it is set.")
        pool.name = request["IdentityPoolName"]
        pool.allow_unauthenticated = request["AllowUnauthenticatedIdentities"]
        pool.allow_classic = request.get("AllowClassicFlow", False)
        pool.developer_provider = developer
        pool.settings = settings
        if "IdentityPoolTags" in request:
            pool.tags = _checked_tags(request["IdentityPoolTags"]) | system(pool.tags)
        put_pool(tx, pool)
        return pool

    return _shape(await context.store.transact(update))


@service.operation("DescribeIdentityPool", access=on_pool)
async def describe_identity_pool(context: Context, request: Shape) -> Shape:
    return _shape(own_pool(context, context.store, request["IdentityPoolId"]))


@service.operation("ListIdentityPools", access=on_everything)
async def list_identity_pools(context: Context, request: Shape) -> Shape:
    try:
        after = paging.decode(request.get("NextToken"))
    except ValueError as error:
        raise invalid_parameter("The next token is not valid.") from error
    found, token = paging.page(
        POOLS_OF_ACCOUNT.scan(context.store, context.account, context.region, after=after), request["MaxResults"]
    )
    pools = [pool_of(context.store, pool_id) for _, pool_id in found]
    answer: Shape = {
        "IdentityPools": [{"IdentityPoolId": pool.id, "IdentityPoolName": pool.name} for pool in pools]
    }  # fmt: skip
    return {**answer, "NextToken": token} if token else answer


@service.operation("DeleteIdentityPool", access=on_pool)
async def delete_identity_pool(context: Context, request: Shape) -> Shape:
    def delete(tx: Transaction) -> None:
        pool = own_pool(context, tx, request["IdentityPoolId"])
        for _, identity_id in list(IDENTITIES_OF_POOL.scan(tx, pool.id)):
            identity = IDENTITIES.get(tx, identity_id)
            if identity:
                delete_identity(tx, identity)
        POOLS.delete(tx, pool.id)
        POOLS_OF_ACCOUNT.delete(tx, pool.account, pool.region, pool.id)

    await context.store.transact(delete)
    return {}


def _on_roles(context: Context, request: Shape) -> list[Access]:
    """Whoever sets a role hands it to every user of the pool, so AWS asks for iam:PassRole too."""
    mappings = (request.get("RoleMappings") or {}).values()
    rules = [rule for one in mappings for rule in (one.get("RulesConfiguration") or {}).get("Rules", ())]
    roles = sorted({*request["Roles"].values(), *(rule["RoleARN"] for rule in rules)})
    passed = {"iam:passedtoservice": "cognito-identity.amazonaws.com"}
    return [on_everything(context, request), *(Access("iam:PassRole", role, passed) for role in roles)]


@service.operation(
    "SetIdentityPoolRoles", access=_on_roles, actions=("cognito-identity:SetIdentityPoolRoles", "iam:PassRole")
)  # fmt: skip
async def set_identity_pool_roles(context: Context, request: Shape) -> Shape:
    mappings = request.get("RoleMappings") or {}
    for provider, mapping in mappings.items():
        if mapping["Type"] == "Rules" and not (mapping.get("RulesConfiguration") or {}).get("Rules"):
            raise invalid_parameter(f"The role mapping of {provider} has no rules.")
        if not mapping.get("AmbiguousRoleResolution"):
            raise invalid_parameter(
                f"Ambiguous role resolution must be specified for the role mapping of {provider}."
            )  # fmt: skip
    unknown = set(request["Roles"]) - {"authenticated", "unauthenticated"}
    if unknown:
        raise invalid_parameter(f"Unknown role type {sorted(unknown)[0]}.")

    def change(tx: Transaction) -> None:
        pool = own_pool(context, tx, request["IdentityPoolId"])
        pool.roles = dict(request["Roles"])
        pool.role_mappings = mappings
        put_pool(tx, pool)

    await context.store.transact(change)
    return {}


@service.operation("GetIdentityPoolRoles", access=on_pool)
async def get_identity_pool_roles(context: Context, request: Shape) -> Shape:
    pool = own_pool(context, context.store, request["IdentityPoolId"])
    answer: Shape = {"IdentityPoolId": pool.id, "Roles": pool.roles}
    return {**answer, "RoleMappings": pool.role_mappings} if pool.role_mappings else answer


@service.operation("SetPrincipalTagAttributeMap", access=on_everything)
async def set_principal_tag_attribute_map(context: Context, request: Shape) -> Shape:
    provider = request["IdentityProviderName"]

    def change(tx: Transaction) -> Shape:
        pool = own_pool(context, tx, request["IdentityPoolId"])
        kept = TagMap(request.get("UseDefaults", not request.get("PrincipalTags")), request.get("PrincipalTags") or {})
        pool.tag_maps = {**pool.tag_maps, provider: kept}
        put_pool(tx, pool)
        return _tag_map_shape(pool, provider)

    return await context.store.transact(change)


@service.operation("GetPrincipalTagAttributeMap", access=on_pool)
async def get_principal_tag_attribute_map(context: Context, request: Shape) -> Shape:
    pool = own_pool(context, context.store, request["IdentityPoolId"])
    return _tag_map_shape(pool, request["IdentityProviderName"])


def _tag_map_shape(pool: Pool, provider: str) -> Shape:
    answer: Shape = {"IdentityPoolId": pool.id, "IdentityProviderName": provider}
    kept = pool.tag_maps.get(provider)
    if kept is None:
        return answer
    return {**answer, "UseDefaults": kept.use_defaults, "PrincipalTags": kept.tags}


def _checked_tags(tags: dict[str, str]) -> dict[str, str]:
    if system(tags):
        raise invalid_parameter("Tag keys beginning with aws: are reserved for system use.")
    if len(tags) > TAGS_PER_POOL:
        raise AWSError("LimitExceededException", f"A pool can have at most {TAGS_PER_POOL} tags.", status=400)
    return tags


def _tagged(context: Context, tx: Any, resource: str) -> Pool:
    found = _ARN.match(resource)
    if not found:
        raise invalid_parameter(f"{resource} is not the ARN of an identity pool.")
    return own_pool(context, tx, found[2])


@service.operation("TagResource", access=on_tagged)
async def tag_resource(context: Context, request: Shape) -> Shape:
    def change(tx: Transaction) -> None:
        pool = _tagged(context, tx, request["ResourceArn"])
        pool.tags = _checked_tags({**own(pool.tags), **request["Tags"]}) | system(pool.tags)
        put_pool(tx, pool)

    await context.store.transact(change)
    return {}


@service.operation("UntagResource", access=on_tagged)
async def untag_resource(context: Context, request: Shape) -> Shape:
    def change(tx: Transaction) -> None:
        pool = _tagged(context, tx, request["ResourceArn"])
        _checked_tags(dict.fromkeys(request["TagKeys"], ""))
        pool.tags = {key: value for key, value in pool.tags.items() if key not in request["TagKeys"]}
        put_pool(tx, pool)

    await context.store.transact(change)
    return {}


@service.operation("ListTagsForResource", access=on_tagged)
async def list_tags_for_resource(context: Context, request: Shape) -> Shape:
    return {"Tags": _tagged(context, context.store, request["ResourceArn"]).tags}
