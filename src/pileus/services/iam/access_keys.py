"""Users' access keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html"""

from __future__ import annotations

from pileus.aws.identifiers import secret_access_key, unique_id
from pileus.security.accounts import ACCESS_KEYS, AccessKey
from pileus.security.activity import LAST_USED
from pileus.security.identities import User
from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.entities import USER, action, date, on, own_name
from pileus.services.iam.errors import limit_exceeded, no_such_entity
from pileus.services.iam.listings import listing
from pileus.services.operation import Access, Shape
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

KEYS_PER_USER = 2
_OF_USER = Records(str, "iam", "access-key")
"""Ids of a user's keys, by account and user name: the keys themselves lie by id alone, as signatures are looked up."""


def keys_of(reader: Reader, account: str, user_name: str) -> list[AccessKey]:
    found = (ACCESS_KEYS.get(reader, key_id) for _, key_id in _OF_USER.scan(reader, account, user_name.lower()))
    return [key for key in found if key is not None]


def move_keys(tx: Transaction, account: str, old_name: str, user: User) -> None:
    """Keys go with a user that gets another name or path."""
    for key in keys_of(tx, account, old_name):
        _OF_USER.delete(tx, account, old_name.lower(), key.id)
        key.user_name, key.user_arn = user.name, user.arn
        _put(tx, key)


def _put(tx: Transaction, key: AccessKey) -> None:
    ACCESS_KEYS.put(tx, key.id, value=key)
    _OF_USER.put(tx, key.account, key.user_name.lower(), key.id, value=key.id)


def _find(reader: Reader, account: str, user_name: str, key_id: str) -> AccessKey:
    for key in keys_of(reader, account, user_name):
        if key.id == key_id:
            return key
    raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")


@service.operation("CreateAccessKey", access=on(USER))
async def create_access_key(context: Context, request: Shape) -> Shape:
    account, name = context.account, own_name(context, request)

    def create(tx: Transaction) -> AccessKey:
        user: User = USER.find(tx, account, name)
        if len(keys_of(tx, account, name)) >= KEYS_PER_USER:
            raise limit_exceeded(f"Cannot exceed quota for AccessKeysPerUser: {KEYS_PER_USER}")
        key = AccessKey(
            unique_id("AKIA")[:20],
            secret_access_key(),
            account=account,
            created=context.received,
            user_name=user.name,
            user_arn=user.arn,
            user_id=user.id,
        )
        _put(tx, key)
        return key

    key = await context.store.transact(create)
    return {"AccessKey": {**_shape(key), "SecretAccessKey": key.secret}}


@service.operation("ListAccessKeys", access=on(USER))
async def list_access_keys(context: Context, request: Shape) -> Shape:
    name = own_name(context, request)
    USER.find(context.store, context.account, name)
    keys = keys_of(context.store, context.account, name)
    return listing("AccessKeyMetadata", request, keys, key=lambda key: key.id, shape=_shape)


@service.operation("UpdateAccessKey", access=on(USER))
async def update_access_key(context: Context, request: Shape) -> Shape:
    account, name = context.account, own_name(context, request)

    def update(tx: Transaction) -> None:
        key = _find(tx, account, name, request["AccessKeyId"])
        key.status = "Active" if request["Status"] == "Active" else "Inactive"
        _put(tx, key)

    await context.store.transact(update)
    return {}


@service.operation("DeleteAccessKey", access=on(USER))
async def delete_access_key(context: Context, request: Shape) -> Shape:
    account, name = context.account, own_name(context, request)

    def delete(tx: Transaction) -> None:
        key = _find(tx, account, name, request["AccessKeyId"])
        ACCESS_KEYS.delete(tx, key.id)
        _OF_USER.delete(tx, account, name.lower(), key.id)

    await context.store.transact(delete)
    return {}


def _on_key(context: Context, request: Shape) -> Access:
    key = ACCESS_KEYS.get(context.store, request["AccessKeyId"])
    own = key is not None and key.account == context.account and key.user_arn
    return Access(action(context), key.user_arn if key and own else "*")


@service.operation("GetAccessKeyLastUsed", access=_on_key)
async def get_access_key_last_used(context: Context, request: Shape) -> Shape:
    key_id = request["AccessKeyId"]
    key = ACCESS_KEYS.get(context.store, key_id)
    if key is None or key.account != context.account:
        raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")
    used = LAST_USED.get(context.store, key_id)
    told: Shape = {"ServiceName": "N/A", "Region": "N/A"}
    if used:
        told = {"LastUsedDate": date(used.time), "ServiceName": used.service, "Region": used.region}
    return {"UserName": key.user_name or "root", "AccessKeyLastUsed": told}


def _shape(key: AccessKey) -> Shape:
    return {
        "UserName": key.user_name,
        "AccessKeyId": key.id,
        "Status": key.status,
        "CreateDate": date(key.created),
    }
