"""Identities: got by guests, by logins, and described to the pool's owner.

https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from pileus.services.cognito_identity import service
from pileus.services.cognito_identity.errors import (
    invalid_parameter,
    logins_mismatch,
    not_authorized,
    not_found,
    resource_conflict,
)
from pileus.services.cognito_identity.logins import Login, prove
from pileus.services.cognito_identity.records import (
    IDENTITIES,
    IDENTITIES_OF_POOL,
    LOGINS,
    Identity,
    Pool,
    delete_identity,
    identity_of,
    link,
    on_identities,
    on_pool,
    own_identity,
    own_pool,
    pool_of,
    put_identity,
    unlink,
)
from pileus.services.context import Context
from pileus.services.operation import Shape, unauthorized
from pileus.store import paging
from pileus.store.interface import Transaction

LOGINS_PER_IDENTITY = 20


def new_identity(pool: Pool, now: float) -> Identity:
    return Identity(id=f"{pool.region}:{uuid.uuid4()}", pool=pool.id, created=now, modified=now)


@service.operation("GetId", access=unauthorized)
async def get_id(context: Context, request: Shape) -> Shape:
    """Public: guests and users call it before they have credentials; tokens are proved here."""
    pool = pool_of(context.store, request["IdentityPoolId"])
    if request.get("AccountId") not in (None, pool.account):
        raise not_found("IdentityPool", pool.id)
    if not request.get("Logins"):
        if not pool.allow_unauthenticated:
            raise not_authorized("Unauthenticated access is not supported for this identity pool.")
        identity = new_identity(pool, context.received)
        await context.store.transact(lambda tx: put_identity(tx, identity))
        return {"IdentityId": identity.id}
    logins = await prove(context, pool, request["Logins"], own=False)
    identity = await link_logins(context, pool, None, logins)
    return {"IdentityId": identity.id}


async def link_logins(context: Context, pool: Pool, identity_id: str | None, logins: Sequence[Login]) -> Identity:
    """The identity of proved logins: the one that is named, or that they belong to already, or a new one. Logins that
    belong to none yet are linked to it."""

    def change(tx: Transaction) -> Identity:
        owners = {
            owner
            for login in logins
            if (owner := login.identity or LOGINS.get(tx, pool.id, login.provider, login.subject))
        }
        if identity_id and any(login.identity not in ("", identity_id) for login in logins):
            raise logins_mismatch()
        if len(owners) > 1 or (identity_id and owners - {identity_id}):
            raise resource_conflict("Login is already linked to another account.")
        wanted = identity_id or next(iter(owners), None)
        identity = identity_of(tx, wanted) if wanted else new_identity(pool, context.received)
        if identity.pool != pool.id:
            raise not_found("Identity", identity.id)
        if identity.logins and not owners:
            # A login that is new to the identity needs the company of one that is known.
            raise logins_mismatch()
        before = dict(identity.logins)
        for login in logins:
            if login.identity or LOGINS.get(tx, pool.id, login.provider, login.subject):
                continue
            if login.provider in identity.logins:
                raise resource_conflict("The identity has another login of this provider already.")
            link(tx, identity, login.provider, login.subject)
        if sum(map(len, identity.logins.values())) > LOGINS_PER_IDENTITY:
            raise invalid_parameter(f"An identity can have at most {LOGINS_PER_IDENTITY} logins.")
        if not wanted or identity.logins != before:
            identity.modified = context.received
            put_identity(tx, identity)
        return identity

    with context.store.snapshot() as reader:
        known = IDENTITIES.get(reader, identity_id) if identity_id else None
        settled = known is not None and known.pool == pool.id and all(
            (login.identity or LOGINS.get(reader, pool.id, login.provider, login.subject)) == identity_id
            for login in logins
        )  # fmt: skip
    if known is not None and settled and logins:
        # Nothing changes in nearly all calls, so nothing is written.
        return known
    return await context.store.transact(change)


def _shape(identity: Identity) -> Shape:
    return {
        "IdentityId": identity.id,
        "Logins": sorted(identity.logins),
        "CreationDate": _date(identity.created),
        "LastModifiedDate": _date(identity.modified),
    }


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@service.operation("DescribeIdentity", access=on_identities("IdentityId"))
async def describe_identity(context: Context, request: Shape) -> Shape:
    return _shape(own_identity(context, context.store, request["IdentityId"]))


@service.operation("ListIdentities", access=on_pool)
async def list_identities(context: Context, request: Shape) -> Shape:
    pool = own_pool(context, context.store, request["IdentityPoolId"])
    try:
        after = paging.decode(request.get("NextToken"))
    except ValueError as error:
        raise invalid_parameter("The next token is not valid.") from error
    found, token = paging.page(
        IDENTITIES_OF_POOL.scan(context.store, pool.id, after=after), request["MaxResults"]
    )  # fmt: skip
    identities = [identity_of(context.store, identity_id) for _, identity_id in found]
    answer: Shape = {"IdentityPoolId": pool.id, "Identities": [_shape(identity) for identity in identities]}
    return {**answer, "NextToken": token} if token else answer


@service.operation("DeleteIdentities", access=on_identities("IdentityIdsToDelete"))
async def delete_identities(context: Context, request: Shape) -> Shape:
    def delete(tx: Transaction) -> None:
        for identity_id in request["IdentityIdsToDelete"]:
            delete_identity(tx, own_identity(context, tx, identity_id))

    await context.store.transact(delete)
    return {"UnprocessedIdentityIds": []}


@service.operation("UnlinkIdentity", access=unauthorized)
async def unlink_identity(context: Context, request: Shape) -> Shape:
    """Public: a user takes a login off their own identity, proved by tokens of the logins."""
    identity = identity_of(context.store, request["IdentityId"])
    pool = pool_of(context.store, identity.pool)
    proved = await prove(context, pool, request["Logins"])
    for login in proved:
        owner = login.identity or LOGINS.get(context.store, pool.id, login.provider, login.subject)
        if owner != identity.id:
            raise logins_mismatch()
    subjects = {login.provider: login.subject for login in proved}

    def change(tx: Transaction) -> None:
        current = identity_of(tx, identity.id)
        for provider in request["LoginsToRemove"]:
            if provider not in subjects:
                raise not_authorized(f"A token of {provider} is needed to remove it.")
            unlink(tx, current, provider, subjects[provider])
        current.modified = context.received
        put_identity(tx, current)

    await context.store.transact(change)
    return {}
