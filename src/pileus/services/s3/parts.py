"""ListParts and ListMultipartUploads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.services.s3 import access, grants, lifecycle_rules, service, uploads
from pileus.services.s3.listing import Names, limit_of
from pileus.services.s3.state import UPLOADS, Upload
from pileus.store.interface import Reader


@service.operation(
    "ListParts", access=uploads.on_upload("s3:ListMultipartUploadParts"), actions=["s3:ListMultipartUploadParts"]
)
async def list_parts(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    upload = uploads.find(context.store, request)
    limit = limit_of(request, "MaxParts")
    after = int(request.get("PartNumberMarker") or 0)
    found = list(islice(uploads.parts_of(context.store, upload.id, after=after), limit + 1)) if limit else []
    shown = found[:limit]
    answer: Shape = {
        "Bucket": bucket.name,
        "Key": request["Key"],
        "UploadId": upload.id,
        "PartNumberMarker": after,
        "MaxParts": limit,
        "IsTruncated": len(found) > limit,
        "Parts": [],
        "Initiator": grants.owner_shape(context.store, upload.initiator),
        "Owner": grants.owner_shape(context.store, upload.properties.owner),
        "StorageClass": upload.properties.storage_class,
        **_checksum(upload),
        **lifecycle_rules.abort_members(bucket, request["Key"], upload.started),
    }
    if shown:
        answer["NextPartNumberMarker"] = shown[-1].number
    for part in shown:
        item = {
            "PartNumber": part.number,
            "LastModified": datetime.fromtimestamp(part.modified, UTC),
            "ETag": f'"{part.etag}"',
            "Size": part.size,
        }
        if upload.checksum_asked:
            item[f"Checksum{upload.checksum_algorithm}"] = part.checksum
        answer["Parts"].append(item)
    return answer


class _Entry(NamedTuple):
    """An upload, or a common prefix of several."""

    name: str
    upload: Upload | None


def _walk(reader: Reader, request: Mapping[str, Any]) -> Iterator[_Entry]:
    """Uploads by key and then by age, after the request's markers."""
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    key_marker, id_marker = request.get("KeyMarker") or "", request.get("UploadIdMarker") or ""
    former = ""
    past_marker = False
    for name, upload in _by_age(reader, request["Bucket"]):
        if not name.startswith(prefix):
            continue
        if key_marker and name <= key_marker:
            if name < key_marker or not id_marker:
                continue
            if not past_marker:
                past_marker = upload.id == id_marker
                continue
        at = name.find(delimiter, len(prefix)) if delimiter else -1
        if at < 0:
            yield _Entry(name, upload)
            continue
        common = name[: at + len(delimiter)]
        if common != former and not key_marker.startswith(common):
            yield _Entry(common, None)
        former = common


def _by_age(reader: Reader, bucket: str) -> Iterator[tuple[str, Upload]]:
    waiting: list[Upload] = []
    current = ""
    for (_, key, _id), upload in UPLOADS.scan(reader, bucket):
        if key != current:
            yield from ((current, item) for item in sorted(waiting, key=lambda item: item.started))
            waiting, current = [], str(key)
        waiting.append(upload)
    yield from ((current, item) for item in sorted(waiting, key=lambda item: item.started))


@service.operation(
    "ListMultipartUploads",
    access=access.on_listing("s3:ListBucketMultipartUploads"),
    actions=["s3:ListBucketMultipartUploads"],
)
async def list_multipart_uploads(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    names = Names(request)
    limit = limit_of(request, "MaxUploads")
    found = list(islice(_walk(context.store, request), limit + 1)) if limit else []
    shown = found[:limit]
    answer: Shape = {
        "Bucket": bucket.name,
        "KeyMarker": "",
        "UploadIdMarker": request.get("UploadIdMarker") or "",
        **names.echo(request, "KeyMarker", "Prefix", "Delimiter"),
        "MaxUploads": limit,
        "IsTruncated": len(found) > limit,
        "Uploads": [_shown(context.store, names(name), upload) for name, upload in shown if upload is not None],
        "CommonPrefixes": [{"Prefix": names(name)} for name, upload in shown if upload is None],
    }
    if answer["IsTruncated"]:
        answer["NextKeyMarker"] = names(shown[-1].name)
        if shown[-1].upload is not None:
            answer["NextUploadIdMarker"] = shown[-1].upload.id
    return answer


def _shown(reader: Reader, name: str, upload: Upload) -> dict[str, Any]:
    return {
        "Key": name,
        "UploadId": upload.id,
        "Initiated": uploads.initiated(upload),
        "StorageClass": upload.properties.storage_class,
        "Owner": grants.owner_shape(reader, upload.properties.owner),
        "Initiator": grants.owner_shape(reader, upload.initiator),
        **_checksum(upload),
    }


def _checksum(upload: Upload) -> dict[str, str]:
    if not upload.checksum_asked:
        return {}
    return {"ChecksumAlgorithm": upload.checksum_algorithm, "ChecksumType": upload.checksum_type}
