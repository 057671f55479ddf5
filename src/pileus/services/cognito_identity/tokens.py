"""OpenID tokens of identities: https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetOpenIdToken.html"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pileus.security.openid import ISSUER, PROVIDER, TAGS_CLAIM, signer
from pileus.services.cognito_identity import service
from pileus.services.cognito_identity.errors import invalid_parameter, not_authorized
from pileus.services.cognito_identity.identities import link_logins
from pileus.services.cognito_identity.logins import Login, prove
from pileus.services.cognito_identity.records import Identity, Pool, identity_of, pool_of
from pileus.services.context import Context
from pileus.services.operation import Shape, unauthorized

TOKEN_SECONDS = 600
DEVELOPER_TOKEN_SECONDS = 900
_DEFAULT_TAGS = {"username": "sub", "client": "aud"}


async def open_id_token(
    context: Context, pool: Pool, identity_id: str, amr: Sequence[str], seconds: int, tags: Mapping[str, str]
) -> str:
    issued = int(context.received)
    claims: dict[str, Any] = {
        "sub": identity_id,
        "aud": pool.id,
        "amr": list(amr),
        "iss": ISSUER,
        "exp": issued + seconds,
        "iat": issued,
        "jti": str(uuid.uuid4()),
    }
    if tags:
        claims[TAGS_CLAIM] = {"principal_tags": {key: [value] for key, value in tags.items()}}
    return await context.cloud.part(signer).sign(claims, context.received)


def login_amr(logins: Sequence[Login]) -> list[str]:
    """`authenticated`, and each login with and without its subject; `unauthenticated` for a guest."""
    if not logins:
        return ["unauthenticated"]
    found = ["authenticated"]
    for login in logins:
        if login.provider == PROVIDER:
            found += [name for name in login.claims["amr"] if name not in found]
        else:
            found += [login.provider, f"{login.provider}:OIDC:{login.subject}"]
    return found


def mapped_tags(pool: Pool, logins: Sequence[Login]) -> dict[str, str]:
    """Session tags from the claims of the logins, as the pool maps them."""
    tags: dict[str, str] = {}
    for login in logins:
        if login.provider == PROVIDER:
            carried = login.claims.get(TAGS_CLAIM) or {}
            tags |= {key: values[0] for key, values in carried.get("principal_tags", {}).items()}
            continue
        mapping = next((pool.tag_maps[name] for name in login.mapping_names if name in pool.tag_maps), None)
        if mapping is None:
            continue
        for tag, claim in (_DEFAULT_TAGS if mapping.use_defaults else mapping.tags).items():
            value = login.audience if claim == "aud" else login.claims.get(claim)
            if isinstance(value, str | int | float):
                tags[tag] = str(value)
    return tags


async def identify(context: Context, request: Shape) -> tuple[Pool, Identity, list[Login]]:
    """The identity that a request names, after proof: of its logins, or that it is a guest's."""
    identity = identity_of(context.store, request["IdentityId"])
    pool = pool_of(context.store, identity.pool)
    if not request.get("Logins"):
        if not pool.allow_unauthenticated:
            raise not_authorized("Unauthenticated access is not supported for this identity pool.")
        if identity.logins:
            raise not_authorized(f"Access to Identity '{identity.id}' is forbidden.")
        return pool, identity, []
    logins = await prove(context, pool, request["Logins"])
    return pool, await link_logins(context, pool, identity.id, logins), logins


@service.operation("GetOpenIdToken", access=unauthorized)
async def get_open_id_token(context: Context, request: Shape) -> Shape:
    """Public: part of the basic flow, in which the client calls STS itself."""
    pool, identity, logins = await identify(context, request)
    if not pool.allow_classic:
        raise invalid_parameter("Basic (classic) flow is not enabled, please use enhanced flow.")
    token = await open_id_token(
        context, pool, identity.id, login_amr(logins), TOKEN_SECONDS, mapped_tags(pool, logins)
    )  # fmt: skip
    return {"IdentityId": identity.id, "Token": token}
