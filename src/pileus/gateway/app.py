"""The path of a request: route, authenticate, decode, authorise, operate, encode. One way, no back and forth."""

from __future__ import annotations

import hashlib
import logging
import time
from functools import cache
from typing import Any, NamedTuple

from pileus.aws import body as bodies
from pileus.aws.errors import AWSError, not_implemented
from pileus.aws.http import Request, Response
from pileus.aws.identifiers import request_id as new_request_id
from pileus.aws.model import is_public, operation_model, streaming_member
from pileus.gateway import admin, compression, cors, sites
from pileus.gateway.body import STREAMING_MODES, Chunked, ClientGoneError, Hashed
from pileus.gateway.dispatch import find, operate
from pileus.gateway.protocols.checked import protocol_of
from pileus.gateway.protocols.codec import ERROR_WRITERS, Codec, codec
from pileus.gateway.protocols.faults import fault, signature_fault, too_large
from pileus.gateway.routing import Route, is_form, read_host, s3_routes, signing_name, tables
from pileus.metering import units
from pileus.security import signature, signature_v2
from pileus.security.authentication import Authenticated, Authenticator
from pileus.security.principals import ANONYMOUS, Principal
from pileus.security.signature import STREAMING_PREFIX, UNSIGNED_PAYLOAD, SignatureError
from pileus.security.tokens import Opener
from pileus.services import all_services
from pileus.services.context import Cloud, Context
from pileus.services.s3 import cors as bucket_cors
from pileus.services.s3 import post

log = logging.getLogger("pileus.gateway")

_LARGEST_FORM = 1 << 20


