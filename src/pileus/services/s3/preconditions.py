"""Conditional requests (RFC 9110, section 13; https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.s3.names import no_such_key
from pileus.services.s3.state import Upload, Version


def failed(condition: str) -> AWSError:
    return AWSError(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        status=412,
        Condition=condition,
    )


def check_read(version: Version, request: Mapping[str, Any], prefix: str = "") -> None:
    """Raises PreconditionFailed, or NotModified (304) for a read. A copy's conditions on its source (`prefix`
    CopySource) always fail with the former."""
    named = "x-amz-copy-source-" if prefix else ""
    match, none_match = request.get(f"{prefix}IfMatch"), request.get(f"{prefix}IfNoneMatch")
    since, unmodified_since = request.get(f"{prefix}IfModifiedSince"), request.get(f"{prefix}IfUnmodifiedSince")
    if match is not None:
        if not matches(match, version.etag):
            raise failed(f"{named}If-Match")
    elif unmodified_since is not None and version.modified > unmodified_since.timestamp():
        raise failed(f"{named}If-Unmodified-Since")
    if none_match is not None:
        if matches(none_match, version.etag):
            raise failed(f"{named}If-None-Match") if prefix else not_modified(version)
    # A date that is yet to come is no condition (RFC 9110, section 13.1.3).
    elif since is not None and version.modified <= since.timestamp() <= time.time():
        raise failed(f"{named}If-Modified-Since") if prefix else not_modified(version)


def not_modified(version: Version) -> AWSError:
    headers = {"ETag": f'"{version.etag}"', "Last-Modified": http_date(version.modified)}
    if "CacheControl" in version.properties.headers:
        headers["Cache-Control"] = version.properties.headers["CacheControl"]
    return AWSError("NotModified", "Not Modified", status=304, headers=headers)


def has_write(request: Mapping[str, Any]) -> bool:
    return request.get("IfMatch") is not None or request.get("IfNoneMatch") is not None


def check_write(head: Version | None, request: Mapping[str, Any], key: str) -> None:
    """Raises PreconditionFailed where what is there now is not what the writer expects."""
    current = None if head is None or head.delete_marker else head
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if match is not None:
        if current is None:
            raise no_such_key(key)
        if not matches(match, current.etag):
            raise failed("If-Match")
    # S3 takes the asterisk alone and refuses entity tags as not implemented; here they mean what RFC 9110 says.
    if none_match is not None and current is not None and matches(none_match, current.etag):
        raise failed("If-None-Match")


def check_overtaken(upload: Upload, head: Version | None, request: Mapping[str, Any], key: str) -> None:
    """For a conditional completion whose conditions hold. Raises ConditionalRequestConflict where the object was
    written or deleted after the upload began: the client has to begin anew
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html)."""
    for member, condition in (("IfMatch", "If-Match"), ("IfNoneMatch", "If-None-Match")):
        written = head is not None and head.order > upload.started * 1_000_000
        if request.get(member) is not None and (upload.overtaken or written):
            raise AWSError(
                "ConditionalRequestConflict",
                "The conditional request cannot succeed due to a conflicting operation against this resource.",
                status=409,
                Condition=condition,
                Key=key,
            )


def check_delete(version: Version | None, request: Mapping[str, Any]) -> None:
    """`IfMatch`, `IfMatchLastModifiedTime` and `IfMatchSize` of a deletion; what is not there fails the first alone."""
    if version is None or version.delete_marker:
        if request.get("IfMatch") is not None and version is not None:
            raise failed("If-Match")
        if request.get("IfMatch") is not None and not request.get("VersionId"):
            raise no_such_key(request["Key"])
        return
    if request.get("IfMatch") is not None and not matches(request["IfMatch"], version.etag):
        raise failed("If-Match")
    modified = request.get("IfMatchLastModifiedTime")
    if modified is not None and int(modified.timestamp()) != int(version.modified):
        raise failed("x-amz-if-match-last-modified-time")
    if request.get("IfMatchSize") is not None and int(request["IfMatchSize"]) != version.size:
        raise failed("x-amz-if-match-size")


def matches(header: str, etag: str) -> bool:
    """Whether a list of entity tags, quoted or as S3's clients often send them, holds that one."""
    if header.strip() == "*":
        return True
    return any(item.strip().removeprefix("W/").strip('"') == etag for item in header.split(","))


def http_date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)
