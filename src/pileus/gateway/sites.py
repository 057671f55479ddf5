"""What a host name can mean besides AWS's APIs: a bucket, its website, a function's URL."""

from __future__ import annotations

import time

from pileus.aws.http import Request, Response
from pileus.gateway.routing import HostName, Route
from pileus.security.signature import is_signed
from pileus.services.context import Cloud
from pileus.services.lambda_ import urls
from pileus.services.s3 import access_logs, state, website

_DYNAMODB = "dynamodb."
"""What its endpoints' names begin with."""


def bucket_of(cloud: Cloud, host: HostName) -> str | None:
    """The bucket that the host names, where it is one."""
    if host.bucket is None or host.certain:
        return host.bucket
    return next((name for name in (host.full, host.bucket) if website.bucket_exists(cloud, name)), None)


def is_visit(request: Request) -> bool:
    """A browser at the root of a name that is no bucket's, or anyone at DynamoDB's: no API is called so."""
    return (
        request.raw_path == "/"
        and request.method in ("GET", "HEAD")
        and ("text/html" in request.headers.get("accept", "") or request.host.startswith(_DYNAMODB))
        and not is_signed(request)
    )


async def show_the_way(cloud: Cloud, host: HostName, request: Request) -> Response:
    """Visitors of S3's own root are sent to the page about it, as on AWS: here that is the console. DynamoDB's root
    says that it is there."""
    if request.host.startswith(_DYNAMODB):
        return Response(200, {"content-type": "text/plain"}, f"healthy: {request.headers['host']} ".encode())
    if host.bucket is not None:
        return await website.serve(cloud, host.bucket, request)
    return Response(307, {"location": "/_pileus/", "content-length": "0"}, b"")


def asked_bucket(cloud: Cloud, route: Route) -> state.Bucket | None:
    """The bucket that a request to S3 names, where there is one."""
    name = route.labels.get("Bucket")
    return state.bucket_of(cloud, name) if name is not None else None


def wants_website(cloud: Cloud, bucket: str, host: HostName, request: Request) -> bool:
    """A website endpoint always; a bucket's bare name for what a browser asks of a bucket that has a website."""
    if host.website:
        return True
    return request.method in ("GET", "HEAD") and not is_signed(request) and website.is_configured(cloud, bucket)


async def serve_website(cloud: Cloud, bucket: str, request: Request) -> Response:
    return await website.serve(cloud, bucket, request)


async def function_url(cloud: Cloud, identifier: str, request: Request) -> Response:
    return await urls.handle(cloud, identifier, request)


def note_access(
    cloud: Cloud,
    bucket: state.Bucket,
    route: Route,
    request: Request,
    response: Response,
    identifier: str,
    error: str,
    began: float,
) -> None:
    """For the bucket's access log, where it has one. `began` is by time.perf_counter."""
    if access_logs.enabled(bucket) is not None:
        key, seconds = route.labels.get("Key", ""), time.perf_counter() - began
        access = access_logs.Access(request.principal, identifier, key, error, seconds)
        access_logs.note(cloud, bucket.name, request, response, access)


def is_form_upload(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/form-data")
