"""REST-XML as S3 speaks it (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAPI.html)."""

from __future__ import annotations

from typing import Any

from botocore.model import OperationModel

from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.aws.model import streaming_member
from pileus.gateway.protocols import integrity, xml
from pileus.gateway.protocols.checked import Checked, status_of
from pileus.gateway.protocols.convert import WrongTypeError
from pileus.gateway.protocols.rest import Binding
from pileus.gateway.protocols.xml import DECLARATION, MalformedXMLError, escape
from pileus.services.operation import HEADERS

_TYPE = "application/xml"
_SERVER = "AmazonS3"
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# The root elements that S3 writes; the model, made for clients that do not look at them, has no names for these.
_ROOTS = {
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListParts": "ListPartsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketReplication": "ReplicationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetObjectTagging": "Tagging",
    "GetObjectAttributes": "GetObjectAttributesResponse",
}


_ENCODER = xml.Encoder(xml.moment_in_milliseconds)

# What S3 calls a body that is not as the schema has it, where that is not MalformedXML.
_MALFORMED = dict.fromkeys(("PutBucketAcl", "PutObjectAcl"), "MalformedACLError")

# What counts in the query of a presigned URL, and what of that does not.
_PROMOTED = ("x-amz-", "if-")
_CHECKSUMS = ("x-amz-checksum-", "x-amz-sdk-checksum-", "x-amz-trailer")

# Statuses of success that the model does not tell.
_STATUSES = {"PutBucketPolicy": 204, "PutBucketTagging": 204}


class RestXML:
    def __init__(self, model: OperationModel, opaque: frozenset[str], checked: Checked) -> None:
        self._model = model
        self._checked = checked
        self._binding = Binding(model)
        self._binding.success = _STATUSES.get(model.name, self._binding.success)
        self._streaming = streaming_member(model.input_shape)
        self._has_output_body = model.output_shape is not None and any(
            "location" not in member.serialization for member in model.output_shape.members.values()
        )

    def decode(self, request: Request, labels: dict[str, str], body: bytes) -> dict[str, Any]:
        if "ignature=" in request.query:
            self._promote(request)
        try:
            value = self._binding.find(request, labels)
        except WrongTypeError as error:
            raise self._checked.fault("validation", str(error)) from None
        payload = self._binding.payload
        if body:
            integrity.check(request.headers, body, self._binding.in_headers)
        if payload is not None and payload == self._streaming:
            value[payload] = request.body
        elif payload is not None:
            member = self._binding.input.members[payload]
            if member.type_name in ("blob", "string"):
                value[payload] = body.decode("utf-8", "replace") if member.type_name == "string" else body
            elif body:
                value[payload] = self._read(member, body)
        elif body and self._binding.has_body:
            value.update(self._read(self._binding.input, body))
        return self._checked(value)

    def _promote(self, request: Request) -> None:
        """What a presigned URL says in its query counts as if it were said in headers, and before them: it is what was
        signed. Checksums do not, on AWS neither: SDKs sign those of the empty body that they had."""
        for name, value in request.parameters:
            header = name.lower()
            known = header in self._binding.in_headers or header.startswith("x-amz-meta-")
            if known and header.startswith(_PROMOTED) and not header.startswith(_CHECKSUMS):
                request.headers[header] = value

    def _read(self, shape: Any, body: bytes) -> Any:
        try:
            return xml.read(shape, xml.parse(body))
        except MalformedXMLError as error:
            fault = self._checked.fault("serialization", str(error))
            fault.code = _MALFORMED.get(self._model.name, fault.code)
            raise fault from None

    def encode(self, answer: dict[str, Any], request_id: str) -> Response:
        status, headers = self._binding.place(answer)
        headers["x-amz-request-id"] = request_id
        headers["x-amz-id-2"] = request_id
        headers["server"] = _SERVER
        headers |= answer.get(HEADERS, {})
        if "content-range" in headers and status == 200:
            status = 206
        payload = self._binding.output_payload
        shape = self._model.output_shape
        body: Any = b""
        if payload is not None:
            member = shape.members[payload]
            body = answer.get(payload, b"")
            if member.type_name == "structure" and isinstance(body, dict):
                name = member.serialization.get("name", payload)
                body = self._document(_ROOTS.get(self._model.name, name), member, body)
                headers.setdefault("content-type", _TYPE)
            elif isinstance(body, str):
                body = body.encode()
                headers.setdefault("content-type", "application/json" if payload == "Policy" else "text/plain")
        elif self._has_output_body:
            name = _ROOTS.get(self._model.name, f"{self._model.name}Result")
            body = self._document(name, shape, answer)
            headers.setdefault("content-type", _TYPE)
        return Response(status, headers, body)

    def _document(self, name: str, shape: Any, value: dict[str, Any]) -> bytes:
        if name in shape.members and len(shape.members) == 1:
            # <LocationConstraint>EU</LocationConstraint>: the root is its only member.
            text = escape(str(value.get(name) or ""))
            return f'{DECLARATION}<{name} xmlns="{_NAMESPACE}">{text}</{name}>'.encode()
        text = _ENCODER.write(name, shape, value, f' xmlns="{_NAMESPACE}"')
        return f"{DECLARATION}{text}".encode("utf-8", "surrogatepass")


def write_error(service: str, error: AWSError, request_id: str, request: Request) -> Response:
    status = status_of(service, error)
    headers = {
        "x-amz-request-id": request_id,
        "x-amz-id-2": request_id,
        "server": _SERVER,
        **error.headers,
    }
    if request.method == "HEAD" or status == 304:
        return Response(status, headers, b"")
    headers["content-type"] = _TYPE
    members = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in error.members.items())
    body = (
        f"{DECLARATION}<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>{members}"
        f"<RequestId>{request_id}</RequestId><HostId>{request_id}</HostId></Error>"
    )
    return Response(status, headers, body.encode("utf-8", "surrogateescape"))
