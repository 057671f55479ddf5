"""Logins: what a user proves with a token of an identity provider that the pool trusts.

https://docs.aws.amazon.com/cognito/latest/developerguide/external-identity-providers.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.security.identities import OPENID_PROVIDERS
from pileus.security.openid import (
    ALGORITHM,
    ISSUER,
    PROVIDER,
    InvalidTokenError,
    audiences,
    signer,
    verify,
)
from pileus.security.openid_keys import UnreachableProviderError, provider_keys, verify_external
from pileus.services.cognito_identity.errors import not_authorized
from pileus.services.cognito_identity.records import Pool
from pileus.services.context import Context

_OPAQUE = frozenset({"graph.facebook.com", "www.amazon.com", "api.twitter.com", "www.digits.com"})
_SOCIAL = frozenset({"accounts.google.com", "appleid.apple.com"})


@dataclass(frozen=True)
class Login:
    """A login that was proved. `amr` names it in tokens, `mapping_names` in role mappings and tag maps."""

    provider: str
    subject: str
    audience: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    mapping_names: tuple[str, ...] = ()
    identity: str = ""
    """Of a developer's token, the identity that it is for."""


async def prove(context: Context, pool: Pool, logins: Mapping[str, str], *, own: bool = True) -> list[Login]:
    """Raises AWSError for the first that does not hold. `own` tells whether Cognito's own token will do: it already
    says which identity it is for, so those who ask for an identity cannot have it."""
    if not own and PROVIDER in logins:
        raise not_authorized("Invalid login token. Can't pass in a Cognito token.")
    return [await _prove(context, pool, provider, token) for provider, token in logins.items()]


async def _prove(context: Context, pool: Pool, provider: str, token: str) -> Login:
    try:
        if provider == PROVIDER:
            return _own_token(context, pool, token)
        accepted, names = _accepted(context, pool, provider)
        claims = await verify_external(context.cloud.part(provider_keys), provider, token, context.received)
    except InvalidTokenError as error:
        raise not_authorized(f"Invalid login token. {error}") from error
    except UnreachableProviderError as error:
        raise AWSError(
            "ExternalServiceException", f"The identity provider {provider} could not be reached.", status=400
        ) from error
    found = set(audiences(claims))
    if isinstance(claims.get("client_id"), str) and not found:
        found = {claims["client_id"]}
    audience = next(iter(sorted(found & accepted)), "")
    if not audience:
        raise not_authorized("Invalid login token. Incorrect token audience.")
    return Login(provider, claims["sub"], audience, claims, (*names, f"{provider}:{audience}", provider))


def _accepted(context: Context, pool: Pool, provider: str) -> tuple[set[str], tuple[str, ...]]:
    """The audiences that the pool takes tokens of the provider for, and the provider's other names."""
    for provider_arn in pool.settings.get("OpenIdConnectProviderARNs", ()):
        if provider_arn.partition(":oidc-provider/")[2] == provider:
            registered = OPENID_PROVIDERS.get(context.store, pool.account, provider)
            return set(registered.client_ids if registered else ()), (provider_arn,)
    user_pools = [
        entry["ClientId"]
        for entry in pool.settings.get("CognitoIdentityProviders", ())
        if entry.get("ProviderName") == provider and entry.get("ClientId")
    ]
    if user_pools:
        return set(user_pools), ()
    social = pool.settings.get("SupportedLoginProviders", {})
    if provider in social:
        if provider in _OPAQUE or provider not in _SOCIAL:
            raise option_not_implemented(f"logins with access tokens of {provider}: they are not OpenID tokens")
        return set(social[provider].split(";")), ()
    raise not_authorized("Token is not from a supported provider of this identity pool.")


def _own_token(context: Context, pool: Pool, token: str) -> Login:
    """A token of GetOpenIdTokenForDeveloperIdentity, which the client shows in its user's name."""
    claims = verify(
        token, context.cloud.part(signer).public_key, issuer=ISSUER, now=context.received, algorithms=(ALGORITHM,)
    )
    amr = claims.get("amr")
    if claims.get("aud") != pool.id or not isinstance(amr, list) or "authenticated" not in amr:
        raise not_authorized("Invalid login token. Token is not for this identity pool.")
    names = (pool.developer_provider,) if pool.developer_provider else ()
    return Login(PROVIDER, claims["sub"], pool.id, claims, names, identity=claims["sub"])
