"""ListObjects, ListObjectsV2, ListObjectVersions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple, cast
from urllib.parse import quote

import msgspec

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.services.s3 import access, grants, service, versions
from pileus.services.s3.state import HEADS, OLDER, Version
from pileus.store import paging
from pileus.store.interface import Reader

_PAGE = 1000
_MANY = 256
_FEW = 4
"""Keys read at once, and how many where the next may begin a common prefix, whose keys are not looked at."""
_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*")
"""Of what nothing is percent-encoded."""
Decode = Callable[[bytes], Version]
_decode: Decode = msgspec.msgpack.Decoder(Version).decode


class _ListedProperties(msgspec.Struct):
    owner: str
    storage_class: str = "STANDARD"


class _Listed(msgspec.Struct):
    """What a listing shows of a Version, under the same names: most of a record need not be made an object."""

    id: str
    order: int
    modified: float
    properties: _ListedProperties
    size: int = 0
    etag: str = ""
    delete_marker: bool = False
    checksum_algorithm: str = ""
    checksum: str = ""
    checksum_type: str = "FULL_OBJECT"


_decode_listed = cast(Decode, msgspec.msgpack.Decoder(_Listed).decode)


Entry = tuple[str, Version | None]
"""A key with its newest version, or a common prefix without one."""


def _bound(bucket: str, start: str) -> bytes:
    """Where keys that begin with `start` begin: the packed key without its end."""
    return HEADS.key(bucket, start)[:-1]


def walk(
    reader: Reader,
    bucket: str,
    prefix: str,
    delimiter: str = "",
    after: str = "",
    *,
    markers: bool = False,
    decode: Decode = _decode,
) -> Iterator[Entry]:
    """Keys after `after`, in order, those that share a common prefix as one. `markers` shows deleted keys too."""
    end = _bound(bucket, prefix) + b"\xff"
    position = _bound(bucket, prefix)
    if after:
        position = max(position, HEADS.key(bucket, after) + b"\0")
    same = len(_bound(bucket, ""))
    few = _FEW if delimiter else _MANY
    size = few
    while True:
        count = 0
        for raw_key, raw in reader.range(position, end, limit=size):
            count += 1
            position = raw_key + b"\0"
            # As keys.unpack does it, but for the one element that differs.
            key = raw_key[same:-1].replace(b"\0\xff", b"\0").decode("utf-8", "surrogatepass")
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            if at < 0:
                version = decode(raw)
                if markers or not version.delete_marker:
                    yield key, version
                continue
            common = key[: at + len(delimiter)]
            # A listing that stopped at a common prefix, or inside of it, has shown it.
            if not after.startswith(common):
                if not markers and decode(raw).delete_marker:
                    continue
                yield common, None
            position = _bound(bucket, common) + b"\xff"
            size = few
            break
        else:
            if count < size:
                return
            size = min(2 * size, _MANY)


class _Page(NamedTuple):
    entries: list[Entry]
    truncated: bool


def _page(context: Context, request: Mapping[str, Any], after: str) -> _Page:
    limit = limit_of(request)
    entries: list[Entry] = []
    if limit == 0:
        return _Page(entries, False)
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    entries.extend(
        islice(walk(context.store, request["Bucket"], prefix, delimiter, after, decode=_decode_listed), limit + 1)
    )
    return _Page(entries[:limit], len(entries) > limit)


def limit_of(request: Mapping[str, Any], member: str = "MaxKeys") -> int:
    """How many entries a page has. Raises InvalidArgument for a number that is none."""
    asked = request.get(member)
    if asked is None:
        return _PAGE
    if not 0 <= asked <= 2**31 - 1:
        raise AWSError(
            "InvalidArgument",
            f"Argument {member[0].lower()}{member[1:]} must be an integer between 0 and 2147483647",
            status=400,
            ArgumentName=member[0].lower() + member[1:],
            ArgumentValue=str(asked),
        )
    return min(int(asked), _PAGE)


class Names:
    """Keys as the answer shows them: percent-encoded where the request asks for it."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        encoding = request.get("EncodingType")
        if encoding not in (None, "url"):
            raise AWSError(
                "InvalidArgument",
                "Invalid Encoding Method specified in Request",
                status=400,
                ArgumentName="encoding-type",
                ArgumentValue=encoding,
            )
        if request.get("OptionalObjectAttributes"):
            raise option_not_implemented("the optional object attributes of listings")
        self.encoded = encoding == "url"

    def __call__(self, name: str) -> str:
        if not self.encoded or _PLAIN.fullmatch(name):
            return name
        return quote(name, safe="/", errors="surrogatepass")

    def echo(self, request: Mapping[str, Any], *members: str) -> dict[str, Any]:
        """Members of the request that the answer repeats."""
        found = {member: self(request[member]) for member in members if request.get(member)}
        return found | ({"EncodingType": "url"} if self.encoded else {})


def _contents(reader: Reader, entries: list[Entry], names: Names, *, owner: bool) -> dict[str, Any]:
    contents = []
    owner_shape = cache(partial(grants.owner_shape, reader))
    for name, version in entries:
        if version is None:
            continue
        item = _item(name, version, names)
        if owner:
            item["Owner"] = owner_shape(version.properties.owner)
        contents.append(item)
    prefixes = [{"Prefix": names(name)} for name, version in entries if version is None]
    return {"Contents": contents, "CommonPrefixes": prefixes}


@lru_cache(maxsize=4096)
def _moment(seconds: float) -> datetime:
    """What lies side by side was often written in the same second."""
    return datetime.fromtimestamp(seconds, UTC)


