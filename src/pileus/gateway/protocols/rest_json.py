"""REST-JSON (https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html)."""

from __future__ import annotations

from typing import Any

import orjson
from botocore.model import OperationModel

from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.aws.model import streaming_member
from pileus.gateway.protocols.checked import Checked, status_of
from pileus.gateway.protocols.convert import Encoders, WrongTypeError
from pileus.gateway.protocols.rest import Binding

_TYPE = "application/json"
_EVENT_STREAM = "application/vnd.amazon.eventstream"


class RestJSON:
    def __init__(self, model: OperationModel, opaque: frozenset[str], checked: Checked) -> None:
        self._checked = checked
        self._binding = Binding(model)
        self._streaming = streaming_member(model.input_shape)
        encoders = Encoders(opaque)
        output = model.output_shape
        payload = self._binding.output_payload
        self._payload_encode = encoders.of(output.members[payload]) if payload else None
        self._payload_kind = output.members[payload].type_name if payload else ""
        self._event_stream = bool(payload and output.members[payload].serialization.get("eventstream"))
        self._placed = (
            {name for name, member in output.members.items() if "location" in member.serialization} if output else set()
        )
        self._encode = encoders.of(output) if output is not None else None

    def decode(self, request: Request, labels: dict[str, str], body: bytes) -> dict[str, Any]:
        try:
            value = self._binding.find(request, labels)
        except WrongTypeError as error:
            raise self._checked.fault("serialization", str(error)) from None
        payload = self._binding.payload
        if payload is not None and payload == self._streaming and not body:
            pass
        elif payload is not None and self._binding.input.members[payload].type_name in ("blob", "string"):
            if body:
                value[payload] = body
        elif body and (payload is not None or self._binding.has_body):
            try:
                content = orjson.loads(body)
            except orjson.JSONDecodeError as error:
                raise self._checked.fault("serialization", f"Could not parse request body into json: {error}") from None
            if payload is not None:
                value[payload] = content
            elif not isinstance(content, dict):
                raise self._checked.fault("serialization", "Could not parse request body into json: not an object")
            else:
                # What the path and headers say stands, whatever the body repeats.
                value = {**content, **value}
        return self._checked(value)

    def encode(self, answer: dict[str, Any], request_id: str) -> Response:
        status, headers = self._binding.place(answer)
        headers["x-amzn-requestid"] = request_id
        headers.setdefault("content-type", _EVENT_STREAM if self._event_stream else _TYPE)
        payload = self._binding.output_payload
        body: Any = b""
        if payload is not None:
            body = answer.get(payload, b"")
            if self._payload_kind == "structure" and not self._event_stream:
                body = orjson.dumps(self._payload_encode(body)) if self._payload_encode and body else b""
            elif isinstance(body, str):
                body = body.encode()
        elif self._encode is not None and status != 204:
            kept = {name: item for name, item in answer.items() if name not in self._placed}
            body = orjson.dumps(self._encode(kept))
        if status == 204:
            headers.pop("content-type")
        return Response(status, headers, body)


def write_error(service: str, error: AWSError, request_id: str, request: Request) -> Response:
    # A member that an error says to be None is one that AWS leaves out.
    body = {"Type": "User", "Message": error.message, "message": error.message, **error.members}
    body = {name: value for name, value in body.items() if value is not None}
    headers = {
        "content-type": _TYPE,
        "x-amzn-requestid": request_id,
        "x-amzn-errortype": error.code,
        **error.headers,
    }
    return Response(status_of(service, error), headers, orjson.dumps(body))
