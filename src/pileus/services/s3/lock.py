"""Object lock: versions that nobody may delete until a date, or while a legal hold is on.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.s3.state import Bucket, Lock, Version

_DAY = 86_400
MODES = ("GOVERNANCE", "COMPLIANCE")


def of_request(context: Context, request: Mapping[str, Any], bucket: Bucket) -> Lock | None:
    """The lock that the headers of a write ask for, or else the bucket's default retention."""
    mode, until = request.get("ObjectLockMode"), request.get("ObjectLockRetainUntilDate")
    hold = request.get("ObjectLockLegalHoldStatus")
    if request.get("ObjectLockEventHold"):
        raise AWSError("NotImplemented", "Pileus does not implement event holds.", status=501)
    if (mode or until or hold) and not bucket.object_lock:
        raise AWSError("InvalidRequest", "Bucket is missing Object Lock Configuration", status=400)
    if bool(mode) != bool(until):
        raise _invalid(
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            ArgumentName="x-amz-object-lock-mode" if until else "x-amz-object-lock-retain-until-date",
        )
    if mode and until:
        if mode not in MODES:
            raise _invalid("Unknown wormMode directive.", ArgumentName="x-amz-object-lock-mode", ArgumentValue=mode)
        return Lock(mode, future(context, until), _hold(hold))
    retention = bucket.configurations.get("object_lock", {}).get("Rule", {}).get("DefaultRetention")
    if retention:
        days = retention.get("Days") or 365 * retention.get("Years", 0)
        return Lock(retention["Mode"], context.received + days * _DAY, _hold(hold))
    return Lock(legal_hold=_hold(hold)) if hold else None


def _hold(status: str | None) -> bool | None:
    return None if status is None else status == "ON"


def future(context: Context, until: datetime) -> float:
    if until.timestamp() <= context.received:
        raise _invalid(
            "The retain until date must be in the future!", ArgumentName="RetainUntilDate", ArgumentValue=str(until)
        )
    return until.timestamp()


def described(lock: Lock | None) -> dict[str, Any]:
    if lock is None:
        return {}
    members: dict[str, Any] = {}
    if lock.mode:
        members["ObjectLockMode"] = lock.mode
        members["ObjectLockRetainUntilDate"] = datetime.fromtimestamp(lock.until, UTC)
    if lock.legal_hold is not None:
        members["ObjectLockLegalHoldStatus"] = "ON" if lock.legal_hold else "OFF"
    return members


def protects(version: Version, now: float, *, bypass: bool) -> bool:
    """Whether the version may not be deleted now. `bypass` lifts the governance mode only."""
    lock = version.properties.lock
    if lock is None:
        return False
    if lock.legal_hold:
        return True
    if not lock.mode or lock.until <= now:
        return False
    return lock.mode == "COMPLIANCE" or not bypass


def protected() -> AWSError:
    return AWSError("AccessDenied", "Access Denied because object protected by object lock.", status=403)


def _invalid(message: str, **members: Any) -> AWSError:
    return AWSError("InvalidArgument", message, status=400, **members)