class Gateway:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.authenticator = Authenticator(
            cloud.store, Opener(cloud.keyring.sealer), cloud.clock, cloud.settings.region
        )

    async def respond(self, request: Request) -> Response:
        """Never raises, but for a client that has gone (ClientGoneError)."""
        if request.raw_path.startswith(admin.PREFIX):
            return await admin.respond(self.cloud, self.authenticator, request)
        host = read_host(request.host)
        if host.function_url is not None:
            return await sites.function_url(self.cloud, host.function_url, request)
        bucket = None if host.bucket is None else sites.bucket_of(self.cloud, host)
        if bucket is not None and sites.wants_website(self.cloud, bucket, host, request):
            return await sites.serve_website(self.cloud, bucket, request)
        if bucket is None and sites.is_visit(request):
            response = await sites.show_the_way(self.cloud, host, request)
            if "origin" in request.headers and response.status == 200:
                cors.allow(response)
            return response
        identifier = new_request_id()
        form = b""
        try:
            if request.method == "POST" and is_form(request):
                form = await self._read(request, _LARGEST_FORM)
            route = tables().find(request, bucket, form)
        except (ValueError, bodies.TooLongError):
            route = s3_routes().find(request, bucket)
        asked = route.labels.get("Bucket") if route.service == "s3" else None
        if request.method == "OPTIONS":
            # A preflight says neither its service nor its operation; a bucket's rules alone answer it.
            return bucket_cors.preflight(self.cloud, asked, request) if asked else cors.preflight(request)
        response = await self._answer(request, route, identifier, form)
        if "origin" in request.headers:
            if asked:
                bucket_cors.allow(self.cloud, asked, request, response)
            else:
                cors.allow(response)
        return response

    async def _answer(self, request: Request, route: Route, identifier: str, form: bytes) -> Response:
        service = route.service if route.service in all_services() else "s3"
        began, fault_code = time.perf_counter(), ""
        try:
            response = await self._serve(request, route, identifier, form)
        except AWSError as error:
            fault_code = error.code
            response = self._error(service, error, identifier, request)
        except ClientGoneError:
            raise
        except Exception:
            log.exception("request %s (%s %s) failed", identifier, service, route.operation)
            code = "InternalFailure" if protocol_of(service) != "rest-xml" else "InternalError"
            unexpected = AWSError(code, "We encountered an internal error. Please try again.", status=500)
            fault_code = code
            response = self._error(service, unexpected, identifier, request)
        bucket = sites.asked_bucket(self.cloud, route) if service == "s3" else None
        if route.operation and not fault_code:
            # Whoever owns the bucket pays (https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html).
            payer = bucket.account if bucket is not None else request.principal.account
            self._count(payer, _plan(service, route.operation).unit, response)
        if bucket is not None:
            sites.note_access(self.cloud, bucket, route, request, response, identifier, fault_code, began)
        return response

    async def _serve(self, request: Request, route: Route, identifier: str, form: bytes) -> Response:
        service, name = route.service, route.operation
        if service not in all_services():
            raise AWSError("NotImplemented", f"Pileus does not have the service {service}.", status=501)
        if not name:
            protocol = protocol_of(service)
            if request.method == "POST" and service == "s3" and sites.is_form_upload(request):
                return await post.upload(
                    self.cloud, self.authenticator, route.labels.get("Bucket", ""), request, identifier
                )
            raise fault(service, protocol, "unknown-operation", _unknown(request, service, form))
        plan = _plan(service, name)
        protocol = plan.protocol
        if request.head_size > plan.largest_head:
            raise fault(service, protocol, "long-head")
        if plan.streams:
            body = b""
            principal = request.principal = self._authenticate_stream(request, service, name, protocol)
        elif service == "s3":
            principal = request.principal = self._authenticate_stream(request, service, name, protocol)
            body = await self._read(request, plan.largest_body, service, protocol)
        else:
            body = form or await self._read(request, plan.largest_body, service, protocol, name)
            principal = request.principal = self._authenticate(request, plan, service, body)
            if "content-encoding" in request.headers:
                try:
                    body = compression.inflated(request, body, plan.largest_body)
                except compression.NotCompressedError as error:
                    raise fault(service, protocol, "not-compressed", str(error)) from None
                except compression.TooLongError:
                    raise too_large(service, protocol, name, plan.largest_body) from None
        operation = find(service, name)
        context = Context(
            cloud=self.cloud,
            principal=principal,
            region=self.cloud.settings.region,
            request_id=identifier,
            service=service,
            operation=name,
            received=self.cloud.clock.time(),
            source_ip=request.source_ip,
            secure=self.cloud.is_secure(request),
            user_agent=request.headers.get("user-agent", ""),
            headers=request.headers,
            host=request.host,
            query=request.query,
        )
        wire = plan.codec
        if not plan.streams:
            request.body = bodies.Bytes(body)
        try:
            answer = await operate(context, operation, wire.decode(request, route.labels, body))
        except AWSError as error:
            if error.code == "AccessDenied" and error.status in (None, 403):
                named = fault(service, protocol, "denied", error.message)
                named.headers = error.headers
                raise named from None
            raise
        response = wire.encode(answer, identifier)
        if service == "dynamodb":
            compression.deflate(request, response)
        return response

    def _count(self, payer: str, unit: str, response: Response) -> None:
        meter = self.cloud.meter
        meter.add(payer, unit)
        body = response.body
        size = len(body) if isinstance(body, bytes) else int(response.headers.get("content-length", 0))
        if size:
            meter.add(payer, units.TRANSFER_OUT_BYTES, size)

    def _authenticate(self, request: Request, plan: _Plan, service: str, body: bytes) -> Principal:
        if plan.is_public and not signature.is_signed(request):
            return ANONYMOUS
        digest = hashlib.sha256(body).hexdigest()
        try:
            claim = signature.parse(request)
            return self.authenticator.authenticate(request, claim, plan.signing_name, digest).principal
        except SignatureError as error:
            raise signature_fault(service, plan.protocol, error) from None

    def _authenticate_stream(self, request: Request, service: str, name: str, protocol: str) -> Principal:
        """S3 signs what the header says of the payload; the body is held against that while it is read."""
        declared = request.headers.get("x-amz-content-sha256") or request.parameter("X-Amz-Content-Sha256") or ""
        if not signature.is_signed(request):
            if declared in STREAMING_MODES:
                request.body = self._unframe(request, declared, None)
            return ANONYMOUS
        try:
            if signature_v2.is_used(request):
                bucket = sites.bucket_of(self.cloud, read_host(request.host))
                principal, who = self.authenticator.authenticate_v2(request, bucket), None
                # Nothing of the payload need be declared; what is, is under the signature as a header and counts.
                declared = declared or UNSIGNED_PAYLOAD
            else:
                claim = signature.parse(request)
                if not declared:
                    if not claim.presigned:
                        raise AWSError(
                            "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
                        )
                    declared = UNSIGNED_PAYLOAD
                who = self.authenticator.authenticate(request, claim, signing_name(service), declared)
                principal = who.principal
        except SignatureError as error:
            raise signature_fault(service, protocol, error) from None
        if declared in STREAMING_MODES:
            request.body = self._unframe(request, declared, who)
        elif declared.startswith(STREAMING_PREFIX):
            raise not_implemented(service, f"{name} with {declared}")
        elif declared != UNSIGNED_PAYLOAD:
            request.body = Hashed(request.body, declared)
        return principal

    def _unframe(self, request: Request, mode: str, who: Authenticated | None) -> Chunked:
        length = request.headers.get("x-amz-decoded-content-length")
        if length is None or not length.isdigit():
            raise AWSError("MissingContentLength", "You must provide the Content-Length HTTP header.", status=411)
        return Chunked(request.body, mode, int(length), who)

    async def _read(
        self, request: Request, limit: int, service: str = "", protocol: str = "", operation: str = ""
    ) -> bytes:
        try:
            return await bodies.read(request.body, limit)
        except bodies.TooLongError:
            if not service:
                raise
            raise too_large(service, protocol, operation, limit) from None

    def _error(self, service: str, error: AWSError, identifier: str, request: Request) -> Response:
        return ERROR_WRITERS[protocol_of(service)](service, error, identifier, request)


class _Plan(NamedTuple):
    """What the path of a request asks of an operation, whoever calls it."""

    protocol: str
    signing_name: str
    is_public: bool
    streams: bool
    """Whether the operation itself reads the body."""
    largest_head: int
    largest_body: int
    codec: Codec
    unit: str
    """Of the bill."""


@cache
def _plan(service: str, operation: str) -> _Plan:
    declared = all_services()[service]
    model = operation_model(service, operation)
    return _Plan(
        protocol_of(service),
        signing_name(service),
        is_public(service, operation),
        service == "s3" and streaming_member(model.input_shape) is not None,
        declared.largest_head,
        declared.largest_body,
        codec(service, operation, declared.opaque),
        units.call(service, operation),
    )


def _unknown(request: Request, service: str, form: bytes) -> str:
    target: Any = request.headers.get("x-amz-target")
    if target:
        return f"Unknown operation {target[:256]}"
    return f"{service} has no operation for {request.method} {request.raw_path[:256]}"
