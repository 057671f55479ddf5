"""What users, groups and roles have in common: finding them, naming them in policies, their limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pileus.aws.arn import arn
from pileus.security.identities import GROUPS, ROLES, USERS, Group, Role, User, changed, managed_policy, trust_policy
from pileus.services.context import Context
from pileus.services.iam.errors import no_such_entity, validation_error
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

Entity = User | Group | Role


@dataclass(frozen=True)
class Kind:
    """`word` is how ARNs and messages call it, `inline_limit` the characters of all its inline policies together
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""

    word: str
    member: str
    records: Records[Any]
    inline_limit: int

    def put(self, tx: Transaction, entity: Entity) -> None:
        self.records.put(tx, entity.account, entity.name.lower(), value=entity)
        changed(tx, entity.account)

    def delete(self, tx: Transaction, entity: Entity) -> None:
        self.records.delete(tx, entity.account, entity.name.lower())
        changed(tx, entity.account)

    def get(self, reader: Reader, account: str, name: str) -> Any:
        return self.records.get(reader, account, name.lower())

    def find(self, reader: Reader, account: str, name: str) -> Any:
        """Raises AWSError("NoSuchEntity")."""
        found = self.get(reader, account, name)
        if found is None:
            raise no_such_entity(f"The {self.word} with name {name} cannot be found.")
        return found


USER = Kind("user", "UserName", USERS, 2048)
GROUP = Kind("group", "GroupName", GROUPS, 5120)
ROLE = Kind("role", "RoleName", ROLES, 10240)
KINDS = (USER, GROUP, ROLE)


def own_name(context: Context, request: Shape) -> str:
    """The user that is named, or the caller where none is."""
    name = request.get("UserName")
    if name:
        return str(name)
    if context.principal.kind == "user":
        return context.principal.name
    raise validation_error("Must specify userName when calling with non-User credentials")


def action(context: Context) -> str:
    return f"iam:{context.operation}"


def tag_keys(request: Shape) -> dict[str, str | tuple[str, ...]]:
    """The condition keys of the tags in a request."""
    tags = request.get("Tags")
    keys: dict[str, str | tuple[str, ...]] = {
        f"aws:requesttag/{tag['Key'].lower()}": tag["Value"] for tag in tags or ()
    }
    names = tuple(tag["Key"] for tag in tags) if tags else tuple(request.get("TagKeys") or ())
    return {**keys, "aws:tagkeys": names} if names else keys


def resource_tags(tags: Mapping[str, str]) -> dict[str, str | tuple[str, ...]]:
    keys: dict[str, str | tuple[str, ...]] = {}
    for name, value in tags.items():
        keys[f"aws:resourcetag/{name.lower()}"] = keys[f"iam:resourcetag/{name.lower()}"] = value
    return keys


def on(kind: Kind) -> AccessRule:
    """Access to the entity that the request names, by its ARN as it is or, where it does not exist, as it would be."""

    def access(context: Context, request: Shape) -> Access:
        name = own_name(context, request) if kind is USER else request[kind.member]
        entity = kind.get(context.store, context.account, name)
        resource = (
            entity.arn if entity else arn("iam", "", context.account, f"{kind.word}{request.get('Path', '/')}{name}")
        )
        keys = {**tag_keys(request), **(resource_tags(entity.tags) if entity and kind is not GROUP else {})}
        boundary = request.get("PermissionsBoundary") or getattr(entity, "boundary", "")
        if boundary:
            keys["iam:permissionsboundary"] = boundary
        if request.get("PolicyArn"):
            keys["iam:policyarn"] = request["PolicyArn"]
        return Access(action(context), resource, keys)

    return access


def on_account(resource: str) -> AccessRule:
    """Access to listings and the like, which AWS authorises on `arn:aws:iam::ACCOUNT:<resource>` or on `*`."""

    def access(context: Context, request: Shape) -> Access:
        own = resource if resource == "*" else arn("iam", "", context.account, resource)
        return Access(action(context), own, tag_keys(request))

    return access


def date(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def encoded(document: str) -> str:
    """Policies in answers are URL-encoded (RFC 3986), says each operation's page."""
    return quote(document, safe="-_.~")


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def check_boundary(reader: Reader, account: str, boundary: str | None) -> str:
    """Raises AWSError where the ARN is of no managed policy."""
    if not boundary:
        return ""
    if managed_policy(reader, boundary) is None or boundary.split(":")[4] not in (account, "aws"):
        raise no_such_entity(f"Scope ARN: {boundary} does not exist or is not attachable.")
    return boundary


def user_shape(user: User, *, detail: bool = False) -> Shape:
    shape: Shape = {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": date(user.created),
    }
    if detail:
        shape |= _details(user)
    return shape


def group_shape(group: Group) -> Shape:
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": date(group.created),
    }


def role_shape(reader: Reader, role: Role, *, detail: bool = False) -> Shape:
    """As listings show it; `detail` adds what GetRole does."""
    shape: Shape = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": date(role.created),
        "AssumeRolePolicyDocument": encoded(trust_policy(reader, role)),
        "MaxSessionDuration": role.max_session_duration,
    }
    if role.description:
        shape["Description"] = role.description
    if detail:
        shape |= _details(role)
    return shape


def _details(entity: User | Role) -> Shape:
    shape: Shape = {"Tags": tag_list(entity.tags)} if entity.tags else {}
    if entity.boundary:
        shape["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": entity.boundary,
        }
    return shape
