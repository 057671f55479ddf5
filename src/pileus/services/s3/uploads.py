"""Multipart uploads (https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html).

Completing copies nothing: the parts become the object's contents as they lie.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from pileus.aws.errors import AWSError
from pileus.security.policy.document import Policy, parse
from pileus.services.context import Cloud, Context
from pileus.services.operation import HEADERS, Access, AccessRule, Shape
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
    writing,
)  # fmt: skip
from pileus.services.s3.names import check_key
from pileus.services.s3.state import (
    COMPLETED,
    HEADS,
    PARTS,
    UPLOADED,
    UPLOADS,
    Bucket,
    Completed,
    Part,
    Upload,
    Version,
)  # fmt: skip
from pileus.store.interface import Reader, Transaction

SMALLEST_PART = 5 * 1024**2
MOST_PARTS = 10_000
LARGEST_OBJECT = 50 * 1024**4
_COMPOSITE_ONLY = ("SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")
_FULL_OBJECT_ONLY = ("CRC64NVME",)


def find(reader: Reader, request: Mapping[str, Any]) -> Upload:
    upload = UPLOADS.get(reader, request["Bucket"], request["Key"], request["UploadId"])
    if upload is None:
        raise AWSError(
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
            "completed.",
            status=404,
            UploadId=request["UploadId"],
        )
    return upload


def parts_of(reader: Reader, upload_id: str, *, after: int = 0) -> Iterable[Part]:
    for _, part in UPLOADED.scan(reader, upload_id, after=(upload_id, after)):
        yield part


@service.operation(
    "CreateMultipartUpload", access=access.on_new_object("s3:PutObject"), actions=access.NEW_OBJECT_ACTIONS
)
async def create_multipart_upload(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    key = request["Key"]
    check_key(key)
    want = encryption.wanted(context, request, bucket)
    encrypted, _ = encryption.make(context.cloud, bucket.account, want)
    algorithm, kind = _checksum(request)
    upload = Upload(
        # Begins with the time: uploads of a key are listed in the order of their ids, as documented, and of their age.
        f"{int(context.received * 1_000_000):015x}{secrets.token_urlsafe(48)}",
        context.received,
        context.account,
        properties.of_request(context, request, bucket, encrypted),
        checksum_algorithm=algorithm,
        checksum_type=kind,
        checksum_asked=bool(request.get("ChecksumAlgorithm")),
    )

    def change(tx: Transaction) -> None:
        writing.same_bucket(tx, bucket)
        UPLOADS.put(tx, bucket.name, key, upload.id, value=upload)

    await context.store.transact(change)
    answer: Shape = {"Bucket": bucket.name, "Key": key, "UploadId": upload.id, **encryption.described(encrypted)}
    if upload.checksum_asked:
        answer |= {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    return answer | lifecycle_rules.abort_members(bucket, key, upload.started)


def _checksum(request: Mapping[str, Any]) -> tuple[str, str]:
    """Algorithm and type of the object's checksum; what was not asked for is what S3 takes."""
    algorithm, kind = request.get("ChecksumAlgorithm"), request.get("ChecksumType")
    if not algorithm:
        if kind:
            raise AWSError(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
                status=400,
            )
        return checksums.DEFAULT, "FULL_OBJECT"
    if algorithm not in checksums.ALGORITHMS:
        raise AWSError(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            f"[{', '.join(checksums.ALGORITHMS)}]",
            status=400,
        )
    kind = kind or ("FULL_OBJECT" if algorithm in _FULL_OBJECT_ONLY else "COMPOSITE")
    refused = _COMPOSITE_ONLY if kind == "FULL_OBJECT" else _FULL_OBJECT_ONLY
    if algorithm in refused:
        raise AWSError(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
            status=400,
        )
    return algorithm, kind


def on_upload(action: str) -> AccessRule:
    """On an upload under way: whoever began it may list its parts and abort it
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions)."""

    def rule(context: Context, request: Shape) -> Access:
        bucket = access.find(context, request)
        asked = access.object_access(context, request, bucket, request["Key"], action)
        upload = UPLOADS.get(context.store, bucket.name, request["Key"], request["UploadId"])
        if action == "s3:PutObject" or upload is None or upload.initiator != context.account:
            return asked
        return replace(asked, resource_policies=(*asked.resource_policies, _of_initiator(upload.initiator)))

    return rule


