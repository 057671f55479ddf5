"""CopyObject and UploadPartCopy: what one object is made of becomes another's, streamed and encrypted anew."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, unquote_plus

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.operation import Access, Shape
from pileus.services.s3 import (
    access,
    checksums,
    contents,
    encryption,
    lifecycle_rules,
    objects,
    preconditions,
    properties,
    service,
    tags,
    uploads,
    versions,
    writing,
)  # fmt: skip
from pileus.services.s3.names import check_key
from pileus.services.s3.state import NULL, Bucket, Part, Properties, Version

_ORIGIN = re.compile(r"https?://[^/]*/")


@dataclass(frozen=True, slots=True)
class Source:
    bucket: str
    key: str
    version_id: str | None


def source_of(request: Mapping[str, Any]) -> Source:
    """The `x-amz-copy-source` header, or the same as a structure, for calls in process."""
    given = request["CopySource"]
    if isinstance(given, Mapping):
        return Source(given["Bucket"], given["Key"], given.get("VersionId"))
    path, _, query = given.partition("?versionId=")
    # S3 takes a whole URL too, and plus signs for spaces, as forms have them.
    bucket, separator, key = unquote_plus(_ORIGIN.sub("/", path)).removeprefix("/").partition("/")
    if not separator or not bucket or not key:
        raise AWSError(
            "InvalidArgument",
            "Invalid copy source object key",
            status=400,
            ArgumentName="x-amz-copy-source",
            ArgumentValue="x-amz-copy-source",
        )
    return Source(bucket, key, unquote(query) or None)


def _copying(context: Context, request: Shape) -> Iterable[Access]:
    """Reading the source, and writing the destination with all that the headers ask for."""
    source = source_of(request)
    bucket = access.existing(context, source.bucket, request.get("ExpectedSourceBucketOwner"))
    version = versions.look_up(context.store, bucket.name, source.key, source.version_id)
    reading = {"VersionId": source.version_id} if source.version_id else {}
    suffix = "Version" if source.version_id else ""
    yield access.existing_access(context, reading, bucket, source.key, f"s3:GetObject{suffix}", version)
    if version is not None and version.properties.tags and _copies_tags(request):
        yield access.object_access(context, reading, bucket, source.key, f"s3:GetObject{suffix}Tagging", version)
    destination = access.find(context, request)
    wanted = {"s3:x-amz-copy-source": f"{source.bucket}/{source.key}"}
    for action in access.writing_actions("s3:PutObject", request):
        asked = access.object_access(context, request, destination, request["Key"], action, creates=True)
        yield Access(asked.action, asked.resource, {**asked.keys, **wanted}, asked.resource_policies, asked.owner)


def _copies_tags(request: Mapping[str, Any]) -> bool:
    return request.get("TaggingDirective") != "REPLACE"


_ACTIONS = (
    *access.NEW_OBJECT_ACTIONS, "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
)  # fmt: skip


_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]+)")


class _Stream:
    """What is read from a source, as a body."""

    def __init__(self, pieces: bytes | AsyncIterator[bytes], length: int) -> None:
        self._pieces = pieces
        self.length: int | None = length
        self.trailers: dict[str, str] = {}

    @property
    def whole(self) -> bytes | None:
        return self._pieces if isinstance(self._pieces, bytes) else None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return contents.pieces_of(self._pieces)


def _readable(context: Context, request: Mapping[str, Any]) -> tuple[Bucket, Source, Version, bytes, list[Part]]:
    """The version that is copied, with what opens its contents."""
    source = source_of(request)
    bucket = access.existing(context, source.bucket, request.get("ExpectedSourceBucketOwner"))
    named = {"Key": source.key, "VersionId": source.version_id}
    version = objects.readable(context, bucket, named)
    preconditions.check_read(version, request, "CopySource")
    customer = encryption.customer_key(context, request, "CopySourceSSECustomer")
    key = encryption.open_key(context.cloud, bucket.account, version.properties.encryption, customer)
    return bucket, source, version, key, versions.parts_of(context.store, bucket.name, source.key, version)


@service.operation("CopyObject", access=_copying, actions=_ACTIONS)
async def copy_object(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    key = request["Key"]
    check_key(key)
    if request.get("AnnotationDirective") == "COPY":
        raise AWSError("NotImplemented", "Pileus does not implement object annotations.", status=501)
    for directive in ("MetadataDirective", "TaggingDirective"):
        if request.get(directive) not in (None, "COPY", "REPLACE"):
            raise AWSError("InvalidArgument", f"Unknown {directive[:-9].lower()} directive.", status=400)
    source_bucket, source, version, source_key, parts = _readable(context, request)
    if version.size > contents.LARGEST:
        raise AWSError(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy source: "
            f"{contents.LARGEST}",
            status=400,
        )
    if source.bucket == bucket.name and source.key == key:
        _check_changes(request, source, bucket)
    want = encryption.wanted(context, request, bucket)
    encrypted, content_key = encryption.make(context.cloud, bucket.account, want)
    own = _properties(context, request, bucket, version, encrypted)
    algorithm = checksums.ALGORITHMS.get(
        request.get("ChecksumAlgorithm") or version.checksum_algorithm or checksums.DEFAULT
    )
    if algorithm is None:
        raise AWSError("InvalidRequest", "Checksum algorithm provided is unsupported.", status=400)
    pieces = contents.open_parts(context.cloud, parts, source_key, 0, version.size)
    received = await contents.receive(
        context.cloud,
        _Stream(pieces, version.size),
        algorithm=algorithm,
        key=content_key,
        hide_md5=want.scheme in ("customer", "aws:kms"),
    )
    made = objects.of_received(context, own, received, algorithm)
    try:
        await writing.record(context, bucket, key, made, received.keep, conditions=request, event="ObjectCreated:Copy")
    except BaseException:
        received.discard()
        raise
    answer: Shape = {
        "CopyObjectResult": {
            "ETag": f'"{made.etag}"',
            "LastModified": datetime.fromtimestamp(made.modified, UTC),
            **objects.checksum_members(made),
        },
        **encryption.described(encrypted),
        **({"VersionId": made.id} if bucket.versioning else {}),
        **lifecycle_rules.expiration_member(bucket, key, made),
    }
    if source_bucket.versioning and version.id != NULL:
        answer["CopySourceVersionId"] = version.id
    return answer


def _check_changes(request: Mapping[str, Any], source: Source, bucket: Bucket) -> None:
    if "encryption" in bucket.configurations:
        return  # the copy is encrypted anew, as the bucket has it
    changes = ("StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption", "SSECustomerAlgorithm")
    if request.get("MetadataDirective") == "REPLACE" or source.version_id or any(request.get(name) for name in changes):
        return
    raise AWSError(
        "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
        "metadata, storage class, website redirect location or encryption attributes.",
        status=400,
    )


def _properties(
    context: Context, request: Mapping[str, Any], bucket: Bucket, version: Version, encrypted: Any
) -> Properties:
    own = properties.of_request(context, request, bucket, encrypted)
    if request.get("MetadataDirective") != "REPLACE":
        own.headers = version.properties.headers
        own.metadata = version.properties.metadata
    if request.get("TaggingDirective") != "REPLACE":
        own.tags = version.properties.tags
    else:
        own.tags = tags.of_header(request.get("Tagging") or "")
    return own


def _copying_part(context: Context, request: Shape) -> Iterable[Access]:
    return _copying(context, {**request, "TaggingDirective": "REPLACE"})


@service.operation(
    "UploadPartCopy", access=_copying_part, actions=("s3:PutObject", "s3:GetObject", "s3:GetObjectVersion")
)
async def upload_part_copy(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    uploads.check_number(request["PartNumber"])
    upload = uploads.find(context.store, request)
    key = uploads.part_key(context, bucket, upload, request)
    source_bucket, _, version, source_key, parts = _readable(context, request)
    stretch = _stretch(request.get("CopySourceRange"), version.size)
    if stretch.length > contents.LARGEST:
        raise contents.too_large(stretch.length, contents.LARGEST)
    pieces = contents.open_parts(context.cloud, parts, source_key, stretch.start, stretch.length)
    received = await contents.receive(
        context.cloud,
        _Stream(pieces, stretch.length),
        algorithm=checksums.ALGORITHMS[upload.checksum_algorithm],
        key=key,
        hide_md5=uploads.hides_md5(upload),
    )
    await uploads.record_part(context, request, received, request["PartNumber"])
    result: Shape = {
        "ETag": f'"{received.part.etag}"',
        "LastModified": datetime.fromtimestamp(received.part.modified, UTC),
    }
    if upload.checksum_asked:
        result[f"Checksum{upload.checksum_algorithm}"] = received.part.checksum
    answer: Shape = {"CopyPartResult": result, **encryption.described(upload.properties.encryption)}
    if source_bucket.versioning and version.id != NULL:
        answer["CopySourceVersionId"] = version.id
    return answer


def _stretch(header: str | None, size: int) -> objects.Stretch:
    if header is None:
        return objects.Stretch(0, size)
    found = _RANGE.fullmatch(header)
    if found is None or int(found[1]) > int(found[2]):
        raise AWSError(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            status=400,
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    start, end = int(found[1]), int(found[2])
    if start >= size:
        raise AWSError("InvalidRequest", "The specified copy range is invalid for the source object size", status=400)
    if end >= size:
        raise AWSError(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {size}",
            status=400,
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    return objects.Stretch(start, end - start + 1)
