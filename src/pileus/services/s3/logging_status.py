"""PutBucketLogging and GetBucketLogging: where a bucket's access logs go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.services.s3 import access, access_logs, grants, service
from pileus.services.s3.configurations import change, malformed
from pileus.services.s3.state import Bucket, bucket_of

_PERMISSIONS = ("FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP")
_SOURCES = ("EventTime", "DeliveryTime")


@service.operation("PutBucketLogging", access=access.on_bucket("s3:PutBucketLogging"))
async def put_bucket_logging(context: Context, request: Shape) -> None:
    bucket = access.find(context, request)
    wanted = request["BucketLoggingStatus"].get("LoggingEnabled")
    if wanted is not None:
        _check_target(context, bucket, wanted["TargetBucket"])
        _check(context, wanted)

    def alter(now: Bucket) -> None:
        now.configurations.pop("logging", None)
        if wanted is not None:
            now.configurations["logging"] = wanted

    await change(context, bucket, alter)


def _check_target(context: Context, bucket: Bucket, name: str) -> None:
    """Whether the target lets itself be written to is seen when logs are delivered, as on AWS: its policy may come
    later."""
    target = bucket_of(context.cloud, name)
    if target is None:
        raise _no_target("The target bucket for logging does not exist", name)
    if target.account != bucket.account:
        raise _no_target("The owner for the bucket to be logged and the target bucket must be the same.", name)
    lock = target.configurations.get("object_lock", {})
    if lock.get("Rule"):
        raise _no_target("The target bucket for logging has a default retention", name)


def _no_target(message: str, name: str) -> AWSError:
    return AWSError("InvalidTargetBucketForLogging", message, status=400, TargetBucket=name)


def _check(context: Context, wanted: Mapping[str, Any]) -> None:
    found = wanted.get("TargetObjectKeyFormat", {})
    partitioned = found.get("PartitionedPrefix")
    if len(found) > 1 or (partitioned and partitioned.get("PartitionDateSource") not in _SOURCES):
        raise malformed()
    for grant in wanted.get("TargetGrants", ()):
        if grant.get("Permission") not in _PERMISSIONS or not grant.get("Grantee"):
            raise malformed()
        grants.grantee_of(context.store, grant["Grantee"])


@service.operation("GetBucketLogging", access=access.on_bucket("s3:GetBucketLogging"))
async def get_bucket_logging(context: Context, request: Shape) -> Shape:
    wanted = access_logs.enabled(access.find(context, request))
    return {} if wanted is None else {"LoggingEnabled": wanted}
