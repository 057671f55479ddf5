"""What S3's operations ask the policy engine.

Bucket policies, ACL grants and public-access blocks all become resource policies of the question, so that one engine
decides. https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-policy-language-overview.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from pileus.aws.errors import AWSError
from pileus.security.access import LazyKeys
from pileus.security.policy.document import Policy, parse
from pileus.security.policy.patterns import Value
from pileus.security.principals import Principal
from pileus.security.signature import seconds
from pileus.services.context import Cloud, Context
from pileus.services.operation import Access, AccessRule, Shape
from pileus.services.s3 import grants, public_access, versions
from pileus.services.s3.names import bucket_arn, check_text, no_such_bucket, object_arn
from pileus.services.s3.state import Bucket, Grant, Version, bucket_of

_REQUEST_KEYS = {
    "VersionId": "s3:versionid",
    "ACL": "s3:x-amz-acl",
    "GrantFullControl": "s3:x-amz-grant-full-control",
    "GrantRead": "s3:x-amz-grant-read",
    "GrantReadACP": "s3:x-amz-grant-read-acp",
    "GrantWrite": "s3:x-amz-grant-write",
    "GrantWriteACP": "s3:x-amz-grant-write-acp",
    "MetadataDirective": "s3:x-amz-metadata-directive",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "SSECustomerAlgorithm": "s3:x-amz-server-side-encryption-customer-algorithm",
    "StorageClass": "s3:x-amz-storage-class",
    "WebsiteRedirectLocation": "s3:x-amz-website-redirect-location",
    "ObjectOwnership": "s3:x-amz-object-ownership",
    "ObjectLockMode": "s3:object-lock-mode",
    "ObjectLockLegalHoldStatus": "s3:object-lock-legal-hold",
    "IfMatch": "s3:if-match",
    "IfNoneMatch": "s3:if-none-match",
}
_STAMP = re.compile(r"(?:^|&)X-Amz-Date=([0-9]{8}T[0-9]{6}Z)")
_NONE: Mapping[str, str] = {}
_LISTING_KEYS = {"Prefix": "s3:prefix", "Delimiter": "s3:delimiter", "MaxKeys": "s3:max-keys"}


def find(context: Context, request: Mapping[str, Any]) -> Bucket:
    """The bucket that a request names. Raises NoSuchBucket, and AccessDenied for another owner than it expects."""
    found = context.found.bucket if isinstance(context.found, Found) else context.found
    if isinstance(found, Bucket) and found.name == request["Bucket"]:
        return found
    check_text(request.get("Key", ""))
    return existing(context, request["Bucket"], request.get("ExpectedBucketOwner"))


def existing(context: Context, name: str, expected_owner: str | None = None) -> Bucket:
    bucket = bucket_of(context.cloud, name)
    if bucket is None:
        raise no_such_bucket(name)
    if expected_owner is not None and expected_owner != bucket.account:
        raise _not_owned(expected_owner)
    return bucket


def _not_owned(expected: str) -> AWSError:
    if re.fullmatch("[0-9]{12}", expected):
        return AWSError("AccessDenied", "Access Denied", status=403)
    return AWSError(
        "InvalidBucketOwnerAWSAccountID",
        f"The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]",
        status=400,
    )


def resource_policies(
    cloud: Cloud, principal: Principal, bucket: Bucket, version: Version | None = None, *, creates: bool = False
) -> tuple[Policy, ...]:
    """All that speaks for or against `principal` at a bucket, or at an object of it: at `version`, or at one that the
    request `creates`."""
    found: list[Policy] = []
    own = version is None or version.properties.owner == bucket.account
    if bucket.policy:
        policy: Policy | None = parse(bucket.policy)
        restricted = (
            principal.account != bucket.account
            and principal.kind != "service"
            and public_access.block(cloud.store, bucket)["RestrictPublicBuckets"]
            and public_access.is_public(parse(bucket.policy))
        )
        # A bucket's policy grants nothing for objects that another account owns.
        if restricted or not own:
            policy = public_access.denials(parse(bucket.policy))
        if policy is not None:
            found.append(policy)
    if bucket.acls_enabled:
        block = public_access.block(cloud.store, bucket)
        lists = [grants.policy(_counted(bucket.grants, block), "new object" if creates else "bucket")]
        if version is not None:
            lists.append(grants.policy(_counted(version.properties.grants, block), "object"))
        found += [policy for policy in lists if policy is not None]
    return tuple(found)


def _counted(listed: tuple[Grant, ...], block: Mapping[str, bool]) -> tuple[Grant, ...]:
    if not block["IgnorePublicAcls"]:
        return listed
    return tuple(grant for grant in listed if grant.grantee not in grants.PUBLIC_GROUPS)


def request_keys(context: Context, request: Mapping[str, Any], bucket: Bucket) -> dict[str, str | tuple[str, ...]]:
    keys: dict[str, str | tuple[str, ...]] = {
        name: str(request[member]) for member, name in _REQUEST_KEYS.items() if request.get(member) is not None
    }
    keys["s3:resourceaccount"] = bucket.account
    headers = context.headers
    if context.principal.kind != "anonymous" and headers:
        keys |= _signature_keys(context)
    if "x-amz-content-sha256" in headers:
        keys["s3:x-amz-content-sha256"] = headers["x-amz-content-sha256"]
    until = request.get("ObjectLockRetainUntilDate")
    if until is not None:
        keys["s3:object-lock-retain-until-date"] = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    if request.get("Tagging") and isinstance(request["Tagging"], str):
        keys |= tag_keys("s3:requestobjecttag", parse_qsl(request["Tagging"], keep_blank_values=True))
    return keys


def _signature_keys(context: Context) -> dict[str, str]:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html"""
    header, query = context.headers.get("authorization") or None, context.query
    keys = {"s3:authtype": "REST-HEADER" if header is not None else "REST-QUERY-STRING"}
    if (header is not None and header.startswith("AWS ")) or (header is None and "AWSAccessKeyId=" in query):
        return keys | {"s3:signatureversion": "AWS"}
    keys["s3:signatureversion"] = "AWS4-HMAC-SHA256"
    stamped = _STAMP.search(query) if header is None else None
    if stamped is not None:
        keys["s3:signatureage"] = str(max(0, int(1000 * (context.received - seconds(stamped[1])))))
    return keys


