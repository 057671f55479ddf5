"""Website hosting (https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html): a bucket's objects as
pages, to visitors without a signature, with the index, error and redirect rules of its website configuration."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape

import msgspec

from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.aws.identifiers import request_id as new_request_id
from pileus.metering import units
from pileus.security.principals import ANONYMOUS
from pileus.services.context import Cloud, Context
from pileus.services.operation import Access
from pileus.services.s3 import (
    access,
    access_logs,
    contents,
    cors,
    encryption,
    objects,
    preconditions,
    public_access,
    versions,
    website_rules,
)  # fmt: skip
from pileus.services.s3.names import no_such_bucket, no_such_key, object_arn
from pileus.services.s3.state import HEADS, Bucket, Version, bucket_of
from pileus.store.interface import Store

_HEADERS = {
    "CacheControl": "cache-control",
    "ContentDisposition": "content-disposition",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
    "ContentType": "content-type",
    "Expires": "expires",
}
_CONDITIONS = {
    "if-match": "IfMatch",
    "if-none-match": "IfNoneMatch",
    "if-modified-since": "IfModifiedSince",
    "if-unmodified-since": "IfUnmodifiedSince",
}
_SPECIAL = frozenset((*_CONDITIONS, "range", "origin"))
"""Request headers that make an answer another one than the whole page."""


def _denied() -> AWSError:
    return AWSError("AccessDenied", "Access Denied", status=403)


def bucket_exists(cloud: Cloud, name: str) -> bool:
    return bucket_of(cloud, name) is not None


def is_configured(cloud: Cloud, name: str) -> bool:
    bucket = bucket_of(cloud, name)
    return bucket is not None and "website" in bucket.configurations


_CALL = units.call("s3", "GetObject")


class Page(NamedTuple):
    """An answer as it stands in the cache, with what it was made of: the object's record and its place, the bucket, and
    the account's public-access block; and what must be allowed to see it."""

    place: bytes
    record: bytes
    bucket: Bucket
    block: bytes | None
    asked: Access
    headers: dict[str, str]
    body: bytes


class Pages:
    """Hot small pages by bucket and key, each good as long as all that it was made of is the same: which is looked at
    once after every commit."""

    _LARGEST = 256 * 1024
    _BYTES = 32 * 1024 * 1024

    def __init__(self, cloud: Cloud) -> None:
        self._pages: OrderedDict[tuple[str, str], Page] = OrderedDict()
        self._size = 0
        self._moment = b""
        self._seen: set[tuple[str, str]] = set()
        """Those looked at since the last commit."""

    def get(self, store: Store, bucket: Bucket, key: str) -> Page | None:
        name = (bucket.name, key)
        page = self._pages.get(name)
        if page is None:
            return None
        moment = store.moment()
        if moment != self._moment:
            self._moment = moment
            self._seen.clear()
        if name not in self._seen:
            if page.bucket is not bucket or page.record != store.get(page.place) or page.block != _block(store, bucket):
                self._drop(name)
                return None
            self._seen.add(name)
        self._pages.move_to_end(name)
        return page

    def put(self, bucket: str, key: str, page: Page) -> None:
        if len(page.body) > self._LARGEST:
            return
        self._drop((bucket, key))
        self._pages[bucket, key] = page
        self._size += len(page.body) + len(page.record)
        while self._size > self._BYTES:
            self._drop(next(iter(self._pages)))

    def _drop(self, name: tuple[str, str]) -> None:
        page = self._pages.pop(name, None)
        self._seen.discard(name)
        if page is not None:
            self._size -= len(page.body) + len(page.record)


async def serve(cloud: Cloud, bucket_name: str, request: Request) -> Response:
    """The website's answer to any request. Never raises for what a visitor can ask."""
    if request.method == "OPTIONS":
        return cors.preflight(cloud, bucket_name, request)
    visit: Visit | None = None
    began, fault = time.perf_counter(), ""
    try:
        bucket = bucket_of(cloud, bucket_name)
        if bucket is None:
            raise no_such_bucket(bucket_name)
        website = bucket.configurations.get("website")
        if website is None:
            raise AWSError(
                "NoSuchWebsiteConfiguration",
                "The specified bucket does not have a website configuration",
                status=404,
                BucketName=bucket.name,
            )
        visit = Visit(cloud, bucket, website, request)
        response = await visit.answer()
    except AWSError as error:
        fault = error.code
        response = await visit.failure(error) if visit is not None else error_page(error)
    if "origin" in request.headers:
        cors.allow(cloud, bucket_name, request, response)
    if request.method == "HEAD":
        if isinstance(response.body, bytes):
            response.headers.setdefault("content-length", str(len(response.body)))
        response.body = b""
    elif visit is not None:
        sent = int(response.headers.get("content-length", 0)) or len(response.body)  # type: ignore[arg-type]
        cloud.meter.add(visit.bucket.account, units.TRANSFER_OUT_BYTES, sent)
    if visit is not None:
        cloud.meter.add(visit.bucket.account, _CALL)
        if access_logs.enabled(visit.bucket) is not None:
            access = access_logs.Access(
                ANONYMOUS, visit.context.request_id, visit.key, fault, time.perf_counter() - began, website=True
            )
            access_logs.note(cloud, bucket_name, request, response, access)
    return response


