"""GetObjectAttributes (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.operation import Access, Shape
from pileus.services.s3 import access, encryption, objects, service, versions
from pileus.services.s3.listing import limit_of
from pileus.services.s3.state import Part, Version

_ATTRIBUTES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")
_ACTIONS = ("s3:GetObject", "s3:GetObjectAttributes", "s3:GetObjectVersion", "s3:GetObjectVersionAttributes")


def _both(context: Context, request: Shape) -> Iterable[Access]:
    """Reading the object, and its attributes."""
    bucket = access.find(context, request)
    named = request.get("VersionId")
    version = versions.look_up(context.store, bucket.name, request["Key"], named)
    for action in _ACTIONS[2:] if named else _ACTIONS[:2]:
        yield access.existing_access(context, request, bucket, request["Key"], action, version)


@service.operation("GetObjectAttributes", access=_both, actions=_ACTIONS)
async def get_object_attributes(context: Context, request: Shape) -> Shape:
    bucket = access.find(context, request)
    wanted = {name.strip() for item in request["ObjectAttributes"] for name in item.split(",")}
    if not wanted or not wanted.issubset(_ATTRIBUTES):
        raise AWSError("InvalidArgument", "Invalid attribute name specified.", status=400)
    version = objects.readable(context, bucket, request)
    customer = encryption.customer_key(context, request)
    encryption.open_key(context.cloud, bucket.account, version.properties.encryption, customer)
    answer: Shape = {"LastModified": datetime.fromtimestamp(version.modified, UTC)}
    if bucket.versioning:
        answer["VersionId"] = version.id
    if "ETag" in wanted:
        answer["ETag"] = version.etag
    if "Checksum" in wanted and version.checksum:
        # Without the number of parts that a composite one ends in.
        members = objects.checksum_members(version)
        answer["Checksum"] = {name: value.partition("-")[0] for name, value in members.items()}
    if "StorageClass" in wanted:
        answer["StorageClass"] = version.properties.storage_class
    if "ObjectSize" in wanted:
        answer["ObjectSize"] = version.size
    if "ObjectParts" in wanted and version.parts_count:
        parts = versions.parts_of(context.store, bucket.name, request["Key"], version)
        answer["ObjectParts"] = _parts(version, parts, request)
    return answer


def _parts(version: Version, parts: list[Part], request: Shape) -> dict[str, Any]:
    """S3 tells the parts of composite checksums only; sizes and numbers are known here for all, and told."""
    composite = version.checksum_type == "COMPOSITE"
    limit = limit_of(request, "MaxParts")
    after = int(request.get("PartNumberMarker") or 0)
    # Parts of a completed object are numbered anew from 1.
    numbered = [(number, part) for number, part in enumerate(parts, start=1) if number > after]
    shown = numbered[:limit]
    return {
        "TotalPartsCount": version.parts_count,
        "PartNumberMarker": after,
        "NextPartNumberMarker": shown[-1][0] if shown else 0,
        "MaxParts": limit,
        "IsTruncated": len(numbered) > limit,
        "Parts": [
            {
                "PartNumber": number,
                "Size": part.size,
                **({f"Checksum{version.checksum_algorithm}": part.checksum} if composite else {}),
            }
            for number, part in shown
        ],
    }
