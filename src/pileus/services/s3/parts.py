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
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": limit,
        "IsTruncated": len(found) > limit,
        "Parts": [],
        "Initiator": grants.owner_shape(context.store, upload.initiator),
        "Owner": grants.owner_shape(context.store, upload.properties.owner),
        "StorageClass": upload.properties.storage_class,
        **_checksum(upload),
        **lifecycle_rules.abort_members(bucket, request["Key"], upload.started),
    }
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
    """Uploads by key and then by age, which their ids tell, after the request's markers."""
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    key_marker, id_marker = request.get("KeyMarker") or "", request.get("UploadIdMarker") or ""
    former = ""
    for (_, key, upload_id), upload in UPLOADS.scan(reader, request["Bucket"]):
        name = str(key)
        if not name.startswith(prefix):
            continue
        if key_marker and name <= key_marker and (name < key_marker or not id_marker or str(upload_id) <= id_marker):
            continue
        at = name.find(delimiter, len(prefix)) if delimiter else -1
        if at < 0:
            yield _Entry(name, upload)
            continue
        common = name[: at + len(delimiter)]
        if common != former and not key_marker.startswith(common):
            yield _Entry(common, None)
        former = common


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
        "UploadIdMarker": (request.get("UploadIdMarker") or "") if request.get("KeyMarker") else "",
        **_next(shown, names, truncated=len(found) > limit),
        **names.echo(request, "KeyMarker", "Prefix", "Delimiter"),
        "MaxUploads": limit,
        "IsTruncated": len(found) > limit,
        "Uploads": [_shown(context.store, names(name), upload) for name, upload in shown if upload is not None],
        "CommonPrefixes": [{"Prefix": names(name)} for name, upload in shown if upload is None],
    }
    return answer


def _next(shown: list[_Entry], names: Names, *, truncated: bool) -> dict[str, str]:
    """Where the next page begins; S3 tells it on the last page too."""
    if not shown or (shown[-1].upload is None and not truncated):
        return {"NextKeyMarker": "", "NextUploadIdMarker": ""}
    name, upload = shown[-1]
    return {"NextKeyMarker": names(name), "NextUploadIdMarker": upload.id if upload is not None else ""}


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
