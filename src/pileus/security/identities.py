"""Users, groups, roles and managed policies, as IAM keeps them and authorisation reads them.

Names are unique without regard to case, so keys hold them in lower case. Whatever changes what a principal may do also
calls `changed` in the same transaction: every process compares that mark before it trusts what it compiled.
"""

from __future__ import annotations

import json
import os
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from pileus.aws.arn import arn
from pileus.store import watch
from pileus.store.interface import Reader, Transaction
from pileus.store.keys import pack
from pileus.store.records import Records

Tags = dict[str, str]


class User(msgspec.Struct, kw_only=True):
    """`inline` are policy documents by name, `attached` ARNs of managed policies, `groups` names."""

    account: str
    name: str
    path: str = "/"
    id: str
    created: float
    tags: Tags = {}
    boundary: str = ""
    inline: dict[str, str] = {}
    attached: list[str] = []
    groups: list[str] = []

    @property
    def arn(self) -> str:
        return arn("iam", "", self.account, f"user{self.path}{self.name}")


class Group(msgspec.Struct, kw_only=True):
    account: str
    name: str
    path: str = "/"
    id: str
    created: float
    inline: dict[str, str] = {}
    attached: list[str] = []

    @property
    def arn(self) -> str:
        return arn("iam", "", self.account, f"group{self.path}{self.name}")


class Role(msgspec.Struct, kw_only=True):
    account: str
    name: str
    path: str = "/"
    id: str
    created: float
    trust: str
    trusted: dict[str, str] = {}
    """Unique ids of the users and roles that the trust policy names, by ARN, as they were when it was written."""
    description: str = ""
    max_session_duration: int = 3600
    tags: Tags = {}
    boundary: str = ""
    inline: dict[str, str] = {}
    attached: list[str] = []
    service: str = ""
    """Of a service-linked role, the service that it belongs to."""

    @property
    def arn(self) -> str:
        return arn("iam", "", self.account, f"role{self.path}{self.name}")


class PolicyVersion(msgspec.Struct):
    number: int
    document: str
    created: float

    @property
    def id(self) -> str:
        return f"v{self.number}"


class ManagedPolicy(msgspec.Struct, kw_only=True):
    account: str
    name: str
    path: str = "/"
    id: str
    created: float
    updated: float
    description: str = ""
    tags: Tags = {}
    versions: list[PolicyVersion]
    default: int = 1
    latest: int = 1

    @property
    def arn(self) -> str:
        return arn("iam", "", self.account, f"policy{self.path}{self.name}")

    @property
    def document(self) -> str:
        return next(version.document for version in self.versions if version.number == self.default)


class OpenIDProvider(msgspec.Struct, kw_only=True):
    """`url` is the issuer without its scheme."""

    account: str
    url: str
    created: float
    client_ids: list[str] = []
    thumbprints: list[str] = []
    tags: Tags = {}

    @property
    def arn(self) -> str:
        return arn("iam", "", self.account, f"oidc-provider/{self.url}")


USERS = Records(User, "iam", "user")
GROUPS = Records(Group, "iam", "group")
ROLES = Records(Role, "iam", "role")
POLICIES = Records(ManagedPolicy, "iam", "policy")
OPENID_PROVIDERS = Records(OpenIDProvider, "iam", "oidc-provider")


watch.declare(pack("iam", "version"))


def version_key(account: str) -> bytes:
    return pack("iam", "version", account)


def changed(tx: Transaction, account: str) -> None:
    """Marks that identities or policies of the account are no longer what they were."""
    tx.put(version_key(account), os.urandom(12))


def user(reader: Reader, account: str, name: str) -> User | None:
    return USERS.get(reader, account, name.lower())


def group(reader: Reader, account: str, name: str) -> Group | None:
    return GROUPS.get(reader, account, name.lower())


def role(reader: Reader, account: str, name: str) -> Role | None:
    return ROLES.get(reader, account, name.lower())


def role_of_arn(reader: Reader, text: str) -> Role | None:
    """The role of an ARN; None where there is none with exactly this ARN."""
    parts = text.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("role/"):
        return None
    found = role(reader, parts[4], parts[5].rpartition("/")[2])
    return found if found is not None and found.arn == text else None


def entity_of_arn(reader: Reader, text: str) -> User | Role | None:
    """The user or role of an ARN."""
    parts = text.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("user/"):
        return role_of_arn(reader, text)
    found = user(reader, parts[4], parts[5].rpartition("/")[2])
    return found if found is not None and found.arn == text else None


def trust_policy(reader: Reader, of: Role) -> str:
    """The role's trust policy as it is in force: who was trusted and is gone stands there by unique id, so that nobody
    who is made anew under the old name is trusted in their place
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html)."""
    gone = {}
    for text, id in of.trusted.items():
        entity = entity_of_arn(reader, text)
        if entity is None or entity.id != id:
            gone[text] = id
    if not gone:
        return of.trust
    document = json.loads(of.trust)
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element)
            if isinstance(named, dict) and "AWS" in named:
                texts = named["AWS"] if isinstance(named["AWS"], list) else [named["AWS"]]
                named["AWS"] = [gone.get(text, text) for text in texts]
    return json.dumps(document)


@cache
def aws_managed() -> dict[str, ManagedPolicy]:
    """AWS's own managed policies, by ARN, from the data that `scripts/managed_policies.py` wrote."""
    text = resources.files("pileus.aws").joinpath("data/managed_policies.json").read_text()
    return {entry["arn"]: _aws_managed(entry) for entry in json.loads(text)}


def _aws_managed(entry: dict[str, Any]) -> ManagedPolicy:
    path, _, name = entry["arn"].partition(":policy")[2].rpartition("/")
    number = int(entry["version"][1:])
    return ManagedPolicy(
        account="aws",
        name=name,
        path=f"{path}/",
        id=entry["id"],
        created=entry["created"],
        updated=entry["updated"],
        versions=[PolicyVersion(number, json.dumps(entry["document"]), entry["updated"])],
        default=number,
        latest=number,
    )


def managed_policy(reader: Reader, text: str) -> ManagedPolicy | None:
    """The managed policy of an ARN, AWS's own included."""
    parts = text.split(":", 5)
    if len(parts) != 6 or not parts[5].startswith("policy/"):
        return None
    if parts[4] == "aws":
        return aws_managed().get(text)
    found = POLICIES.get(reader, parts[4], parts[5].rpartition("/")[2].lower())
    return found if found is not None and found.arn == text else None
