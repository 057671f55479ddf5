"""PutObject, GetObject, HeadObject."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.services.s3 import (
    access,
    checksums,
    contents,
    encryption,
    lifecycle_rules,
    preconditions,
    properties,
    service,
    versions,
    writing,
)  # fmt: skip
from pileus.services.s3.names import check_key, no_such_key
from pileus.services.s3.state import HEADS, Bucket, Part, Properties, Version

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}


@service.operation("PutObject", access=access.on_new_object("s3:PutObject"), actions=access.NEW_OBJECT_ACTIONS)
async def put_object(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    if request.get("WriteOffsetBytes") is not None:
        raise option_not_implemented("appending to objects", "only directory buckets have it.")
    version = await write(context, bucket, request, "ObjectCreated:Put")
    return {
        "ETag": f'"{version.etag}"',
        **encryption.described(version.properties.encryption),
        **checksum_members(version),
        **writing.shown_version(bucket, version),
        **lifecycle_rules.expiration_member(bucket, request["Key"], version),
    }


async def write(context: Context, bucket: Bucket, request: Mapping[str, Any], event: str) -> Version:
    """Makes the request's body the newest version of its key."""
    key = request["Key"]
    check_key(key)
    if preconditions.has_write(request):
        # Before the body comes, so that it need not; what decides is the check inside the transaction.
        preconditions.check_write(HEADS.get(context.store, bucket.name, key), request, key)
    want = encryption.wanted(context, request, bucket)
    encrypted, content_key = encryption.make(context.cloud, bucket.account, want)
    own = properties.of_request(context, request, bucket, encrypted)
    declared = checksums.declared(request, context.headers)
    algorithm = declared.algorithm if declared else checksums.ALGORITHMS[checksums.DEFAULT]
    received = await contents.receive(
        context.cloud,
        request["Body"],
        md5=request.get("ContentMD5"),
        declared=declared,
        algorithm=algorithm,
        key=content_key,
        hide_md5=want.scheme in ("customer", "aws:kms"),
    )
    version = of_received(context, own, received, algorithm)
    try:
        await writing.record(context, bucket, key, version, received.keep, conditions=request, event=event)
    except BaseException:
        received.discard()
        raise
    return version


def of_received(
    context: Context, own: Properties, received: contents.Received, algorithm: checksums.Algorithm
) -> Version:
    """A version of contents in one part, as yet without id and order."""
    part = received.part
    return Version(
        "",
        0,
        float(int(context.received)),
        own,
        size=part.size,
        etag=part.etag,
        contents=part,
        checksum_algorithm=algorithm.name,
        checksum=part.checksum,
    )


def checksum_members(version: Version) -> dict[str, str]:
    if not version.checksum:
        return {}
    return {f"Checksum{version.checksum_algorithm}": version.checksum, "ChecksumType": version.checksum_type}


def readable(context: Context, bucket: Bucket, request: Mapping[str, Any], method: str = "") -> Version:
    """The version that a read means. Raises what S3 answers where there is none, or only a delete marker: `method`
    is that of requests which a delete marker refuses even where they name no version."""
    key, named = request["Key"], request.get("VersionId")
    if named:
        versions.check_id(named)
    found = access.take_found(context, bucket, key)
    version = found.version if found is not None else versions.look_up(context.store, bucket.name, key, named)
    if version is None:
        if named:
            raise writing.no_such_version(key, named)
        raise no_such_key(key)
    if version.delete_marker:
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": version.id}
        if named or method:
            headers |= {"Allow": "DELETE", "Last-Modified": preconditions.http_date(version.modified)}
            raise AWSError(
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
                status=405,
                headers=headers,
                Method=method or "GET",
                ResourceType="DeleteMarker",
            )
        error = no_such_key(key)
        error.headers = headers
        raise error
    return version


_reading = access.on_version("s3:GetObject", "s3:GetObjectVersion")