class Visit:
    """One request to a website."""

    def __init__(self, cloud: Cloud, bucket: Bucket, website: Mapping[str, Any], request: Request) -> None:
        self.cloud = cloud
        self.bucket = bucket
        self.website = website
        self.request = request
        self.scheme = "https" if request.secure else "http"
        self.host = request.headers.get("host", "")
        self.key = ""
        self.context = Context(
            cloud,
            ANONYMOUS,
            bucket.region,
            new_request_id(),
            "s3",
            "GetObject",
            cloud.clock.time(),
            request.source_ip,
            cloud.is_secure(request),
            request.headers.get("user-agent", ""),
            request.headers,
            request.host,
        )

    async def answer(self) -> Response:
        request = self.request
        if request.method not in ("GET", "HEAD"):
            raise AWSError(
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
                status=405,
                headers={"allow": "GET, HEAD, OPTIONS"},
                Method=request.method,
                ResourceType="OBJECT",
            )
        moved = website_rules.everywhere(self.website, self.host, self.scheme, request.raw_path, request.query)
        if moved is not None:
            return _redirect(moved)
        try:
            self.key = request.path[1:]
        except UnicodeDecodeError:
            raise AWSError("InvalidURI", "Couldn't parse the specified URI.", status=400) from None
        moved = website_rules.find(self.website, self.key, self.host, self.scheme)
        if moved is not None:
            return _redirect(moved)
        suffix = self.website["IndexDocument"]["Suffix"]
        if not self.key or self.key.endswith("/"):
            self.key += suffix
            return await self.page(self.key)
        try:
            return await self.page(self.key)
        except AWSError as error:
            if error.status in (403, 404) and self._readable_index(f"{self.key}/{suffix}"):
                return _redirect(website_rules.Redirect(302, f"/{quote(self.key)}/"))
            raise

    def _readable_index(self, key: str) -> bool:
        """Whether the key stands for a folder with an index page that this visitor may see."""
        record = self.cloud.store.get(HEADS.key(self.bucket.name, key))
        if record is None:
            return False
        version = msgspec.msgpack.decode(record, type=Version)
        return not version.delete_marker and access.may(self.context, self._asked(key, version))

    def _asked(self, key: str, version: Version | None) -> Access:
        bucket = self.bucket
        owner = version.properties.owner if version is not None and bucket.acls_enabled else bucket.account
        tagged = version.properties.tags if version is not None else {}
        return Access(
            "s3:GetObject",
            object_arn(bucket.name, key),
            access.tag_keys("s3:existingobjecttag", tagged.items()) if tagged else {},
            access.resource_policies(self.cloud, ANONYMOUS, bucket, version),
            owner,
        )

    def _authorize(self, asked: Access) -> None:
        """Raises AccessDenied, without the reasons that are nothing to a visitor."""
        try:
            self.cloud.authorizer.authorize(self.context, (asked,))
        except AWSError:
            raise _denied() from None

    async def page(self, key: str, status: int = 200, *, again: bool = True) -> Response:
        """The object of that key as an answer. Raises AccessDenied, NoSuchKey, and what its conditions come to."""
        pages = self.cloud.part(Pages)
        known = pages.get(self.cloud.store, self.bucket, key)
        if known is not None and (status != 200 or _SPECIAL.isdisjoint(self.request.headers)):
            self._authorize(known.asked)
            return Response(status, dict(known.headers), known.body)
        place = HEADS.key(self.bucket.name, key)
        record, block = self.cloud.store.get(place), _block(self.cloud.store, self.bucket)
        version = msgspec.msgpack.decode(record, type=Version) if record else None
        if record is None or version is None or version.delete_marker:
            # Whoever may not list must not learn which keys there are. Nobody asked to list: this is no denial to be
            # written down.
            if access.may(self.context, access.listing_access(self.context, self.bucket, key)):
                raise no_such_key(key)
            raise _denied()
        asked = self._asked(key, version)
        self._authorize(asked)
        if version.properties.redirect:
            return _redirect(website_rules.Redirect(301, version.properties.redirect))
        content_key = encryption.open_key(self.cloud, self.bucket.account, version.properties.encryption, b"")
        headers = _headers(version)
        stretch = None
        if status == 200:
            preconditions.check_read(version, self._conditions())
            stretch = objects.ranged(self.request.headers.get("range"), version.size)
        whole = stretch or objects.Stretch(0, version.size)
        parts = versions.parts_of(self.cloud.store, self.bucket.name, key, version)
        try:
            body = contents.open_parts(self.cloud, parts, content_key, whole.start, whole.length)
        except FileNotFoundError:
            if not again:
                raise
            # Overwritten since its record was read: the new one is there.
            return await self.page(key, status, again=False)
        if isinstance(body, bytes) and stretch is None:
            page = Page(place, record, self.bucket, block, asked, headers, body)
            pages.put(self.bucket.name, key, page)
            return Response(status, dict(headers), body)
        headers["content-length"] = str(whole.length)
        if stretch is not None:
            end = whole.start + whole.length - 1
            headers["content-range"] = f"bytes {whole.start}-{end}/{version.size}"
            status = 206
        if self.request.method == "HEAD":
            body = b""
        return Response(status, headers, body)

    def _conditions(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for header, member in _CONDITIONS.items():
            value = self.request.headers.get(header)
            if value is None:
                continue
            if "since" in header:
                try:
                    found[member] = parsedate_to_datetime(value)
                except ValueError:
                    continue  # A date that is none is ignored (RFC 9110, 13.1.3).
            else:
                found[member] = value
        return found

    async def failure(self, error: AWSError) -> Response:
        """What the visitor sees of an error: a redirect, the bucket's error document, or S3's own page."""
        status = error.status or 403
        if status in (304, 412, 416, 405):
            return (
                Response(304, {name.lower(): value for name, value in error.headers.items()})
                if status == 304
                else error_page(error)
            )
        moved = website_rules.find(self.website, self.key, self.host, self.scheme, status)
        if moved is not None:
            return _redirect(moved)
        document = self.website.get("ErrorDocument")
        if document is None:
            return error_page(error)
        try:
            return await self.page(document["Key"], status)
        except AWSError as second:
            return error_page(error, second)


def _block(store: Store, bucket: Bucket) -> bytes | None:
    return public_access.of_account(store, bucket.account)


def _headers(version: Version) -> dict[str, str]:
    own = version.properties
    headers = {_HEADERS[member]: value for member, value in own.headers.items()}
    headers |= {f"x-amz-meta-{name}": value for name, value in own.metadata.items()}
    headers["etag"] = f'"{version.etag}"'
    headers["last-modified"] = preconditions.http_date(version.modified)
    headers["accept-ranges"] = "bytes"
    return headers


def _redirect(moved: website_rules.Redirect) -> Response:
    return Response(moved.status, {"location": moved.location, "content-length": "0"})


def error_page(error: AWSError, second: AWSError | None = None) -> Response:
    """S3's own error page; `second` is what hindered the bucket's error document."""
    status = error.status or 403
    title = f"{status} {HTTPStatus(status).phrase}"
    identifier = new_request_id()
    items = [
        ("Code", error.code),
        ("Message", error.message),
        *error.members.items(),
        ("RequestId", identifier),
        ("HostId", identifier),
    ]
    custom = ""
    if second is not None:
        inner = [("Code", second.code), ("Message", second.message), *second.members.items()]
        custom = (
            "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n"
            f"<ul>\n{_items(inner)}</ul>\n"
        )
    body = (
        f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{_items(items)}</ul>\n{custom}"
        "<hr/>\n</body>\n</html>\n"
    )
    headers = {name.lower(): value for name, value in error.headers.items() if not name.startswith("x-pileus")}
    headers["content-type"] = "text/html; charset=utf-8"
    headers["x-amz-request-id"] = identifier
    return Response(status, headers, body.encode("utf-8", "replace"))


def _items(pairs: list[tuple[str, Any]]) -> str:
    return "".join(f"<li>{name}: {escape(str(value))}</li>\n" for name, value in pairs)
