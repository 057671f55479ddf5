"""Accounts and access keys: whose secret signs a request.

The access keys of all users and roots lie in one collection by their id. IAM writes users' keys here too.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Literal

import msgspec

from pileus.aws.errors import AWSError
from pileus.aws.identifiers import secret_access_key, unique_id
from pileus.security.principals import Principal, root
from pileus.store import watch
from pileus.store.interface import Reader, Transaction
from pileus.store.keys import pack
from pileus.store.records import Records

FIRST_ACCOUNT = "000000000000"


class Account(msgspec.Struct):
    id: str
    name: str
    created: float
    root_access_key_id: str


class AccessKey(msgspec.Struct):
    """`user_*` are empty for a root key. `created` is in seconds since the epoch."""

    id: str
    secret: str
    account: str
    created: float
    status: Literal["Active", "Inactive"] = "Active"
    user_name: str = ""
    user_arn: str = ""
    user_id: str = ""

    def principal(self) -> Principal:
        if not self.user_arn:
            return root(self.account, self.id)
        return Principal(
            "user",
            self.account,
            self.user_arn,
            issuer=self.user_arn,
            user_id=self.user_id,
            name=self.user_name,
            access_key_id=self.id,
        )


ACCOUNTS = Records(Account, "security", "account")
ACCESS_KEYS = Records(AccessKey, "security", "access-key")
watch.declare(pack("security", "access-key"))


def create_account(
    tx: Transaction, name: str, now: float, *, account_id: str = "", key_id: str = "", secret: str = ""
) -> AccessKey:
    """A new account and its root key. Raises AWSError where the name or the key id is taken."""
    if any(account.name == name for _, account in ACCOUNTS.scan(tx)):
        raise AWSError("EntityAlreadyExists", f"An account named {name} exists already.", status=409)
    while not account_id or ACCOUNTS.get(tx, account_id):
        account_id = f"{secrets.randbelow(10**12):012d}"
    key = AccessKey(
        key_id or unique_id("AKIA")[:20], secret or secret_access_key(), account=account_id, created=now
    )  # fmt: skip
    if ACCESS_KEYS.get(tx, key.id):
        raise AWSError("EntityAlreadyExists", f"The access key id {key.id} is in use.", status=409)
    ACCOUNTS.put(tx, account_id, value=Account(account_id, name, now, key.id))
    ACCESS_KEYS.put(tx, key.id, value=key)
    return key


def root_key(reader: Reader, account: str = FIRST_ACCOUNT) -> AccessKey | None:
    found = ACCOUNTS.get(reader, account)
    return ACCESS_KEYS.get(reader, found.root_access_key_id) if found else None


def same(one: str, other: str) -> bool:
    """Compares secrets in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