def _item(name: str, version: Version, names: Names) -> dict[str, Any]:
    item: dict[str, Any] = {
        "Key": names(name),
        "LastModified": _moment(version.modified),
        "ETag": f'"{version.etag}"',
        "Size": version.size,
        "StorageClass": version.properties.storage_class,
    }
    if version.checksum:
        item["ChecksumAlgorithm"] = [version.checksum_algorithm]
        item["ChecksumType"] = version.checksum_type
    return item


@service.operation("ListObjects", access=access.on_listing("s3:ListBucket"), actions=["s3:ListBucket"])
async def list_objects(context: Context, request: Shape) -> Shape:
    access.find(context, request)
    names = Names(request)
    page = _page(context, request, request.get("Marker") or "")
    answer: Shape = {
        "Name": request["Bucket"],
        "Prefix": "",
        "Marker": "",
        **names.echo(request, "Prefix", "Marker", "Delimiter"),
        "MaxKeys": limit_of(request),
        "IsTruncated": page.truncated,
        **_contents(context.store, page.entries, names, owner=context.principal.kind != "anonymous"),
    }
    if page.truncated and request.get("Delimiter"):
        answer["NextMarker"] = names(page.entries[-1][0])
    return answer


@service.operation("ListObjectsV2", access=access.on_listing("s3:ListBucket"), actions=["s3:ListBucket"])
async def list_objects_v2(context: Context, request: Shape) -> Shape:
    access.find(context, request)
    names = Names(request)
    token = request.get("ContinuationToken")
    try:
        position = paging.decode(token)
    except ValueError:
        position = ()
    if position is not None and (len(position) != 1 or not isinstance(position[0], str)):
        raise AWSError(
            "InvalidArgument",
            "The continuation token provided is incorrect",
            status=400,
            ArgumentName="continuation-token",
        )
    after = str(position[0]) if position else request.get("StartAfter") or ""
    page = _page(context, request, after)
    answer: Shape = {
        "Name": request["Bucket"],
        "Prefix": "",
        **names.echo(request, "Prefix", "StartAfter", "Delimiter"),
        "MaxKeys": limit_of(request),
        "KeyCount": len(page.entries),
        "IsTruncated": page.truncated,
        **_contents(context.store, page.entries, names, owner=bool(request.get("FetchOwner"))),
    }
    if token is not None:
        answer["ContinuationToken"] = token
    if page.truncated:
        answer["NextContinuationToken"] = paging.encode((page.entries[-1][0],))
    return answer


class _Shown(NamedTuple):
    name: str
    version: Version | None
    latest: bool = False


@service.operation(
    "ListObjectVersions", access=access.on_listing("s3:ListBucketVersions"), actions=["s3:ListBucketVersions"]
)
async def list_object_versions(context: Context, request: Shape) -> Shape:
    versioned = bool(access.find(context, request).versioning)
    names = Names(request)
    key_marker, version_marker = request.get("KeyMarker") or "", request.get("VersionIdMarker") or ""
    if version_marker and not key_marker:
        raise AWSError(
            "InvalidArgument",
            "A version-id marker cannot be specified without a key marker.",
            status=400,
            ArgumentName="version-id-marker",
            ArgumentValue=version_marker,
        )
    limit = limit_of(request)
    shown: list[_Shown] = []
    truncated = False
    if limit:
        for item in _walk_versions(context.store, request, key_marker, version_marker, versioned):
            if len(shown) == limit:
                truncated = True
                break
            shown.append(item)
    answer: Shape = {
        "Name": request["Bucket"],
        "Prefix": "",
        "KeyMarker": "",
        "VersionIdMarker": version_marker,
        **names.echo(request, "Prefix", "KeyMarker", "Delimiter"),
        "MaxKeys": limit,
        "IsTruncated": truncated,
        "Versions": [],
        "DeleteMarkers": [],
        "CommonPrefixes": [],
    }
    owner = cache(partial(grants.owner_shape, context.store))
    for name, version, latest in shown:
        if version is None:
            answer["CommonPrefixes"].append({"Prefix": names(name)})
            continue
        described = _item(name, version, names) | {
            "VersionId": version.id,
            "IsLatest": latest,
            "Owner": owner(version.properties.owner),
        }
        if version.delete_marker:
            kept = ("Key", "LastModified", "VersionId", "IsLatest", "Owner")
            answer["DeleteMarkers"].append({member: described[member] for member in kept})
        else:
            answer["Versions"].append(described)
    if truncated:
        last = shown[-1]
        answer["NextKeyMarker"] = names(last.name)
        if last.version is not None:
            answer["NextVersionIdMarker"] = last.version.id
    return answer


def _walk_versions(
    reader: Reader, request: Mapping[str, Any], key_marker: str, version_marker: str, versioned: bool
) -> Iterator[_Shown]:
    """A bucket that was never `versioned` has no older versions to look for, key by key."""
    bucket, prefix, delimiter = request["Bucket"], request.get("Prefix") or "", request.get("Delimiter") or ""
    if version_marker and key_marker.startswith(prefix):
        # The version itself may be gone meanwhile, as when a client deletes what it is shown page by page.
        order = versions.order_of(reader, bucket, key_marker, version_marker)
        for item in _versions_of(reader, bucket, key_marker, HEADS.get(reader, bucket, key_marker)):
            if item.version is not None and (order is None or item.version.order < order):
                yield item
    for name, version in walk(reader, bucket, prefix, delimiter, key_marker, markers=True, decode=_decode_listed):
        if version is None:
            yield _Shown(name, None)
        elif not versioned:
            yield _Shown(name, version, True)
        else:
            yield from _versions_of(reader, bucket, name, version)


def _versions_of(reader: Reader, bucket: str, key: str, head: Version | None) -> Iterator[_Shown]:
    if head is not None:
        yield _Shown(key, head, True)
        for _, version in OLDER.scan(reader, bucket, key):
            yield _Shown(key, version)
