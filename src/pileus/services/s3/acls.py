"""ACLs and object ownership: Get/PutBucketAcl, Get/PutObjectAcl, and the ownership controls that turn ACLs off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.services.s3 import access, grants, notifications, objects, properties, service, versions, writing
from pileus.services.s3.configurations import change
from pileus.services.s3.state import Bucket, Grant, Version
from pileus.store.interface import Transaction


@service.operation("GetBucketAcl", access=access.on_bucket("s3:GetBucketAcl"))
async def get_bucket_acl(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    return grants.document(
        context.store, bucket.account, bucket.grants if bucket.acls_enabled else _own(bucket.account)
    )


def _own(account: str) -> tuple[Grant, ...]:
    """What ACLs say where they do not count: that the owner owns."""
    return (Grant(account, "FULL_CONTROL"),)


@service.operation("PutBucketAcl", access=access.on_bucket("s3:PutBucketAcl"))
async def put_bucket_acl(context: Context, request: Shape) -> None:
    bucket = access.find(context, request)
    granted = _requested(context, request, bucket, bucket.account)

    def alter(now: Bucket) -> None:
        now.grants = granted

    await change(context, bucket, alter)


def _requested(context: Context, request: Mapping[str, Any], bucket: Bucket, owner: str) -> tuple[Grant, ...]:
    document = request.get("AccessControlPolicy")
    if document is not None and grants.given(request):
        raise AWSError("UnexpectedContent", "This request does not support content", status=400)
    if document is not None:
        granted = grants.of_document(context.store, document, owner=owner)
    else:
        found = grants.requested(context.store, request, owner=owner, bucket_owner=bucket.account)
        if found is None:
            raise AWSError(
                "MissingSecurityHeader",
                "Your request was missing a required header",
                status=400,
                MissingHeaderName="x-amz-acl",
            )
        granted = found
    if not bucket.acls_enabled:
        raise properties.acl_not_supported()
    properties.check_not_public(context, bucket, granted)
    return granted


@service.operation(
    "GetObjectAcl",
    access=access.on_version("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    actions=("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
)
async def get_object_acl(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    own = objects.readable(context, bucket, request).properties
    return grants.document(
        context.store, own.owner, own.grants if bucket.acls_enabled and own.grants else _own(own.owner)
    )


@service.operation(
    "PutObjectAcl",
    access=access.on_version("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
    actions=("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
)
async def put_object_acl(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    version = objects.readable(context, bucket, request, "PUT")
    if not bucket.acls_enabled and request.get("ACL") == "bucket-owner-full-control":
        return {}
    granted = _requested(context, request, bucket, version.properties.owner)

    def alter(now: Version) -> None:
        now.properties.grants = granted

    await change_version(context, bucket, request, alter, "ObjectAcl:Put")
    return {}


async def change_version(
    context: Context, bucket: Bucket, request: Mapping[str, Any], alter: Callable[[Version], None], event: str = ""
) -> Version:
    """Alters the version that the request means, as it is in the transaction."""
    key, named = request["Key"], request.get("VersionId")

    def apply(tx: Transaction) -> tuple[Version, notifications.Pending]:
        now = writing.same_bucket(tx, bucket)
        version = versions.look_up(tx, bucket.name, key, named)
        if version is None or version.delete_marker:
            raise writing.no_such_version(key, named or "null")
        alter(version)
        versions.replace(tx, bucket.name, key, version)
        return version, notifications.note(context, tx, now, event, key, version) if event else []

    version, pending = await context.store.transact(apply)
    notifications.deliver(context.cloud, pending)
    return version


@service.operation("PutBucketOwnershipControls", access=access.on_bucket("s3:PutBucketOwnershipControls"))
async def put_bucket_ownership_controls(context: Context, request: Shape) -> None:
    bucket = access.find(context, request)
    rules = request["OwnershipControls"]["Rules"]
    if len(rules) != 1:
        raise AWSError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
            status=400,
        )
    ownership = rules[0]["ObjectOwnership"]
    others = any(grant.grantee != bucket.account for grant in bucket.grants)
    if ownership == "BucketOwnerEnforced" and bucket.acls_enabled and others:
        raise AWSError(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
            status=400,
        )
    await change(context, bucket, lambda now: _set_ownership(now, ownership))


def _set_ownership(bucket: Bucket, ownership: str) -> None:
    bucket.ownership = ownership
    if bucket.acls_enabled and not bucket.grants:
        bucket.grants = _own(bucket.account)


@service.operation("GetBucketOwnershipControls", access=access.on_bucket("s3:GetBucketOwnershipControls"))
async def get_bucket_ownership_controls(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    if not bucket.ownership:
        raise AWSError(
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
            status=404,
            BucketName=bucket.name,
        )
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket.ownership}]}}


@service.operation(
    "DeleteBucketOwnershipControls",
    access=access.on_bucket("s3:PutBucketOwnershipControls"),
    actions=["s3:PutBucketOwnershipControls"],
)
async def delete_bucket_ownership_controls(context: Context, request: Shape) -> None:
    """Without controls the writer owns, as before there were any."""
    await change(context, access.find(context, request), lambda now: _set_ownership(now, ""))
