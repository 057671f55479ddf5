"""Assuming a role with an OpenID token: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html"""

from __future__ import annotations

from typing import Any

from pileus.aws.errors import AWSError
from pileus.security.identities import OPENID_PROVIDERS, Role, role_of_arn
from pileus.security.openid import (
    ALGORITHM,
    ISSUER,
    PROVIDER,
    ExpiredTokenError,
    InvalidTokenError,
    audiences,
    principal_tags,
    signer,
    unverified,
    verify,
)
from pileus.security.openid_keys import UnreachableProviderError, provider_keys, verify_external
from pileus.security.policy.patterns import Value
from pileus.security.principals import Principal, Session, WebIdentity
from pileus.services.context import Context
from pileus.services.operation import Shape, unauthorized
from pileus.services.sts import service
from pileus.services.sts.sessions import (
    assumed,
    check_arn,
    packed_size,
    refuse_options,
    role_duration,
    session_policies,
    tag_keys,
)

_CLAIMS_KEPT = 32
_CLAIM_TEXT = 256


def _denied() -> AWSError:
    return AWSError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", status=403)


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidIdentityToken", message, status=400)


@service.operation(
    "AssumeRoleWithWebIdentity",
    access=unauthorized,
    actions=("sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"),
)
async def assume_role_with_web_identity(context: Context, request: Shape) -> Shape:
    """Comes without a signature: the token says who asks, so its claims are checked here and the role's trust policy is
    asked about them."""
    refuse_options(request)
    if request.get("ProviderId"):
        raise _invalid("Tokens of OAuth 2.0 providers are not accepted: pass an OpenID Connect ID token.")
    check_arn(request["RoleArn"])
    role = role_of_arn(context.store, request["RoleArn"])
    account = role.account if role else ""
    identity, federated, claims = await _identify(context, account, request["WebIdentityToken"])
    if role is None:
        raise _denied()
    try:
        tags, transitive = principal_tags(claims)
    except InvalidTokenError as error:
        raise _invalid(str(error)) from error
    source_identity = claims.get("https://aws.amazon.com/source_identity")
    source_identity = source_identity if isinstance(source_identity, str) else ""
    keys: dict[str, Value] = {"sts:rolesessionname": request["RoleSessionName"], **tag_keys(tags, transitive)}
    if source_identity:
        keys["sts:sourceidentity"] = source_identity
    _check_trust(context, role, identity, federated, keys, tags, source_identity)
    seconds = role_duration(role, request, chained=False)
    policies = session_policies(context, role.account, request)
    packed_size(policies, tags)
    session = Session(
        name=request["RoleSessionName"],
        issued=context.received,
        expires=context.received + seconds,
        policies=policies,
        tags=tags,
        transitive_tag_keys=transitive,
        source_identity=source_identity,
        web_identity=identity,
    )
    return {
        "SubjectFromWebIdentityToken": identity.subject,
        "Provider": federated,
        "Audience": identity.audience,
        **assumed(context, role, session),
    }


def _check_trust(
    context: Context,
    role: Role,
    identity: WebIdentity,
    federated: str,
    keys: dict[str, Value],
    tags: dict[str, str],
    source_identity: str,
) -> None:
    principal = Principal(
        "federated", role.account, federated, issuer=federated, session=Session(web_identity=identity)
    )  # fmt: skip
    actions = ["sts:AssumeRoleWithWebIdentity"]
    if tags:
        actions.append("sts:TagSession")
    if source_identity:
        actions.append("sts:SetSourceIdentity")
    for action in actions:
        decision = context.cloud.authorizer.trusted(context, principal, action, role, keys)
        if not decision.allowed or decision.match is None:
            raise _denied()
        # Every account's identity pools share one provider name: without the pool, a role would trust them all.
        if federated == PROVIDER and f"{PROVIDER}:aud" not in decision.match.statement.keys:
            raise _denied()


async def _identify(context: Context, account: str, token: str) -> tuple[WebIdentity, str, dict[str, Any]]:
    """Who the token is about, the provider as trust policies name it, and the token's claims."""
    try:
        _, claims = unverified(token)
        issuer = claims.get("iss")
        if issuer == ISSUER:
            keys = context.cloud.part(signer)
            claims = verify(token, keys.public_key, issuer=ISSUER, now=context.received, algorithms=(ALGORITHM,))
            return _web_identity(PROVIDER, claims), PROVIDER, claims
        name = issuer.partition("://")[2].rstrip("/") if isinstance(issuer, str) else ""
        provider = OPENID_PROVIDERS.get(context.store, account, name) if account and name else None
        if provider is None:
            raise InvalidTokenError(f"No OpenIDConnect provider found in your account for {issuer}")
        claims = await verify_external(context.cloud.part(provider_keys), name, token, context.received)
    except ExpiredTokenError as error:
        raise AWSError("ExpiredTokenException", str(error), status=400) from error
    except InvalidTokenError as error:
        raise _invalid(str(error)) from error
    except UnreachableProviderError as error:
        raise _invalid(
            "Couldn't retrieve verification key from your identity provider,  please reference "
            "AssumeRoleWithWebIdentity documentation for requirements"
        ) from error
    if not set(audiences(claims)) & set(provider.client_ids):
        raise _invalid("Incorrect token audience")
    return _web_identity(name, claims), provider.arn, claims


def _web_identity(provider: str, claims: dict[str, Any]) -> WebIdentity:
    """What the session keeps of the token: its text claims can be asked for in policies."""
    found = audiences(claims)
    authorized_party = claims.get("azp")
    # With an authorised party, AWS's `aud` key is that one, and the token's own audience is `oaud`.
    audience = authorized_party if isinstance(authorized_party, str) and provider != PROVIDER else "".join(found[:1])
    amr = claims.get("amr")
    kept = {
        name: value
        for name, value in list(claims.items())[:_CLAIMS_KEPT]
        if isinstance(value, str) and len(value) <= _CLAIM_TEXT and name not in ("iss", "sub", "aud", "nonce")
    }
    if provider != PROVIDER and found and found[0] != audience:
        kept["oaud"] = found[0]
    return WebIdentity(
        provider,
        subject=claims["sub"],
        audience=audience,
        amr=tuple(one for one in amr if isinstance(one, str)) if isinstance(amr, list) else (),
        claims=kept if provider != PROVIDER else {},
    )
