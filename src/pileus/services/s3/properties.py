"""What a request that makes an object says of it besides its bytes, checked, and how answers tell it again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.s3 import encoded_words, encryption, grants, lock, public_access, tags
from pileus.services.s3.state import Bucket, Encryption, Grant, Properties, Version

DEFAULT_TYPE = "binary/octet-stream"
SYSTEM = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType")
_METADATA_BYTES = 2048
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
# Their names are kept and shown; all contents are on the same disk, at hand at once.
_STORAGE_CLASSES = (
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR",
)  # fmt: skip


# What most uploads say: nothing else of theirs need be looked for.
_PLAIN = frozenset(
    {
        "Body", "Bucket", "ChecksumAlgorithm", "ChecksumCRC32", "ChecksumCRC64NVME", "ContentLength", "ContentMD5",
        "ContentType", "Key",
    }
)  # fmt: skip


def of_request(
    context: Context, request: Mapping[str, Any], bucket: Bucket, encrypted: Encryption | None
) -> Properties:
    """Raises the errors that S3 has for what cannot be."""
    if request.keys() <= _PLAIN and not bucket.acls_enabled and "object_lock" not in bucket.configurations:
        headers = {"ContentType": request.get("ContentType") or DEFAULT_TYPE}
        return Properties(owner=bucket.account, headers=headers, encryption=encrypted)
    owner, granted = ownership(context, request, bucket)
    return Properties(
        owner=owner,
        headers=system_headers(request),
        metadata=metadata(request),
        tags=tags.of_header(request["Tagging"]) if request.get("Tagging") else {},
        grants=granted,
        storage_class=storage_class(request),
        redirect=redirect(request),
        lock=lock.of_request(context, request, bucket),
        encryption=encrypted,
    )


def system_headers(request: Mapping[str, Any]) -> dict[str, str]:
    headers = {member: str(request[member]) for member in SYSTEM if request.get(member)}
    codings = [coding.strip() for coding in headers.pop("ContentEncoding", "").split(",")]
    kept = [coding for coding in codings if coding and coding != "aws-chunked"]
    if kept:
        headers["ContentEncoding"] = ", ".join(kept)
    headers.setdefault("ContentType", DEFAULT_TYPE)
    expires = request.get("Expires")
    if expires is not None:
        # S3 keeps the text as it came, a date or not.
        headers["Expires"] = _date(expires)
    return headers


def _date(value: Any) -> str:
    return value.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT") if isinstance(value, datetime) else str(value)


def metadata(request: Mapping[str, Any]) -> dict[str, str]:
    given = {name.lower(): encoded_words.decode(str(value)) for name, value in (request.get("Metadata") or {}).items()}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in given.items())
    if size > _METADATA_BYTES:
        raise AWSError(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            status=400,
            Size=str(size),
            MaxSizeAllowed=str(_METADATA_BYTES),
        )
    return given


def storage_class(request: Mapping[str, Any]) -> str:
    named = request.get("StorageClass") or "STANDARD"
    if named in _ARCHIVES:
        raise option_not_implemented(f"the storage class {named}", "nothing is archived here.")
    if named not in _STORAGE_CLASSES:
        raise AWSError(
            "InvalidStorageClass",
            "The storage class you specified is not valid",
            status=400,
            StorageClassRequested=named,
        )
    return str(named)


def redirect(request: Mapping[str, Any]) -> str:
    location = request.get("WebsiteRedirectLocation") or ""
    if location and not location.startswith(("/", "http://", "https://")):
        raise AWSError(
            "InvalidRedirectLocation",
            "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
            status=400,
        )
    if len(location) > 2048:
        raise AWSError(
            "InvalidRedirectLocation",
            "The length of website redirect location cannot exceed 2,048 characters.",
            status=400,
        )
    return str(location)


def ownership(context: Context, request: Mapping[str, Any], bucket: Bucket) -> tuple[str, tuple[Grant, ...]]:
    """Whose the object becomes, and what its ACL grants
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html)."""
    canned = request.get("ACL")
    if not bucket.acls_enabled:
        if grants.given(request):
            grants.requested(context.store, request, owner=bucket.account, bucket_owner=bucket.account)
            if canned != "bucket-owner-full-control":
                raise acl_not_supported()
        return bucket.account, ()
    owner = context.account
    if bucket.ownership == "BucketOwnerPreferred" and canned == "bucket-owner-full-control":
        owner = bucket.account
    requested = grants.requested(context.store, request, owner=owner, bucket_owner=bucket.account)
    granted = requested if requested is not None else grants.of_canned("private", owner, bucket.account)
    check_not_public(context, bucket, granted)
    return owner, granted


def check_not_public(context: Context, bucket: Bucket, granted: tuple[Grant, ...]) -> None:
    """Raises AccessDenied for a public ACL where the public-access block refuses those."""
    if grants.is_public(granted) and public_access.block(context.store, bucket)["BlockPublicAcls"]:
        raise AWSError("AccessDenied", "Access Denied", status=403)


def acl_not_supported() -> AWSError:
    return AWSError("AccessControlListNotSupported", "The bucket does not allow ACLs", status=400)


def described(version: Version) -> dict[str, Any]:
    """The members of an answer about a version, besides those of its contents."""
    own = version.properties
    members: dict[str, Any] = {
        "LastModified": datetime.fromtimestamp(version.modified, UTC),
        "ETag": f'"{version.etag}"',
        **own.headers,
        "Metadata": {name: encoded_words.encode(value) for name, value in own.metadata.items()} if own.metadata else {},
    }
    if own.encryption is not None:
        members |= encryption.described(own.encryption)
    if own.storage_class != "STANDARD":
        members["StorageClass"] = own.storage_class
    if own.redirect:
        members["WebsiteRedirectLocation"] = own.redirect
    if own.tags:
        members["TagCount"] = len(own.tags)
    if version.parts_count:
        members["PartsCount"] = version.parts_count
    if own.lock is not None:
        members |= lock.described(own.lock)
    return members
