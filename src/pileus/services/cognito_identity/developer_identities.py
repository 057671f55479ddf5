"""Users that the application itself has authenticated.

https://docs.aws.amazon.com/cognito/latest/developerguide/developer-authenticated-identities.html
"""

from __future__ import annotations

from pileus.aws.errors import AWSError
from pileus.services.cognito_identity import service
from pileus.services.cognito_identity.errors import invalid_parameter, logins_mismatch, not_found, resource_conflict
from pileus.services.cognito_identity.identities import new_identity
from pileus.services.cognito_identity.logins import Login, prove
from pileus.services.cognito_identity.records import (
    LOGINS,
    Identity,
    Pool,
    delete_identity,
    identity_of,
    link,
    on_pool,
    own_pool,
    put_identity,
    unlink,
)
from pileus.services.cognito_identity.tokens import DEVELOPER_TOKEN_SECONDS, login_amr, open_id_token
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.store import paging
from pileus.store.interface import Reader, Transaction

DEVELOPER_LOGINS = 20


def _check_provider(pool: Pool, provider: str | None) -> str:
    if not pool.developer_provider or provider != pool.developer_provider:
        raise invalid_parameter("Please provide a valid developer provider name for this identity pool.")
    return pool.developer_provider


@service.operation("GetOpenIdTokenForDeveloperIdentity", access=on_pool)
async def get_open_id_token_for_developer_identity(context: Context, request: Shape) -> Shape:
    pool = own_pool(context, context.store, request["IdentityPoolId"])
    logins = dict(request["Logins"])
    user = logins.pop(pool.developer_provider, None) if pool.developer_provider else None
    if user is None:
        _check_provider(pool, None)
        raise invalid_parameter("Please provide a valid developer provider name for this identity pool.")
    others = await prove(context, pool, logins, own=False)

    def owned_by(tx: Transaction, login: Login) -> str | None:
        return LOGINS.get(tx, pool.id, login.provider, login.subject)

    def find(tx: Transaction) -> Identity:
        owner = LOGINS.get(tx, pool.id, pool.developer_provider, user)
        wanted = request.get("IdentityId")
        if owner and wanted and owner != wanted:
            raise AWSError(
                "DeveloperUserAlreadyRegisteredException",
                "The provided developer user identifier is already registered with another identity.",
                status=400,
            )
        existing: str | None = owner or wanted
        identity = identity_of(tx, existing) if existing else new_identity(pool, context.received)
        if identity.pool != pool.id:
            raise not_found("Identity", identity.id)
        before = dict(identity.logins)
        providers = {name for name in before if name != pool.developer_provider}
        if not owner and providers and not any(owned_by(tx, login) == identity.id for login in others):
            # Whoever came by another provider's token has to show it once more.
            raise logins_mismatch()
        if not owner:
            link(tx, identity, pool.developer_provider, user)
        for login in others:
            linked = owned_by(tx, login)
            if linked not in (None, identity.id):
                raise resource_conflict("Login is already linked to another account.")
            if linked is None:
                link(tx, identity, login.provider, login.subject)
        if len(identity.logins[pool.developer_provider]) > DEVELOPER_LOGINS:
            raise invalid_parameter(f"An identity can have at most {DEVELOPER_LOGINS} developer user identifiers.")
        if identity.logins != before:
            identity.modified = context.received
            put_identity(tx, identity)
        return identity

    known = LOGINS.get(context.store, pool.id, pool.developer_provider, user)
    if known and not others and request.get("IdentityId") in (None, known):
        identity_id = known
    else:
        identity_id = (await context.store.transact(find)).id
    amr = ["authenticated", pool.developer_provider, f"{pool.developer_provider}:{pool.id}:{user}"]
    amr += [name for name in login_amr(others) if name not in amr and others]
    token = await open_id_token(
        context,
        pool,
        identity_id,
        amr,
        request.get("TokenDuration") or DEVELOPER_TOKEN_SECONDS,
        request.get("PrincipalTags") or {},
    )
    return {"IdentityId": identity_id, "Token": token}


def _identity(reader: Reader, pool: Pool, user: str) -> Identity:
    owner = LOGINS.get(reader, pool.id, pool.developer_provider, user)
    if owner is None:
        raise not_found("Developer user", user)
    return identity_of(reader, owner)


@service.operation("LookupDeveloperIdentity", access=on_pool)
async def lookup_developer_identity(context: Context, request: Shape) -> Shape:
    pool = own_pool(context, context.store, request["IdentityPoolId"])
    user, identity_id = request.get("DeveloperUserIdentifier"), request.get("IdentityId")
    if not user and not identity_id:
        raise invalid_parameter("Either the identity id or the developer user identifier must be provided.")
    if user:
        identity = _identity(context.store, pool, user)
        if identity_id and identity.id != identity_id:
            raise resource_conflict("The developer user identifier belongs to another identity.")
    else:
        identity = identity_of(context.store, str(identity_id))
        if identity.pool != pool.id:
            raise not_found("Identity", identity.id)
    try:
        after = paging.decode(request.get("NextToken"))
    except ValueError as error:
        raise invalid_parameter("The next token is not valid.") from error
    users = sorted(identity.logins.get(pool.developer_provider, []))
    rows = [((name,), name) for name in users if after is None or (name,) > after]
    found, token = paging.page(rows, request.get("MaxResults") or 60)
    answer: Shape = {"IdentityId": identity.id, "DeveloperUserIdentifierList": [name for _, name in found]}
    return {**answer, "NextToken": token} if token else answer


@service.operation("MergeDeveloperIdentities", access=on_pool)
async def merge_developer_identities(context: Context, request: Shape) -> Shape:
    """The source's logins go to the destination; the source identity is gone."""

    def merge(tx: Transaction) -> Identity:
        pool = own_pool(context, tx, request["IdentityPoolId"])
        _check_provider(pool, request["DeveloperProviderName"])
        source = _identity(tx, pool, request["SourceUserIdentifier"])
        destination = _identity(tx, pool, request["DestinationUserIdentifier"])
        if source.id == destination.id:
            raise resource_conflict("The users have the same identity already.")
        both = (set(source.logins) & set(destination.logins)) - {pool.developer_provider}
        if both:
            raise resource_conflict(f"Both identities have a login of {sorted(both)[0]}.")
        logins = source.logins
        delete_identity(tx, source)
        for provider, subjects in logins.items():
            for subject in subjects:
                link(tx, destination, provider, subject)
        if len(destination.logins[pool.developer_provider]) > DEVELOPER_LOGINS:
            raise invalid_parameter(f"An identity can have at most {DEVELOPER_LOGINS} developer user identifiers.")
        destination.modified = context.received
        put_identity(tx, destination)
        return destination

    return {"IdentityId": (await context.store.transact(merge)).id}


@service.operation("UnlinkDeveloperIdentity", access=on_pool)
async def unlink_developer_identity(context: Context, request: Shape) -> Shape:
    """An identity that loses its last login is disabled for good: its user starts anew with another one."""

    def change(tx: Transaction) -> None:
        pool = own_pool(context, tx, request["IdentityPoolId"])
        _check_provider(pool, request["DeveloperProviderName"])
        identity = _identity(tx, pool, request["DeveloperUserIdentifier"])
        if identity.id != request["IdentityId"]:
            raise resource_conflict("The developer user identifier belongs to another identity.")
        unlink(tx, identity, pool.developer_provider, request["DeveloperUserIdentifier"])
        identity.modified = context.received
        put_identity(tx, identity)

    await context.store.transact(change)
    return {}
