"""Access control lists: who is granted what, as canned ACLs, headers and documents say it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from pileus.aws.errors import AWSError
from pileus.security.accounts import ACCOUNTS
from pileus.security.policy.document import Policy, parse
from pileus.security.policy.principal_element import canonical_user
from pileus.services.s3.state import Grant
from pileus.store.interface import Reader

_GROUPS = {
    "http://acs.amazonaws.com/groups/global/AllUsers": "AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers": "AuthenticatedUsers",
    "http://acs.amazonaws.com/groups/s3/LogDelivery": "LogDelivery",
}
_GROUP_URIS = {name: uri for uri, name in _GROUPS.items()}
PUBLIC_GROUPS = frozenset({"AllUsers", "AuthenticatedUsers"})
_PERMISSIONS = frozenset({"FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP"})
_MOST_GRANTS = 100

# Beyond FULL_CONTROL for the owner, which all of them grant.
_CANNED: dict[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "public-read": (("AllUsers", "READ"),),
    "public-read-write": (("AllUsers", "READ"), ("AllUsers", "WRITE")),
    "authenticated-read": (("AuthenticatedUsers", "READ"),),
    "bucket-owner-read": (("bucket owner", "READ"),),
    "bucket-owner-full-control": (("bucket owner", "FULL_CONTROL"),),
    "log-delivery-write": (("LogDelivery", "WRITE"), ("LogDelivery", "READ_ACP")),
}
_HEADERS = {
    "GrantFullControl": "FULL_CONTROL",
    "GrantRead": "READ",
    "GrantWrite": "WRITE",
    "GrantReadACP": "READ_ACP",
    "GrantWriteACP": "WRITE_ACP",
}
_SAYING = frozenset({"ACL", *_HEADERS})
_MEMBERS = {"CanonicalUser": "ID", "Group": "URI", "AmazonCustomerByEmail": "EmailAddress"}
_KINDS = {"ID": "id", "URI": "uri", "EmailAddress": "emailaddress"}
_GRANTEE = re.compile(r'\s*(id|uri|emailAddress)\s*=\s*"?([^",]+)"?\s*', re.IGNORECASE)


def given(request: Mapping[str, Any]) -> bool:
    """Whether a request says anything of an ACL."""
    return not _SAYING.isdisjoint(request) and any(request.get(member) for member in _SAYING)


def requested(reader: Reader, request: Mapping[str, Any], *, owner: str, bucket_owner: str) -> tuple[Grant, ...] | None:
    """The grants that the request's `x-amz-acl` or `x-amz-grant-*` headers name, None where it has neither."""
    canned = request.get("ACL")
    headers = [(member, permission) for member, permission in _HEADERS.items() if request.get(member)]
    if canned and headers:
        raise AWSError("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed", status=400)
    if canned:
        return of_canned(canned, owner, bucket_owner)
    if not headers:
        return None
    return tuple(
        Grant(grantee, permission)
        for member, permission in headers
        for grantee in _header_grantees(reader, f"x-amz-grant-{permission.lower().replace('_', '-')}", request[member])
    )


def of_canned(canned: str, owner: str, bucket_owner: str) -> tuple[Grant, ...]:
    if canned not in _CANNED:
        raise invalid("", ArgumentName="x-amz-acl", ArgumentValue=canned)
    extra = (
        Grant(bucket_owner if grantee == "bucket owner" else grantee, permission)
        for grantee, permission in _CANNED[canned]
    )
    own = Grant(owner, "FULL_CONTROL")
    return (own, *(grant for grant in extra if grant.grantee != owner))


def _header_grantees(reader: Reader, header: str, text: str) -> Iterable[str]:
    for item in text.split(","):
        found = _GRANTEE.fullmatch(item)
        if found is None:
            raise invalid("Argument format not recognized", ArgumentName=header, ArgumentValue=item.strip())
        kind = found[1].lower()
        yield _grantee(reader, kind, found[2].strip(), kind)


def of_document(reader: Reader, document: Mapping[str, Any], *, owner: str) -> tuple[Grant, ...]:
    """The grants of an AccessControlPolicy. Raises the errors that S3 has for what it cannot be."""
    stated = document.get("Owner", {}).get("ID")
    if stated is None:
        raise malformed()
    if stated != canonical_user(owner):
        _account(reader, stated, "CanonicalUser/ID")
        raise AWSError("AccessDenied", "Access Denied", status=403)
    grants = document.get("Grants") or []
    if len(grants) > _MOST_GRANTS:
        raise malformed()
    found = []
    for grant in grants:
        grantee, permission = grant.get("Grantee"), grant.get("Permission")
        if not grantee or permission not in _PERMISSIONS:
            raise malformed()
        found.append(Grant(grantee_of(reader, grantee), permission))
    return tuple(found)


def grantee_of(reader: Reader, grantee: Mapping[str, Any]) -> str:
    """Of a Grantee element. Raises the errors that S3 has for one that is nobody."""
    member = _MEMBERS.get(grantee.get("Type", ""), "")
    if not grantee.get(member):
        raise malformed()
    return _grantee(reader, _KINDS[member], grantee[member], f"{grantee['Type']}/{member}")