@lru_cache(maxsize=1024)
def _of_initiator(account: str) -> Policy:
    actions = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    principal = {"AWS": account} if account.isdecimal() else "*"
    statement = {"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "arn:aws:s3:::*"}
    return parse(json.dumps({"Version": "2012-10-17", "Id": "initiator", "Statement": [statement]}))


def check_number(number: int) -> None:
    if not 1 <= number <= MOST_PARTS:
        raise AWSError(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive",
            status=400,
            ArgumentName="partNumber",
            ArgumentValue=str(number),
        )


@service.operation("UploadPart", access=on_upload("s3:PutObject"), actions=["s3:PutObject"])
async def upload_part(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    check_number(request["PartNumber"])
    upload = find(context.store, request)
    key = part_key(context, bucket, upload, request)
    declared = checksums.declared(request, context.headers)
    if declared and upload.checksum_asked and upload.checksum_algorithm != declared.algorithm.name:
        raise AWSError(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.checksum_algorithm.lower()}, actual "
            f"checksum Type: {declared.algorithm.name.lower()}",
            status=400,
        )
    received = await contents.receive(
        context.cloud,
        request["Body"],
        md5=request.get("ContentMD5"),
        declared=declared,
        algorithm=checksums.ALGORITHMS[upload.checksum_algorithm],
        key=key,
        hide_md5=hides_md5(upload),
    )
    await record_part(context, request, received, request["PartNumber"])
    answer: Shape = {"ETag": f'"{received.part.etag}"', **encryption.described(upload.properties.encryption)}
    if declared:
        answer[declared.algorithm.member] = received.declared
    elif upload.checksum_asked:
        answer[f"Checksum{upload.checksum_algorithm}"] = received.part.checksum
    return answer


def part_key(context: Context, bucket: Bucket, upload: Upload, request: Mapping[str, Any]) -> bytes:
    customer = encryption.customer_key(context, request)
    encrypted = upload.properties.encryption
    if encrypted and encrypted.customer_key_md5 and not customer:
        raise AWSError(
            "InvalidRequest",
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate "
            "encryption parameters.",
            status=400,
        )
    if encrypted and customer and encryption.key_md5(customer) != encrypted.customer_key_md5:
        raise AWSError(
            "InvalidRequest",
            "The provided encryption parameters did not match the ones used originally.",
            status=400,
        )
    return encryption.open_key(context.cloud, bucket.account, encrypted, customer)


def hides_md5(upload: Upload) -> bool:
    encrypted = upload.properties.encryption
    return bool(encrypted and (encrypted.customer_key_md5 or encrypted.kms_key))


async def record_part(context: Context, request: Mapping[str, Any], received: contents.Received, number: int) -> None:
    received.part.number = number
    received.part.modified = float(int(context.received))

    def change(tx: Transaction) -> list[str]:
        upload = find(tx, request)
        former = UPLOADED.get(tx, upload.id, number)
        UPLOADED.put(tx, upload.id, number, value=received.part)
        received.keep(tx)
        return contents.forget(context.cloud, tx, [former] if former else [])

    try:
        gone = await context.store.transact(change)
    except BaseException:
        received.discard()
        raise
    contents.remove(context.cloud, gone)


@service.operation("CompleteMultipartUpload", access=on_upload("s3:PutObject"), actions=["s3:PutObject"])
async def complete_multipart_upload(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    key = request["Key"]
    done = COMPLETED.get(context.store, bucket.name, key, request["UploadId"])
    listed = (request.get("MultipartUpload") or {}).get("Parts") or []
    if done is not None:
        # Asked again, as clients do when an answer was lost on the way.
        answer = _answer(context, bucket, key, done.etag) | done.checksum
        return answer | ({"VersionId": done.version} if bucket.versioning == "Enabled" else {})
    upload = find(context.store, request)
    if encryption.customer_key(context, request):
        part_key(context, bucket, upload, request)  # not needed, but where it comes it must be the one
    _check_mode(upload, request)
    _check_whole(upload, request)
    parts = _chosen(listed, {part.number: part for part in parts_of(context.store, upload.id)}, upload)
    size = sum(part.size for part in parts)
    if size > LARGEST_OBJECT:
        raise contents.too_large(size, LARGEST_OBJECT)
    if request.get("MpuObjectSize") is not None and int(request["MpuObjectSize"]) != size:
        raise AWSError(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {request['MpuObjectSize']} does not match what was "
            f"computed: {size}",
            status=400,
        )
    head = HEADS.get(context.store, bucket.name, key)
    preconditions.check_write(head, request, key)
    version = Version(
        "",
        0,
        float(int(context.received)),
        upload.properties,
        size=size,
        etag=_etag(parts),
        parts_count=len(parts),
        checksum_algorithm=upload.checksum_algorithm,
        checksum=_whole_checksum(upload, parts, request),
        checksum_type=upload.checksum_type,
    )

    def keep(tx: Transaction) -> None:
        gone.clear()
        preconditions.check_overtaken(find(tx, request), head, request, key)
        current = {part.number: part for part in parts_of(tx, upload.id)}
        for part in parts:
            if current.get(part.number) != part:
                raise _invalid_part(upload, part.number, {"ETag": part.etag})
        PARTS.put(tx, bucket.name, key, version.order, value=parts)
        unused = [part for number, part in current.items() if part not in parts]
        gone.extend(contents.forget(context.cloud, tx, unused))
        UPLOADS.delete(tx, bucket.name, key, upload.id)
        UPLOADED.delete_all(tx, upload.id)
        COMPLETED.put(tx, bucket.name, key, upload.id, value=completed())

    def completed() -> Completed:
        return Completed(context.received, version.etag, version.id, objects.checksum_members(version))

    gone: list[str] = []
    await writing.record(
        context, bucket, key, version, keep, conditions=request, event="ObjectCreated:CompleteMultipartUpload"
    )
    contents.blobs(context.cloud).delete(gone)
    answer = _answer(context, bucket, key, version.etag)
    answer |= encryption.described(upload.properties.encryption)
    answer[HEADERS] = _customer_headers(answer)
    answer |= objects.checksum_members(version)
    answer |= writing.shown_version(bucket, version)
    return answer | lifecycle_rules.expiration_member(bucket, key, version)


def _customer_headers(answer: Shape) -> dict[str, str]:
    """Those of SSE-C, which the models have for every answer but this operation's."""
    prefix = "x-amz-server-side-encryption-customer"
    names = {"SSECustomerAlgorithm": f"{prefix}-algorithm", "SSECustomerKeyMD5": f"{prefix}-key-md5"}
    return {header: answer.pop(member) for member, header in names.items() if member in answer}


def _check_mode(upload: Upload, request: Mapping[str, Any]) -> None:
    asked, mode = request.get("ChecksumType"), upload.checksum_type if upload.checksum_asked else "null"
    if asked and asked != mode:
        raise AWSError(
            "InvalidRequest",
            f"The upload was created using the {mode} checksum mode. The complete request must use the same checksum "
            "mode.",
            status=400,
        )


def _check_whole(upload: Upload, request: Mapping[str, Any]) -> None:
    """What cannot be the object's checksum is not it, whatever the parts are."""
    algorithm = checksums.ALGORITHMS[upload.checksum_algorithm]
    given = request.get(algorithm.member)
    if given is not None and not checksums.fits(algorithm, given.partition("-")[0]):
        raise checksums.mismatch(algorithm.name.lower())


def _answer(context: Context, bucket: Bucket, key: str, etag: str) -> Shape:
    scheme = "https" if context.secure else "http"
    host = context.headers.get("host", f"{bucket.name}.s3.amazonaws.com")
    path = f"{bucket.name}/{key}" if not host.startswith(f"{bucket.name}.") else key
    return {"Location": f"{scheme}://{host}/{quote(path)}", "Bucket": bucket.name, "Key": key, "ETag": f'"{etag}"'}


def _chosen(listed: Sequence[Mapping[str, Any]], uploaded: Mapping[int, Part], upload: Upload) -> list[Part]:
    """The parts that the request lists. Raises what S3 answers for a list that does not fit what was uploaded."""
    if not listed:
        raise AWSError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
            status=400,
        )
    numbers = [item.get("PartNumber") or 0 for item in listed]
    if any(later < earlier for earlier, later in pairwise(numbers)):
        raise AWSError(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
            status=400,
            UploadId=upload.id,
        )
    parts = []
    algorithm = checksums.ALGORITHMS[upload.checksum_algorithm]
    # A part that was sent twice at a time may be listed twice: the later mention counts, as the later part does.
    for number, item in dict(zip(numbers, listed, strict=True)).items():
        part = uploaded.get(number)
        given = item.get(algorithm.member)
        if part is None or part.etag != (item.get("ETag") or "").strip('"'):
            raise _invalid_part(upload, number, item)
        for other in checksums.ALGORITHMS.values():
            if item.get(other.member) and other != algorithm and upload.checksum_asked:
                raise AWSError(
                    "BadDigest",
                    f"The {other.name.lower()} you specified for part {number} did not match what we received.",
                    status=400,
                )
        unknown = any(item.get(other.member) for other in checksums.ALGORITHMS.values() if other != algorithm)
        if unknown or (given is not None and not hmac.compare_digest(given, part.checksum)):
            raise _invalid_part(upload, number, item)
        if upload.checksum_type == "COMPOSITE" and given is None:
            raise AWSError(
                "InvalidRequest",
                f"The upload was created using a {algorithm.name.lower()} checksum. The complete request must include "
                f"the checksum for each part. It was missing for part {number} in the request.",
                status=400,
            )
        parts.append(part)
    for part in parts[:-1]:
        if part.size < SMALLEST_PART:
            raise AWSError(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                status=400,
                ProposedSize=str(part.size),
                MinSizeAllowed=str(SMALLEST_PART),
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    return parts


def _invalid_part(upload: Upload, number: int, item: Mapping[str, Any]) -> AWSError:
    return AWSError(
        "InvalidPart",
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag.",
        status=400,
        UploadId=upload.id,
        PartNumber=str(number),
        ETag=(item.get("ETag") or "").strip('"'),
    )


def _etag(parts: Sequence[Part]) -> str:
    """The MD5 of the parts' MD5s, with their number."""
    whole = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(parts)}"


def _whole_checksum(upload: Upload, parts: Sequence[Part], request: Mapping[str, Any]) -> str:
    algorithm = checksums.ALGORITHMS[upload.checksum_algorithm]
    if upload.checksum_type == "FULL_OBJECT":
        value = checksums.full_object(algorithm, ((part.checksum, part.size) for part in parts))
    else:
        value = checksums.composite(algorithm, (part.checksum for part in parts))
    given = request.get(algorithm.member)
    if given is not None and given.partition("-")[0] != value.partition("-")[0]:
        raise checksums.mismatch(algorithm.name.lower())
    return value


@service.operation("AbortMultipartUpload", access=on_upload("s3:AbortMultipartUpload"))
async def abort_multipart_upload(context: Context, request: Shape) -> None:
    access.find(context, request)

    def change(tx: Transaction) -> list[str]:
        upload = find(tx, request)
        started = request.get("IfMatchInitiatedTime")
        if started is not None and int(started.timestamp()) != int(upload.started):
            raise preconditions.failed("x-amz-if-match-initiated-time")
        return abandon(context.cloud, tx, request["Bucket"], request["Key"], upload.id)

    remove_all(context.cloud, await context.store.transact(change))


def abandon(cloud: Cloud, tx: Transaction, bucket: str, key: str, upload_id: str) -> list[str]:
    gone = contents.forget(cloud, tx, list(parts_of(tx, upload_id)))
    UPLOADS.delete(tx, bucket, key, upload_id)
    UPLOADED.delete_all(tx, upload_id)
    return gone


def abandon_all(cloud: Cloud, tx: Transaction, bucket: str) -> list[str]:
    gone: list[str] = []
    for (_, key, upload_id), _upload in list(UPLOADS.scan(tx, bucket)):
        gone += abandon(cloud, tx, bucket, str(key), str(upload_id))
    return gone


def overtake(tx: Transaction, bucket: str, key: str) -> None:
    """Tells the uploads of a key that its object was deleted: where nothing is left of it, nothing else would."""
    for found, upload in list(UPLOADS.scan(tx, bucket, key)):
        upload.overtaken = True
        UPLOADS.put(tx, *found, value=upload)


def remove_all(cloud: Cloud, gone: Iterable[str]) -> None:
    contents.blobs(cloud).delete(gone)


def initiated(upload: Upload) -> datetime:
    return datetime.fromtimestamp(int(upload.started), UTC)
