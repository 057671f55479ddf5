"""Object lock's operations: the bucket's configuration, a version's retention, its legal hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.operation import Access, Shape
from pileus.services.s3 import access, lock, objects, service, versions
from pileus.services.s3.acls import change_version
from pileus.services.s3.configurations import change
from pileus.services.s3.state import Bucket, Lock, Version

_MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"


@service.operation(
    "PutObjectLockConfiguration",
    access=access.on_bucket("s3:PutBucketObjectLockConfiguration"),
    actions=["s3:PutBucketObjectLockConfiguration"],
)
async def put_object_lock_configuration(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    given = request.get("ObjectLockConfiguration")
    if given is None:
        raise AWSError("MissingRequestBodyError", "Request Body is empty", status=400)
    if given.get("ObjectLockEnabled") != "Enabled":
        raise AWSError("MalformedXML", _MALFORMED, status=400)
    if bucket.versioning != "Enabled":
        raise AWSError(
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
            status=409,
        )
    retention = (given.get("Rule") or {}).get("DefaultRetention")
    if given.get("Rule") is not None:
        _check_default(retention or {})

    def alter(now: Bucket) -> None:
        now.object_lock = True
        now.configurations["object_lock"] = given

    await change(context, bucket, alter)
    return {}


def _check_default(retention: Mapping[str, Any]) -> None:
    days, years = retention.get("Days"), retention.get("Years")
    if retention.get("Mode") not in lock.MODES or (days is None) == (years is None):
        raise AWSError("MalformedXML", _MALFORMED, status=400)
    if (days or years or 0) <= 0:
        raise AWSError(
            "InvalidArgument",
            "Default retention period must be a positive integer value.",
            status=400,
            ArgumentName="Days" if years is None else "Years",
        )
    if (days or 0) > 36_500 or (years or 0) > 100:
        raise AWSError("InvalidArgument", "Default retention period is too large.", status=400)


@service.operation(
    "GetObjectLockConfiguration",
    access=access.on_bucket("s3:GetBucketObjectLockConfiguration"),
    actions=["s3:GetBucketObjectLockConfiguration"],
)
async def get_object_lock_configuration(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    if not bucket.object_lock:
        raise AWSError(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
            status=404,
            BucketName=bucket.name,
        )
    return {"ObjectLockConfiguration": bucket.configurations["object_lock"]}


def _lockable(context: Context, request: Mapping[str, Any], method: str) -> tuple[Bucket, Version]:
    bucket = access.find(context, request)
    if not bucket.object_lock:
        raise AWSError("InvalidRequest", "Bucket is missing Object Lock Configuration", status=400)
    return bucket, objects.readable(context, bucket, request, method)


def _retaining(context: Context, request: Shape) -> Iterable[Access]:
    bucket = access.find(context, request)
    version = versions.look_up(context.store, bucket.name, request["Key"], request.get("VersionId"))
    asked = access.existing_access(context, request, bucket, request["Key"], "s3:PutObjectRetention", version)
    given = request.get("Retention") or {}
    keys = dict(asked.keys)
    if given.get("Mode"):
        keys["s3:object-lock-mode"] = given["Mode"]
    if given.get("RetainUntilDate"):
        days = max(0, int((given["RetainUntilDate"].timestamp() - context.received) // 86_400))
        keys["s3:object-lock-remaining-retention-days"] = str(days)
    yield replace(asked, keys=keys)
    if request.get("BypassGovernanceRetention"):
        yield replace(asked, action="s3:BypassGovernanceRetention")


@service.operation(
    "PutObjectRetention", access=_retaining, actions=("s3:PutObjectRetention", "s3:BypassGovernanceRetention")
)
async def put_object_retention(context: Context, request: Shape) -> Shape:
    bucket, _ = _lockable(context, request, "PUT")
    given = request.get("Retention") or {}
    mode, until = given.get("Mode") or "", given.get("RetainUntilDate")
    if bool(mode) != bool(until) or (mode and mode not in lock.MODES):
        raise AWSError("MalformedXML", _MALFORMED, status=400)
    wanted = Lock(mode, lock.future(context, until) if until else 0.0)
    bypass = bool(request.get("BypassGovernanceRetention"))

    def alter(now: Version) -> None:
        current = now.properties.lock or Lock()
        if _weakens(current, wanted, context.received, bypass):
            raise lock.protected()
        now.properties.lock = msgspec.structs.replace(wanted, legal_hold=current.legal_hold)

    await change_version(context, bucket, request, alter)
    return {}


def _weakens(current: Lock, wanted: Lock, now: float, bypass: bool) -> bool:
    """Whether a retention that is in force would be shortened, or changed to another mode, without the right to."""
    if not current.mode or current.until <= now:
        return False
    if current.mode == "GOVERNANCE":
        same_or_stronger = wanted.mode == "GOVERNANCE" and wanted.until >= current.until
        return not bypass and not same_or_stronger
    return wanted.mode != "COMPLIANCE" or wanted.until < current.until


@service.operation("GetObjectRetention", access=access.on_version("s3:GetObjectRetention", "s3:GetObjectRetention"))
async def get_object_retention(context: Context, request: Shape) -> Shape:
    own = _lockable(context, request, "GET")[1].properties.lock
    if own is None or not own.mode:
        raise _no_lock()
    return {"Retention": {"Mode": own.mode, "RetainUntilDate": datetime.fromtimestamp(own.until, UTC)}}


def _no_lock() -> AWSError:
    return AWSError(
        "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration", status=404
    )


@service.operation("PutObjectLegalHold", access=access.on_version("s3:PutObjectLegalHold", "s3:PutObjectLegalHold"))
async def put_object_legal_hold(context: Context, request: Shape) -> Shape:
    access.find(context, request)
    status = (request.get("LegalHold") or {}).get("Status")
    if status not in ("ON", "OFF"):
        raise AWSError("MalformedXML", _MALFORMED, status=400)
    bucket, _ = _lockable(context, request, "PUT")

    def alter(now: Version) -> None:
        now.properties.lock = msgspec.structs.replace(now.properties.lock or Lock(), legal_hold=status == "ON")

    await change_version(context, bucket, request, alter)
    return {}


@service.operation("GetObjectLegalHold", access=access.on_version("s3:GetObjectLegalHold", "s3:GetObjectLegalHold"))
async def get_object_legal_hold(context: Context, request: Shape) -> Shape:
    own = _lockable(context, request, "GET")[1].properties.lock
    if own is None or own.legal_hold is None:
        raise _no_lock()
    return {"LegalHold": {"Status": "ON" if own.legal_hold else "OFF"}}