def _grantee(reader: Reader, kind: str, value: str, argument: str) -> str:
    """`argument` is what errors call it."""
    if kind == "uri":
        if value not in _GROUPS:
            raise invalid("Invalid group uri", ArgumentName=argument, ArgumentValue=value)
        return _GROUPS[value]
    if kind == "emailaddress":
        # Accounts here have no address, and AWS ended grants by address in 2025.
        raise AWSError(
            "UnresolvableGrantByEmailAddress",
            "The e-mail address you provided does not match any account on record.",
            status=400,
        )
    return _account(reader, value, argument)


def _account(reader: Reader, canonical: str, argument: str) -> str:
    account = account_of(reader, canonical)
    if account is None:
        raise invalid("Invalid id", ArgumentName=argument, ArgumentValue=canonical)
    return account


def account_of(reader: Reader, canonical: str) -> str | None:
    for _, account in ACCOUNTS.scan(reader):
        if canonical_user(account.id) == canonical:
            return account.id
    return None


def owner_shape(reader: Reader, account: str) -> dict[str, str]:
    """The display name is the account's, as S3 told it until November 2025 and clients still show it."""
    shape = {"ID": canonical_user(account)}
    found = ACCOUNTS.get(reader, account)
    return shape if found is None else {"DisplayName": found.name, **shape}


def document(reader: Reader, owner: str, grants: Iterable[Grant]) -> dict[str, Any]:
    """An AccessControlPolicy in botocore's shape."""
    return {
        "Owner": owner_shape(reader, owner),
        "Grants": [
            {"Grantee": _grantee_shape(reader, grant.grantee), "Permission": grant.permission}
            for grant in sorted(grants, key=lambda grant: grant.grantee not in _GROUP_URIS)
        ],
    }


def _grantee_shape(reader: Reader, grantee: str) -> dict[str, str]:
    if grantee in _GROUP_URIS:
        return {"Type": "Group", "URI": _GROUP_URIS[grantee]}
    return {"Type": "CanonicalUser", **owner_shape(reader, grantee)}


def is_public(grants: Iterable[Grant]) -> bool:
    return any(grant.grantee in PUBLIC_GROUPS for grant in grants)


# What a grant allows, as a policy, so that one engine decides
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#permissions).

_BUCKET_ACTIONS = {
    "READ": ("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
    "WRITE": ("s3:PutObject", "s3:DeleteObject"),
    "READ_ACP": ("s3:GetBucketAcl",),
    "WRITE_ACP": ("s3:PutBucketAcl",),
}
_OBJECT_ACTIONS = {
    "READ": ("s3:GetObject", "s3:GetObjectVersion"),
    "WRITE": (),
    "READ_ACP": ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    "WRITE_ACP": ("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
}


_NEW_OBJECT_ACTIONS = {**_BUCKET_ACTIONS, "WRITE": ("s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging")}
_ACTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "bucket": _BUCKET_ACTIONS,
    "object": _OBJECT_ACTIONS,
    # Whoever may write owns what is written, and says at once who else may have it.
    "new object": _NEW_OBJECT_ACTIONS,
}


@lru_cache(maxsize=1024)
def policy(grants: tuple[Grant, ...], what: str) -> Policy | None:
    """The grants of a list as a policy about a bucket, an object of it, or a new object."""
    actions = _ACTIONS[what]
    everything = tuple(action for named in actions.values() for action in named)
    statements = []
    for grant in grants:
        allowed = everything if grant.permission == "FULL_CONTROL" else actions[grant.permission]
        who = _PRINCIPALS.get(grant.grantee, _account_principal)(grant.grantee)
        if allowed and who:
            statements.append({"Effect": "Allow", "Action": list(allowed), "Resource": "arn:aws:s3:::*", **who})
    if not statements:
        return None
    return parse(json.dumps({"Version": "2012-10-17", "Id": "access control list", "Statement": statements}))


def _account_principal(account: str) -> dict[str, Any]:
    return {"Principal": {"AWS": account}}


_PRINCIPALS: dict[str, Callable[[str], dict[str, Any]]] = {
    "AllUsers": lambda _: {"Principal": "*"},
    # Whoever signs has an account of twelve digits; whoever does not has none.
    "AuthenticatedUsers": lambda _: {
        "Principal": {"AWS": "*"},
        "Condition": {"StringLike": {"aws:PrincipalAccount": "????????????"}},
    },
    "LogDelivery": lambda _: {"Principal": {"Service": "logging.s3.amazonaws.com"}},
}


def malformed() -> AWSError:
    return AWSError(
        "MalformedACLError",
        "The XML you provided was not well-formed or did not validate against our published schema",
        status=400,
    )


def invalid(message: str, **members: Any) -> AWSError:
    return AWSError("InvalidArgument", message, status=400, **members)