@service.operation(
    "GetObject",
    access=_reading,
    actions=("s3:GetObject", "s3:GetObjectVersion"),
)
async def get_object(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    try:
        return _open(context, bucket, request)
    except FileNotFoundError:
        # Overwritten or deleted between its record and its file: the next look tells which, and is another question.
        context.cloud.authorizer.authorize(context, (_reading(context, request),))
        return _open(context, bucket, request)


def _open(context: Context, bucket: Bucket, request: Mapping[str, Any]) -> Shape:
    version = readable(context, bucket, request)
    answer, content_key, parts, stretch = _describe(context, bucket, version, request)
    answer["Body"] = contents.open_parts(context.cloud, parts, content_key, stretch.start, stretch.length)
    return answer


@service.operation(
    "HeadObject",
    access=_reading,
    actions=("s3:GetObject", "s3:GetObjectVersion"),
)
async def head_object(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    return _describe(context, bucket, readable(context, bucket, request), request)[0]


@dataclass(frozen=True, slots=True)
class Stretch:
    start: int
    length: int


def _describe(
    context: Context, bucket: Bucket, version: Version, request: Mapping[str, Any]
) -> tuple[Shape, bytes, list[Part], Stretch]:
    if "x-amz-server-side-encryption" in context.headers:
        raise AWSError(
            "InvalidArgument",
            "x-amz-server-side-encryption header is not supported for this operation.",
            status=400,
            ArgumentName="x-amz-server-side-encryption",
            ArgumentValue=context.headers["x-amz-server-side-encryption"],
        )
    customer = encryption.customer_key(context, request)
    content_key = encryption.open_key(context.cloud, bucket.account, version.properties.encryption, customer)
    preconditions.check_read(version, request)
    parts = versions.parts_of(context.store, bucket.name, request["Key"], version)
    number = request.get("PartNumber")
    if number is not None:
        stretch: Stretch | None = _part(version, parts, number)
        if request.get("Range"):
            raise AWSError(
                "InvalidRequest", "Cannot specify both Range header and partNumber query parameter", status=400
            )
    else:
        stretch = ranged(request.get("Range"), version.size)
    answer = properties.described(version)
    answer["AcceptRanges"] = "bytes"
    if stretch is not None:
        answer["ContentRange"] = f"bytes {stretch.start}-{stretch.start + stretch.length - 1}/{version.size}"
    if number is None:
        answer.pop("PartsCount", None)
    if (request.get("ChecksumMode") or "").upper() == "ENABLED":
        answer |= _shown_checksum(version, parts, number, stretch)
    whole = stretch or Stretch(0, version.size)
    answer["ContentLength"] = whole.length
    if bucket.versioning:
        answer["VersionId"] = version.id
    if not request.get("VersionId"):
        answer |= lifecycle_rules.expiration_member(bucket, request["Key"], version)
    overrides = {_OVERRIDES[name]: request[name] for name in _OVERRIDES.keys() & request.keys()}
    if overrides and context.principal.kind == "anonymous":
        raise AWSError(
            "InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.", status=400
        )
    answer |= overrides
    return answer, content_key, parts, whole


def _shown_checksum(version: Version, parts: list[Part], number: int | None, stretch: Stretch | None) -> dict[str, str]:
    if number is not None and version.parts_count:
        checksum = parts[number - 1].checksum
        return {f"Checksum{version.checksum_algorithm}": checksum, "ChecksumType": version.checksum_type}
    return {} if stretch is not None and stretch.length != version.size else checksum_members(version)


def _part(version: Version, parts: list[Part], number: int) -> Stretch | None:
    """The stretch of a part, None for an empty object's only one."""
    if not 1 <= number <= max(1, version.parts_count):
        raise AWSError(
            "InvalidPartNumber",
            "The requested partnumber is not satisfiable",
            status=416,
            PartNumberRequested=str(number),
            ActualPartCount=str(max(1, version.parts_count)),
        )
    if version.size == 0:
        return None
    return Stretch(sum(part.size for part in parts[: number - 1]), parts[number - 1].size)


def ranged(header: str | None, size: int) -> Stretch | None:
    """The one range that a Range header asks for; None for none, and for what is no range of bytes, which S3 ignores.
    Raises InvalidRange for one outside of the contents."""
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    if start > end:
        raise AWSError(
            "InvalidRange",
            "The requested range is not satisfiable",
            status=416,
            headers={"Content-Range": f"bytes */{size}"},
            RangeRequested=str(header),
            ActualObjectSize=str(size),
        )
    return Stretch(start, end - start + 1)
