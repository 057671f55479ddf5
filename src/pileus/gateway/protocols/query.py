"""AWS Query (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html): a form in, XML out."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from botocore.model import OperationModel, Shape

from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.aws.model import service_model
from pileus.gateway.protocols import xml
from pileus.gateway.protocols.checked import Checked, status_of
from pileus.gateway.protocols.xml import MalformedXMLError, escape

_TYPE = "text/xml"
_DEEPEST = 32
_ENCODER = xml.Encoder()


def fields_of(request: Request, body: bytes) -> dict[str, str]:
    """The form's fields, from the body (POST) or the query (GET). Raises ValueError for too many."""
    text = body.decode("utf-8", "replace") if request.method == "POST" and body else request.query
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=20_000))


class Query:
    def __init__(self, model: OperationModel, opaque: frozenset[str], checked: Checked) -> None:
        self._model = model
        self._checked = checked
        self._namespace = namespace(model.service_model.service_name)

    def decode(self, request: Request, labels: dict[str, str], body: bytes) -> dict[str, Any]:
        shape = self._model.input_shape
        if shape is None:
            return {}
        try:
            fields = fields_of(request, body)
            return self._checked(_Form(fields).structure(shape, ""))
        except (MalformedXMLError, ValueError) as error:
            raise self._checked.fault("serialization", str(error)) from None

    def encode(self, answer: dict[str, Any], request_id: str) -> Response:
        name = self._model.name
        out = [f'<{name}Response xmlns="{self._namespace}">']
        shape = self._model.output_shape
        if shape is not None:
            out.append(_ENCODER.write(shape.serialization.get("resultWrapper", f"{name}Result"), shape, answer))
        out.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>")
        return Response(200, {"content-type": _TYPE, "x-amzn-requestid": request_id}, "".join(out).encode())


class _Form:
    """Nested values out of `Filters.member.1.Name=…`."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields
        # Every prefix that some field begins with, so that absent members cost one look.
        self._prefixes = {
            name[:index]
            for name in fields
            for index in range(1, len(name))
            if name[index] == "." and name.count(".") <= _DEEPEST
        }

    def value(self, shape: Shape, name: str) -> Any:
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, name) if name in self._prefixes else None
        if kind == "list":
            return self._list(shape, name)
        if kind == "map":
            return self._map(shape, name)
        text = self._fields.get(name)
        if text is None:
            return None
        return text if kind in ("string", "blob") else xml.scalar(shape, text)

    def structure(self, shape: Shape, name: str) -> dict[str, Any]:
        prefix = f"{name}." if name else ""
        out = {}
        for member_name, member in shape.members.items():
            value = self.value(member, prefix + member.serialization.get("name", member_name))
            if value is not None:
                out[member_name] = value
        return out

    def _list(self, shape: Shape, name: str) -> list[Any] | None:
        if name not in self._prefixes:
            return [] if self._fields.get(name) == "" else None
        if shape.serialization.get("flattened"):
            base = name
        else:
            base = f"{name}.{shape.member.serialization.get('name', 'member')}"
        items = []
        index = 1
        while (value := self.value(shape.member, f"{base}.{index}")) is not None:
            items.append(value)
            index += 1
        return items

    def _map(self, shape: Shape, name: str) -> dict[str, Any] | None:
        if name not in self._prefixes:
            return None
        base = name if shape.serialization.get("flattened") else f"{name}.entry"
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        out = {}
        index = 1
        while (key := self._fields.get(f"{base}.{index}.{key_name}")) is not None:
            out[key] = self.value(shape.value, f"{base}.{index}.{value_name}")
            index += 1
        return out


def namespace(service: str) -> str:
    metadata = service_model(service).metadata
    uri: str = metadata.get("xmlNamespace") or f"https://{service}.amazonaws.com/doc/{metadata['apiVersion']}/"
    return uri


def write_error(service: str, error: AWSError, request_id: str, request: Request) -> Response:
    status = status_of(service, error)
    members = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in error.members.items())
    body = (
        f'<ErrorResponse xmlns="{namespace(service)}"><Error><Type>{"Sender" if status < 500 else "Receiver"}</Type>'
        f"<Code>{escape(_code(service, error.code))}</Code><Message>{escape(error.message)}</Message>{members}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    headers = {"content-type": _TYPE, "x-amzn-requestid": request_id, **error.headers}
    return Response(status, headers, body.encode())


def _code(service: str, code: str) -> str:
    """The wire's code where it differs from the exception's name (`NoSuchEntity` for NoSuchEntityException)."""
    for shape in service_model(service).error_shapes:
        if shape.name == code:
            found: str = shape.error_code
            return found
    return code