def tag_keys(name: str, tags: Iterable[tuple[str, str]]) -> dict[str, str | tuple[str, ...]]:
    pairs = list(tags)
    keys: dict[str, str | tuple[str, ...]] = {f"{name}/{key.lower()}": value for key, value in pairs}
    if pairs and name == "s3:requestobjecttag":
        keys["s3:requestobjecttagkeys"] = tuple(key for key, _ in pairs)
    return keys


class RequestKeys(LazyKeys):
    """The condition keys of a request, and of the tags that its object has."""

    __slots__ = ("_bucket", "_context", "_request", "_tags")

    def __init__(
        self, context: Context, request: Mapping[str, Any], bucket: Bucket, tags: Mapping[str, str] = _NONE
    ) -> None:
        super().__init__()
        self._context = context
        self._request = request
        self._bucket = bucket
        self._tags = tags

    def work_out(self) -> dict[str, Value]:
        keys = request_keys(self._context, self._request, self._bucket)
        return keys | tag_keys("s3:existingobjecttag", self._tags.items()) if self._tags else keys

    def get(self, key: str, default: Any = None, /) -> Any:
        return self._all().get(key, default) if key[:3] == "s3:" else default


def bucket_access(context: Context, request: Mapping[str, Any], bucket: Bucket, action: str) -> Access:
    return Access(
        action,
        bucket_arn(bucket.name),
        keys=RequestKeys(context, request, bucket),
        resource_policies=resource_policies(context.cloud, context.principal, bucket),
        owner=bucket.account,
    )


