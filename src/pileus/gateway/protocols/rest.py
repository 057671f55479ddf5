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
Reader = Callable[[str], Any]
Writer = Callable[[Any], str]


class Binding:
    """Finds an operation's members outside the body, and puts an answer's members there.

    An object has forty headers that a request may have, and a request has eight: what is there is looked up in what
    could be, not the other way round.
    """

    def __init__(self, model: OperationModel) -> None:
        self.input = model.input_shape
        self.output = model.output_shape
        self.success = int(model.http.get("responseCode", 200))
        members = self.input.members if self.input is not None else {}
        self.payload: str | None = self.input.serialization.get("payload") if self.input is not None else None
        self.has_body = any("location" not in member.serialization for member in members.values())
        self._in_path: list[tuple[str, Finder]] = []
        self._in_query: list[tuple[str, Finder]] = []
        self.in_headers: dict[str, tuple[str, Reader]] = {}
        self._prefixes: list[tuple[str, str]] = []
        for name, member in members.items():
            wire = member.serialization.get("name", name)
            match member.serialization.get("location"):
                case "uri":
                    self._in_path.append((name, _label_finder(member, wire)))
                case "querystring":
                    self._in_query.append((name, _query_finder(member, wire)))
                case "header":
                    self.in_headers[wire.lower()] = (name, _header_reader(member))
                case "headers":
                    self._prefixes.append((name, wire.lower()))
        out = self.output.members if self.output is not None else {}
        self.output_payload: str | None = self.output.serialization.get("payload") if self.output is not None else None
        self._placed: dict[str, tuple[str, str, Writer]] = {}
        for name, member in out.items():
            location = member.serialization.get("location")
            if location is not None:
                wire = member.serialization.get("name", name).lower()
                self._placed[name] = (location, wire, _header_writer(member))

    def find(self, request: Request, labels: dict[str, str]) -> dict[str, Any]:
        """Members in the path, query and headers. Raises WrongTypeError."""
        found = {}
        for name, finder in self._in_path:
            value = finder(request, labels)
            if value is not None:
                found[name] = value
        if request.query:
            for name, finder in self._in_query:
                value = finder(request, labels)
                if value is not None:
                    found[name] = value
        for key, text in request.headers.items():
            expected = self.in_headers.get(key)
            if expected is not None:
                value = expected[1](text)
                if value is not None:
                    found[expected[0]] = value
        for name, prefix in self._prefixes:
            some = {key[len(prefix) :]: text for key, text in request.headers.items() if key.startswith(prefix)}
            if some:
                found[name] = some
        return found

    def place(self, answer: dict[str, Any]) -> tuple[int, dict[str, str]]:
        """Status and headers of `answer`."""
        status = self.success
        headers: dict[str, str] = {}
        for name, value in answer.items():
            placed = self._placed.get(name)
            if placed is None or value is None:
                continue
            location, wire, write = placed
            if location == "statusCode":
                status = int(value)
            elif location == "headers":
                for key, item in value.items():
                    headers[f"{wire}{key}".lower()] = item
            else:
                headers[wire] = write(value)
        return status, headers


def _label_finder(member: Shape, wire: str) -> Finder:
    if member.type_name == "string":
        return lambda request, labels: labels.get(wire)
    return lambda request, labels: _scalar(member, labels[wire]) if wire in labels else None


def _header_reader(member: Shape) -> Reader:
    if member.type_name == "list":
        item = member.member
        return lambda text: [_scalar(item, piece.strip()) for piece in text.split(",")] if text else None
    if member.type_name == "string":
        return lambda text: text
    return lambda text: _scalar(member, text)


def _header_writer(member: Shape) -> Writer:
    if member.type_name == "list":
        item = member.member
        return lambda value: ",".join(text_of(item, one, "rfc822") for one in value)
    if member.serialization.get("jsonvalue"):
        return lambda value: base64.b64encode(json.dumps(value).encode()).decode()
    if member.type_name in ("string", "integer", "long"):
        return str
    return lambda value: text_of(member, value, "rfc822")


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
        # A number that is empty is none at all, as S3 has it.
        return None if text is None or not (text or member.type_name == "string") else _scalar(member, text)

    return one


# Dates that S3 keeps and gives back as the text that came, a date or not.
_FREE_TEXT = frozenset({"Expires", "ResponseExpires"})


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
    if kind == "timestamp" and shape.name not in _FREE_TEXT:
        return timestamp(float(text) if _is_number(text) else text)
    if kind in ("double", "float"):
        if not _is_number(text):
            raise WrongTypeError("STRING_VALUE cannot be converted to Double")
        return float(text)
    return text


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdigit()
