"""Which lifecycle rule applies to which object, and when (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html)."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.s3.preconditions import http_date
from pileus.services.s3.state import Bucket, Version

DAY = 86_400


_MOST_RULES = 1000
_ID_LENGTH = 255


def checked(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Raises the errors that S3 has for rules that cannot be; rules without an ID get one."""
    if not 0 < len(rules) <= _MOST_RULES:
        raise malformed()
    seen: set[str] = set()
    for rule in rules:
        rule["ID"] = name = rule.get("ID") or secrets.token_urlsafe(36)
        if len(name) > _ID_LENGTH:
            raise _invalid("ID length should not exceed allowed limit of 255")
        if name in seen:
            raise _invalid("Rule ID must be unique. Found same ID for more than one rule")
        seen.add(name)
        _check(rule)
    return {"Rules": rules}


def _check(rule: Mapping[str, Any]) -> None:
    if rule["Status"] not in ("Enabled", "Disabled"):
        raise malformed()
    if rule.get("Filter") is None and rule.get("Prefix") is None:
        raise malformed()
    if rule.get("Filter") is not None and rule.get("Prefix") is not None:
        raise malformed()
    actions = (
        "Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload", "Transitions",
        "NoncurrentVersionTransitions",
    )  # fmt: skip
    if not any(rule.get(action) for action in actions):
        raise AWSError("InvalidRequest", "At least one action needs to be specified in a rule", status=400)
    filtered = rule.get("Filter") or {}
    if len([member for member in filtered if filtered[member] is not None]) > 1:
        raise malformed()
    both = filtered.get("And") or {}
    tagged = filtered.get("Tag") or both.get("Tags")
    names = [tag["Key"] for tag in both.get("Tags") or ()]
    if len(set(names)) < len(names):
        raise AWSError("InvalidRequest", "Duplicate Tag Keys are not allowed.", status=400)
    if rule.get("AbortIncompleteMultipartUpload") and tagged:
        raise AWSError("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags.", status=400)
    _check_expiration(rule.get("Expiration") or {})
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    if not noncurrent and rule.get("NoncurrentVersionExpiration") is not None:
        raise malformed()
    _check_days(noncurrent.get("NoncurrentDays"), "NoncurrentDays", "NoncurrentVersionExpiration")
    if noncurrent.get("NewerNoncurrentVersions") is not None and not 1 <= noncurrent["NewerNoncurrentVersions"] <= 100:
        raise _invalid("'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100")
    abort = rule.get("AbortIncompleteMultipartUpload") or {}
    _check_days(abort.get("DaysAfterInitiation"), "DaysAfterInitiation", "AbortIncompleteMultipartUpload")


def _check_expiration(expiration: Mapping[str, Any]) -> None:
    given = [member for member in ("Days", "Date", "ExpiredObjectDeleteMarker") if expiration.get(member) is not None]
    if len(given) > 1:
        raise malformed()
    _check_days(expiration.get("Days"), "Days", "Expiration")
    date = expiration.get("Date")
    if date is not None and seconds(date) % DAY:
        raise _invalid("'Date' must be at midnight GMT", ArgumentName="Date", ArgumentValue=_written(date))


def _check_days(days: int | None, member: str, action: str) -> None:
    if days is not None and days <= 0:
        raise _invalid(f"'{member}' for {action} action must be a positive integer")


def malformed() -> AWSError:
    return AWSError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
        status=400,
    )


def _written(date: datetime) -> str:
    return datetime.fromtimestamp(seconds(date), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _invalid(message: str, **members: Any) -> AWSError:
    return AWSError("InvalidArgument", message, status=400, **members)


def enabled(bucket: Bucket) -> Iterator[Mapping[str, Any]]:
    for rule in bucket.configurations.get("lifecycle", {}).get("Rules", ()):
        if rule["Status"] == "Enabled":
            yield rule


def prefix(rule: Mapping[str, Any]) -> str:
    filtered = rule.get("Filter") or {}
    return str(filtered.get("Prefix") or filtered.get("And", {}).get("Prefix") or rule.get("Prefix") or "")


def applies(rule: Mapping[str, Any], key: str, version: Version) -> bool:
    if not key.startswith(prefix(rule)):
        return False
    filtered = rule.get("Filter") or {}
    both = filtered.get("And") or filtered
    tags = both.get("Tags") or ([filtered["Tag"]] if filtered.get("Tag") else [])
    own = version.properties.tags
    if any(own.get(tag["Key"]) != tag["Value"] for tag in tags):
        return False
    greater, less = both.get("ObjectSizeGreaterThan"), both.get("ObjectSizeLessThan")
    return (greater is None or version.size > greater) and (less is None or version.size < less)


def due(since: float, days: int) -> float:
    """That many days after, at the next midnight UTC."""
    return math.ceil((since + days * DAY) / DAY) * DAY


def expires(rule: Mapping[str, Any], version: Version) -> float | None:
    """When the rule expires a current version, None for never."""
    expiration = rule.get("Expiration") or {}
    if expiration.get("Days"):
        return due(version.modified, expiration["Days"])
    date = expiration.get("Date")
    return seconds(date) if date is not None else None


def seconds(date: datetime) -> float:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def expiration_member(bucket: Bucket, key: str, version: Version) -> dict[str, str]:
    """The `x-amz-expiration` header of a version that a rule will expire."""
    if "lifecycle" not in bucket.configurations:
        return {}
    dated = [
        (at, rule.get("ID", ""))
        for rule in enabled(bucket)
        if applies(rule, key, version) and (at := expires(rule, version)) is not None
    ]
    if not dated:
        return {}
    at, name = min(dated, key=itemgetter(0))  # of rules for the same day, the first
    return {"Expiration": f'expiry-date="{http_date(at)}", rule-id="{name}"'}


def abort_members(bucket: Bucket, key: str, started: float) -> dict[str, Any]:
    """When a rule will abort an upload of that key, and which."""
    dated = [
        (due(started, rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]), rule.get("ID", ""))
        for rule in enabled(bucket)
        if rule.get("AbortIncompleteMultipartUpload") and key.startswith(prefix(rule))
    ]
    if not dated:
        return {}
    at, name = min(dated, key=itemgetter(0))
    return {"AbortDate": datetime.fromtimestamp(at, UTC), "AbortRuleId": name}
