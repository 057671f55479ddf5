"""Identity pools, identities and the logins that are linked to them."""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.aws.arn import arn
from pileus.services.cognito_identity.errors import not_found
from pileus.services.context import Context
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records


class TagMap(msgspec.Struct):
    """Which claims of a provider's tokens become tags of the session."""

    use_defaults: bool
    tags: dict[str, str]


class Pool(msgspec.Struct, kw_only=True):
    """`settings` are the members of the operation's own shape that describe logins (SupportedLoginProviders and the
    like), `role_mappings` as SetIdentityPoolRoles takes them."""

    account: str
    region: str
    id: str
    name: str
    created: float
    allow_unauthenticated: bool
    allow_classic: bool = False
    developer_provider: str = ""
    settings: dict[str, Any] = {}
    tags: dict[str, str] = {}
    roles: dict[str, str] = {}
    role_mappings: dict[str, Any] = {}
    tag_maps: dict[str, TagMap] = {}

    @property
    def arn(self) -> str:
        return arn("cognito-identity", self.region, self.account, f"identitypool/{self.id}")


class Identity(msgspec.Struct, kw_only=True):
    """`logins` are the subjects by provider: one of a public provider, any number of the developer's own."""

    id: str
    pool: str
    created: float
    modified: float
    logins: dict[str, list[str]] = {}


POOLS = Records(Pool, "cognito-identity", "pool")
POOLS_OF_ACCOUNT = Records(str, "cognito-identity", "pool-of-account")
"""Pool ids, by account, region and id."""
IDENTITIES = Records(Identity, "cognito-identity", "identity")
IDENTITIES_OF_POOL = Records(str, "cognito-identity", "identity-of-pool")
LOGINS = Records(str, "cognito-identity", "login")
"""The identity that a login belongs to, by pool, provider and subject."""


def pool_of(reader: Reader, pool_id: str) -> Pool:
    found = POOLS.get(reader, pool_id)
    if found is None:
        raise not_found("IdentityPool", pool_id)
    return found


def own_pool(context: Context, reader: Reader, pool_id: str) -> Pool:
    """A pool of the caller's account; another's is as good as none."""
    found = pool_of(reader, pool_id)
    if found.account != context.account or found.region != context.region:
        raise not_found("IdentityPool", pool_id)
    return found


def identity_of(reader: Reader, identity_id: str) -> Identity:
    found = IDENTITIES.get(reader, identity_id)
    if found is None:
        raise not_found("Identity", identity_id)
    return found


def own_identity(context: Context, reader: Reader, identity_id: str) -> Identity:
    found = IDENTITIES.get(reader, identity_id)
    pool = POOLS.get(reader, found.pool) if found else None
    if found is None or pool is None or pool.account != context.account:
        raise not_found("Identity", identity_id)
    return found


def put_pool(tx: Transaction, pool: Pool) -> None:
    POOLS.put(tx, pool.id, value=pool)
    POOLS_OF_ACCOUNT.put(tx, pool.account, pool.region, pool.id, value=pool.id)


def put_identity(tx: Transaction, identity: Identity) -> None:
    IDENTITIES.put(tx, identity.id, value=identity)
    IDENTITIES_OF_POOL.put(tx, identity.pool, identity.id, value=identity.id)


def delete_identity(tx: Transaction, identity: Identity) -> None:
    for provider, subjects in identity.logins.items():
        for subject in subjects:
            LOGINS.delete(tx, identity.pool, provider, subject)
    IDENTITIES.delete(tx, identity.id)
    IDENTITIES_OF_POOL.delete(tx, identity.pool, identity.id)


def link(tx: Transaction, identity: Identity, provider: str, subject: str) -> None:
    identity.logins = {**identity.logins, provider: [*identity.logins.get(provider, []), subject]}
    LOGINS.put(tx, identity.pool, provider, subject, value=identity.id)


def unlink(tx: Transaction, identity: Identity, provider: str, subject: str) -> None:
    rest = [other for other in identity.logins.get(provider, []) if other != subject]
    identity.logins = {name: subjects for name, subjects in identity.logins.items() if name != provider}
    if rest:
        identity.logins[provider] = rest
    LOGINS.delete(tx, identity.pool, provider, subject)


def _action(context: Context) -> str:
    return f"cognito-identity:{context.operation}"


def on_pool(context: Context, request: Shape) -> Access:
    pool = POOLS.get(context.store, request["IdentityPoolId"])
    resource = arn("cognito-identity", context.region, context.account, f"identitypool/{request['IdentityPoolId']}")
    tags = pool.tags if pool and pool.account == context.account else {}
    return Access(_action(context), resource, {f"aws:resourcetag/{key.lower()}": value for key, value in tags.items()})


def on_tagged(context: Context, request: Shape) -> Access:
    tags: dict[str, str] = request.get("Tags") or request.get("IdentityPoolTags") or {}
    keys: dict[str, str | tuple[str, ...]] = {f"aws:requesttag/{key.lower()}": value for key, value in tags.items()}
    names = tuple(tags) or tuple(request.get("TagKeys") or ())
    if names:
        keys["aws:tagkeys"] = names
    return Access(_action(context), request.get("ResourceArn", "*"), keys)


def on_everything(context: Context, request: Shape) -> Access:
    return Access(_action(context), "*")


def on_identities(member: str) -> AccessRule:
    """Actions on identities know no resource, but the key `cognito-identity:IdentityPoolArn`."""

    def access(context: Context, request: Shape) -> list[Access]:
        named = request[member]
        ids = named if isinstance(named, list) else [named]
        pools = set()
        for identity_id in ids:
            identity = IDENTITIES.get(context.store, identity_id)
            pool = POOLS.get(context.store, identity.pool) if identity else None
            pools.add(pool.arn if pool and pool.account == context.account else "")
        return [
            Access(_action(context), "*", {"cognito-identity:identitypoolarn": pool} if pool else {})
            for pool in sorted(pools) or [""]
        ]

    return access
