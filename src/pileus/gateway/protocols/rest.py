"""What rest-json and rest-xml share: where in an HTTP message a member lies
(https://smithy.io/2.0/spec/http-bindings.html)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from botocore.model import OperationModel, Shape

from pileus.aws.http import Request
from pileus.gateway.protocols.convert import WrongTypeError, timestamp
from pileus.gateway.protocols.xml import text_of

Finder = Callable[[Request, dict[str, str]], Any]


class Binding:
    """Finds an operation's members outside the body, and puts an answer's members there."""

    def __init__(self, model: OperationModel) -> None:
        self.input = model.input_shape
        self.output = model.output_shape
        self.success = int(model.http.get("responseCode", 200))
        members = self.input.members if self.input is not None else {}
        self.payload: str | None = self.input.serialization.get("payload") if self.input is not None else None
        self._finders: list[tuple[str, Finder]] = [
            (name, _finder(name, member)) for name, member in members.items() if "location" in member.serialization
        ]
        self.has_body = any("location" not in member.serialization for member in members.values())
        out = self.output.members if self.output is not None else {}
        self.output_payload: str | None = self.output.serialization.get("payload") if self.output is not None else None
        self._placed = [
            (name, member, member.serialization["location"], member.serialization.get("name", name))
            for name, member in out.items()
            if "location" in member.serialization
        ]

    def find(self, request: Request, labels: dict[str, str]) -> dict[str, Any]:
        """Members in the path, query and headers. Raises WrongTypeError."""
        found = {}
        for name, finder in self._finders:
            value = finder(request, labels)
            if value is not None:
                found[name] = value
        return found

    def place(self, answer: dict[str, Any]) -> tuple[int, dict[str, str]]:
        """Status and headers of `answer`."""
        status, headers = self.success, {}
        for name, member, location, wire in self._placed:
            value = answer.get(name)
            if value is None:
                continue
            if location == "statusCode":
                status = int(value)
            elif location == "headers":
                for key, item in value.items():
                    headers[f"{wire}{key}".lower()] = item
            elif member.type_name == "list":
                headers[wire.lower()] = ",".join(text_of(member.member, item, "rfc822") for item in value)
            elif member.serialization.get("jsonvalue"):
                headers[wire.lower()] = base64.b64encode(json.dumps(value).encode()).decode()
            else:
                headers[wire.lower()] = text_of(member, value, "rfc822")
        return status, headers


def _finder(name: str, member: Shape) -> Finder:
    location = member.serialization["location"]
    wire = member.serialization.get("name", name)
    if location == "uri":
        return lambda request, labels: _scalar(member, labels[wire]) if wire in labels else None
    if location == "querystring":
        return _query_finder(member, wire)
    lower = wire.lower()
    if location == "headers":
        size = len(lower)

        def prefixed(request: Request, labels: dict[str, str]) -> Any:
            found = {key[size:]: value for key, value in request.headers.items() if key.startswith(lower)}
            return found or None

        return prefixed
    if member.type_name == "list":

        def listed(request: Request, labels: dict[str, str]) -> Any:
            text = request.headers.get(lower)
            return [_scalar(member.member, item.strip()) for item in text.split(",")] if text else None

        return listed

    def header(request: Request, labels: dict[str, str]) -> Any:
        text = request.headers.get(lower)
        return None if text is None else _scalar(member, text)

    return header


def _query_finder(member: Shape, wire: str) -> Finder:
    if member.type_name == "list":

        def all_of(request: Request, labels: dict[str, str]) -> Any:
            found = [_scalar(member.member, value) for key, value in request.parameters if key == wire]
            return found or None

        return all_of
    if member.type_name == "map":
        return lambda request, labels: dict(request.parameters) or None

    def one(request: Request, labels: dict[str, str]) -> Any:
        text = request.parameter(wire)
        return None if text is None else _scalar(member, text)

    return one


def _scalar(shape: Shape, text: str) -> Any:
    kind = shape.type_name
    if kind in ("integer", "long"):
        try:
            return int(text)
        except ValueError:
            raise WrongTypeError(f"STRING_VALUE cannot be converted to {kind.capitalize()}") from None
    if kind == "boolean":
        if text.lower() not in ("true", "false"):
            raise WrongTypeError("STRING_VALUE cannot be converted to Boolean")
        return text.lower() == "true"
    if kind == "timestamp":
        return timestamp(float(text) if _is_number(text) else text)
    if kind in ("double", "float"):
        if not _is_number(text):
            raise WrongTypeError("STRING_VALUE cannot be converted to Double")
        return float(text)
    return text


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
