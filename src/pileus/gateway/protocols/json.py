"""AWS JSON 1.0 and 1.1 (https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html)."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from botocore.model import OperationModel

from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.aws.model import service_model
from pileus.gateway.protocols.checked import Checked, status_of
from pileus.gateway.protocols.convert import Encoders

# DynamoDB qualifies its errors' names; the others do not.
_NAMESPACES = {
    "dynamodb": "com.amazonaws.dynamodb.v20120810#",
    "dynamodbstreams": "com.amazonaws.dynamodb.v20120810#",
}
_SERVER = {name: {"server": "Server"} for name in _NAMESPACES}
_COMMON = "com.amazon.coral.service#"
_COMMON_CODES = frozenset(
    {
        "SerializationException",
        "UnknownOperationException",
        "MissingAuthenticationTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
        "AccessDeniedException",
        "ValidationException",
    }
)


_CAPITAL_MESSAGE = frozenset({"SerializationException", "AccessDeniedException"})
"""DynamoDB's errors that spell their message so."""


class JSON:
    def __init__(self, model: OperationModel, opaque: frozenset[str], checked: Checked) -> None:
        self._checked = checked
        self._encode = Encoders(opaque).of(model.output_shape) if model.output_shape is not None else None
        service = model.service_model.service_name
        self._silent = service in _NAMESPACES
        self._headers = {"content-type": content_type(service), **_SERVER.get(service, {})}

    def decode(self, request: Request, labels: dict[str, str], body: bytes) -> dict[str, Any]:
        try:
            value = orjson.loads(body) if body else {}
        except orjson.JSONDecodeError as error:
            # DynamoDB says no more than that.
            message = "" if self._silent else f"The request is no JSON: {error}"
            raise self._checked.fault("serialization", message) from None
        return self._checked(value)

    def encode(self, answer: dict[str, Any], request_id: str) -> Response:
        body = orjson.dumps(self._encode(answer)) if self._encode is not None else b""
        return Response(200, {"x-amzn-requestid": request_id, **self._headers}, body)


@cache
def content_type(service: str) -> str:
    return f"application/x-amz-json-{service_model(service).metadata.get('jsonVersion', '1.0')}"


def write_error(service: str, error: AWSError, request_id: str, request: Request) -> Response:
    prefix = _NAMESPACES.get(service, "")
    if prefix and error.code in _COMMON_CODES and error.code != "ValidationException":
        prefix = _COMMON
    elif prefix and error.code == "ValidationException":
        prefix = "com.amazon.coral.validate#"
    body: dict[str, Any] = {"__type": prefix + error.code, **error.members}
    if service not in _NAMESPACES:
        # Both spellings: some of the models, and so of the SDKs, have one, some the other.
        body["message"] = body["Message"] = error.message
    elif error.message:
        body["Message" if error.code in _CAPITAL_MESSAGE else "message"] = error.message
    headers = {
        "content-type": content_type(service),
        "x-amzn-requestid": request_id,
        "x-amzn-errortype": error.code,
        **_SERVER.get(service, {}),
        **error.headers,
    }
    return Response(status_of(service, error), headers, orjson.dumps(body, default=_default))


def _default(value: Any) -> Any:
    if hasattr(value, "timestamp"):
        return value.timestamp()
    raise TypeError(type(value).__name__)