def object_access(
    context: Context,
    request: Mapping[str, Any],
    bucket: Bucket,
    key: str,
    action: str,
    version: Version | None = None,
    *,
    creates: bool = False,
) -> Access:
    """`version` is the one that the action reads or changes; `creates` says that it makes one."""
    keys = RequestKeys(context, request, bucket, _NONE if version is None else version.properties.tags)
    if action.endswith("Tagging"):
        # Tags are the bucket owner's affair, whoever owns the object.
        version = None
    return Access(
        action,
        object_arn(bucket.name, key),
        keys=keys,
        resource_policies=resource_policies(context.cloud, context.principal, bucket, version, creates=creates),
        owner=version.properties.owner if version is not None and bucket.acls_enabled else bucket.account,
    )


# Rules for `service.operation(access=...)`


def on_bucket(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        return bucket_access(context, request, find(context, request), action)

    return rule


def on_listing(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        asked = bucket_access(context, request, find(context, request), action)
        keys = {name: str(request[member]) for member, name in _LISTING_KEYS.items() if member in request}
        return replace(asked, keys={**asked.keys, **keys})

    return rule


def on_version(action: str, versioned_action: str) -> Callable[[Context, Shape], Access]:
    """On an existing object: `versioned_action` where the request names a version."""

    def rule(context: Context, request: Shape) -> Access:
        bucket = find(context, request)
        named = request.get("VersionId")
        version = versions.look_up(context.store, bucket.name, request["Key"], named)
        context.found = Found(bucket, request["Key"], version)
        asked = versioned_action if named else action
        return existing_access(context, request, bucket, request["Key"], asked, version)

    return rule


class Found(NamedTuple):
    """What `on_version` was asked about: that, and nothing that came after, is what the operation may read."""

    bucket: Bucket
    key: str
    version: Version | None


def take_found(context: Context, bucket: Bucket, key: str) -> Found | None:
    """Once: whoever looks again must ask again."""
    found, context.found = context.found, None
    return found if isinstance(found, Found) and found.bucket is bucket and found.key == key else None


def on_new_object(action: str) -> AccessRule:
    """On an object that is written, with the further actions that its headers ask for."""

    def rule(context: Context, request: Shape) -> Iterable[Access]:
        bucket = context.found = find(context, request)
        return [
            object_access(context, request, bucket, request["Key"], asked, creates=True)
            for asked in writing_actions(action, request)
        ]

    return rule


NEW_OBJECT_ACTIONS = (
    "s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging", "s3:PutObjectRetention", "s3:PutObjectLegalHold",
)  # fmt: skip


def writing_actions(action: str, request: Mapping[str, Any]) -> list[str]:
    actions = [action]
    if grants.given(request):
        actions.append("s3:PutObjectAcl")
    if request.get("Tagging"):
        actions.append("s3:PutObjectTagging")
    if request.get("ObjectLockMode") or request.get("ObjectLockRetainUntilDate"):
        actions.append("s3:PutObjectRetention")
    if request.get("ObjectLockLegalHoldStatus"):
        actions.append("s3:PutObjectLegalHold")
    return actions


def existing_access(
    context: Context, request: Mapping[str, Any], bucket: Bucket, key: str, action: str, version: Version | None
) -> Access:
    """On an object that is there. Where it is not, the question is whether the caller may list: whoever may not must
    not learn which keys there are (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, permissions)."""
    if not request.get("VersionId") and (version is None or version.delete_marker):
        return listing_access(context, bucket, key)
    return object_access(context, request, bucket, key, action, version)


def listing_access(context: Context, bucket: Bucket, key: str) -> Access:
    """Whether the caller may list the bucket, asked in place of an object that is not there."""
    asked = bucket_access(context, {}, bucket, "s3:ListBucket")
    return replace(asked, keys={**asked.keys, "s3:prefix": key})


def may(context: Context, asked: Access) -> bool:
    authorizer = context.cloud.authorizer
    return authorizer.decide(context, authorizer.identity(context.principal), asked)[0].allowed
