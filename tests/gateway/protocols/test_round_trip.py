"""Every operation of every service against botocore as the other side.

What botocore's serializers write, our decoders read back; what our encoders write, botocore's parsers read back.
Values are generated from the models' own shapes.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.aws.body import Bytes, read
from pileus.aws.http import Request
from pileus.aws.model import operation_model, service_model
from pileus.gateway.protocols import json, query, rest_json, rest_xml
from pileus.gateway.protocols.checked import Checked, protocol_of
from pileus.gateway.protocols.convert import Converters
from pileus.gateway.routing import tables
from pileus.services import all_services

CODECS: dict[str, Any] = {
    "json": json.JSON,
    "query": query.Query,
    "rest-json": rest_json.RestJSON,
    "rest-xml": rest_xml.RestXML,
}
TEXT = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs", "Cn"]), min_size=1, max_size=8
)
LABEL = st.from_regex(r"[a-z0-9]{3,12}", fullmatch=True)


def _values(shape: Shape, depth: int, where: str) -> st.SearchStrategy[Any]:
    kind = shape.type_name
    if kind == "structure":
        return _structures(shape, depth - 1)
    if kind == "list":
        return st.lists(_values(shape.member, depth - 1, where), min_size=1, max_size=2)
    if kind == "map":
        return st.dictionaries(
            _values(shape.key, depth, "key"), _values(shape.value, depth - 1, where), min_size=1, max_size=2
        )
    if kind == "string":
        if getattr(shape, "enum", None):
            return st.sampled_from(shape.enum)
        return LABEL if where in ("uri", "header", "headers", "key", "querystring") else TEXT
    if kind in ("integer", "long"):
        return st.integers(0, 2**31 - 1)
    if kind in ("double", "float"):
        return st.integers(0, 1000).map(float)
    if kind == "boolean":
        return st.booleans()
    if kind == "timestamp":
        return st.integers(0, 2**31).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
    return st.binary(min_size=1, max_size=8)


@st.composite
def _structures(draw: st.DrawFn, shape: Shape, depth: int, keep: int = 6) -> dict[str, Any]:
    out = {}
    optional = 0
    for name, member in shape.members.items():
        required = name in shape.required_members
        if getattr(member, "is_document_type", False) or member.serialization.get("eventstream"):
            continue
        if name == "ContentMD5":  # held against the body: an invented one is refused
            continue
        if depth <= 0 and member.type_name in ("structure", "list", "map") and not required:
            continue
        if depth < -2:
            continue
        if required or (optional < keep and draw(st.booleans())):
            optional += not required
            out[name] = draw(_values(member, depth, member.serialization.get("location", "")))
            if getattr(shape, "is_tagged_union", False):
                break
    if not out and depth > -2:
        # Not empty: a form cannot write an empty structure, and one in a list would end the list.
        for name, member in shape.members.items():
            if member.type_name in ("string", "integer", "boolean"):
                out[name] = draw(_values(member, depth, member.serialization.get("location", "")))
                break
        else:
            for name, member in list(shape.members.items())[:1]:
                out[name] = draw(_values(member, depth, member.serialization.get("location", "")))
    return out


OPERATIONS = [
    (service, name)
    for service, known in sorted(all_services().items())
    for name in sorted(known.operations)
    if service != "s3control"
]
# botocore itself reads this one's answer in a handler of its own, not in its parser.
WRITTEN = [pair for pair in OPERATIONS if pair != ("s3", "GetBucketLocation")]


def _codec(model: OperationModel, protocol: str) -> Any:
    checked = Checked(model, frozenset(), Converters(constraints=False))
    return CODECS[protocol](model, frozenset(), checked)


def _request(serialized: dict[str, Any]) -> Request:
    body = serialized["body"]
    headers = {name.lower(): str(value) for name, value in serialized["headers"].items()}
    if isinstance(body, dict):
        body = urlencode(body).encode()
        headers["content-type"] = "application/x-www-form-urlencoded; charset=utf-8"
    elif isinstance(body, str):
        body = body.encode()
    path, _, asked = serialized["url_path"].partition("?")
    query_string = serialized["query_string"]
    more = urlencode(query_string, doseq=True, quote_via=quote) if isinstance(query_string, dict) else query_string
    return Request(
        serialized["method"], path, "&".join(piece for piece in (asked, more) if piece), headers, Bytes(body or b"")
    )


def _plain(value: Any) -> Any:
    """Bodies read, so that they compare."""
    if isinstance(value, Bytes):
        return asyncio.run(read(value, 1 << 20))
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("service", "name"), OPERATIONS)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_clients_write_is_read(service: str, name: str, data: st.DataObject) -> None:
    model = operation_model(service, name)
    if model.input_shape is None:
        return
    protocol = protocol_of(service)
    sent = data.draw(_structures(model.input_shape, 3))
    request = _request(create_serializer(protocol, include_validation=False).serialize_to_request(sent, model))
    request.headers["host"] = "localhost"
    body = asyncio.run(read(request.body, 1 << 20))
    if protocol in ("json", "query") or service == "s3":
        request.headers.setdefault(
            "authorization", f"AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/{service}/aws4_request"
        )
    route = tables().find(request, None, body if protocol == "query" else b"")
    assert (route.service, route.operation) == (service, name)
    request.body = Bytes(body)
    read_back = _plain(_codec(model, protocol).decode(request, route.labels, body))
    # A form has no way to write an empty structure, and a body that is not there is an empty one.
    assert _without_empty(read_back) == _without_empty(sent)


@pytest.mark.parametrize(("service", "name"), WRITTEN)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_written_clients_read(service: str, name: str, data: st.DataObject) -> None:
    model = operation_model(service, name)
    if model.output_shape is None or any(
        m.serialization.get("eventstream") for m in model.output_shape.members.values()
    ):
        return
    protocol = protocol_of(service)
    answer = data.draw(_structures(model.output_shape, 3))
    for member_name, member in model.output_shape.members.items():
        if member.serialization.get("location") == "statusCode":
            answer[member_name] = 200
    response = _codec(model, protocol).encode(answer, "request-id")
    body = response.body
    parsed = create_parser(protocol).parse(
        {
            "status_code": response.status,
            "headers": HeadersDict(response.headers),
            "body": _Raw(body) if model.has_streaming_output else body,
        },
        model.output_shape,
    )
    parsed.pop("ResponseMetadata", None)
    for member_name, value in list(parsed.items()):
        if isinstance(value, _Raw):
            parsed[member_name] = value.data
            if not value.data and member_name not in answer:
                del parsed[member_name]
    assert _without_empty(parsed) == _without_empty(answer)


class _Raw:
    def __init__(self, data: bytes) -> None:
        self.data = data


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _without_empty(item) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item not in (None, {}, [], "", b"")}
    if isinstance(value, list):
        return [item for item in map(_without_empty, value) if item != {}]
    return value


def test_services_have_models() -> None:
    for name in all_services():
        assert service_model(name).operation_names
