"""XML by the model's shapes, both ways (https://smithy.io/2.0/spec/protocol-traits.html#xml-bindings)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from functools import cache, cached_property
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from botocore.model import Shape
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pileus.gateway.protocols.convert import WrongTypeError, format_timestamp, timestamp

_XSI = "http://www.w3.org/2001/XMLSchema-instance"


class MalformedXMLError(Exception):
    """Not well-formed, with a document type, or not as the model has it."""


def parse(body: bytes) -> Element:
    """Raises MalformedXMLError; entities and document types are refused (XML bombs, external entities)."""
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise MalformedXMLError(str(error)) from error
    return root


def name_of(element: Element) -> str:
    """Without its namespace."""
    tag: str = element.tag
    return tag.rpartition("}")[2]


def read(shape: Shape, element: Element) -> Any:
    """Raises MalformedXMLError where a required member is absent, or a value is of another type or not of its enum."""
    kind = shape.type_name
    if kind == "structure":
        return _read_structure(shape, element)
    if kind == "list":
        wanted = shape.member.serialization.get("name", "member")
        return [read(shape.member, child) for child in element if name_of(child) == wanted]
    if kind == "map":
        return dict(_read_entry(shape, entry) for entry in element if name_of(entry) == "entry")
    return scalar(shape, element.text or "")


def _read_structure(shape: Shape, element: Element) -> dict[str, Any]:
    children: dict[str, list[Element]] = {}
    for child in element:
        children.setdefault(name_of(child), []).append(child)
    out: dict[str, Any] = {}
    for name, member in shape.members.items():
        if "location" in member.serialization:
            continue
        wire = member.serialization.get("name", name)
        if member.serialization.get("xmlAttribute"):
            value = element.get(f"{{{_XSI}}}{wire.partition(':')[2]}")
            if value is not None:
                out[name] = value
        elif member.type_name == "list" and member.serialization.get("flattened"):
            wire = member.member.serialization.get("name", wire) if wire == name else wire
            found = children.get(wire)
            if found:
                out[name] = [read(member.member, child) for child in found]
        elif member.type_name == "map" and member.serialization.get("flattened"):
            if wire in children:
                out[name] = dict(_read_entry(member, entry) for entry in children[wire])
        elif wire in children:
            out[name] = read(member, children[wire][0])
    missing = [name for name in shape.required_members if name not in out and name in shape.members]
    missing = [name for name in missing if "location" not in shape.members[name].serialization]
    for name in list(missing):
        # An empty flattened list is simply not written.
        if shape.members[name].type_name == "list" and shape.members[name].serialization.get("flattened"):
            out[name] = []
            missing.remove(name)
    if missing:
        raise MalformedXMLError(f"{missing[0]} is missing")
    return out


def _read_entry(shape: Shape, entry: Element) -> tuple[Any, Any]:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    key = value = None
    for child in entry:
        if name_of(child) == key_name:
            key = read(shape.key, child)
        elif name_of(child) == value_name:
            value = read(shape.value, child)
    return key, value


def scalar(shape: Shape, text: str) -> Any:
    """A value written as text. Raises MalformedXMLError."""
    kind = shape.type_name
    try:
        if kind == "string":
            choices = getattr(shape, "enum", None)
            if choices and text not in choices:
                raise MalformedXMLError(f"{text!r} is not one of {choices}")
            return text
        if kind in ("integer", "long"):
            return int(text.strip())
        if kind in ("double", "float"):
            return float(text)
        if kind == "boolean":
            return {"true": True, "false": False}[text.strip().lower()]
        if kind == "timestamp":
            return timestamp(text.strip())
        if kind == "blob":
            return base64.b64decode(text, validate=True)
    except (ValueError, KeyError, WrongTypeError, binascii.Error) as error:
        raise MalformedXMLError(f"{text[:64]!r} is not a {kind}") from error
    raise MalformedXMLError(f"unexpected {kind}")


# Writing

_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\r", "&#13;"))


def escape(text: str) -> str:
    for character, entity in _ESCAPES:
        if character in text:
            text = text.replace(character, entity)
    return text


def write(out: list[str], name: str, shape: Shape, value: Any, attributes: str = "") -> None:
    """Appends the element `name` with `value` by `shape`."""
    _writer(name, shape, attributes)(out, value)


Writer = Callable[[list[str], Any], None]


@cache
def _writer(name: str, shape: Shape, attributes: str = "") -> Writer:
    """Writers are made of the shapes once: a listing has thousands of elements of a few shapes."""
    begin, end = f"<{name}{attributes}>", f"</{name}>"
    match shape.type_name:
        case "structure":
            return _Structure(name, shape, attributes)
        case "list":
            return _enclosed(begin, _items(shape.member.serialization.get("name", "member"), shape), end)
        case "map":
            return _enclosed(begin, _entries("entry", shape), end)
        case _:
            return lambda out, value: out.append(f"{begin}{escape(text_of(shape, value))}{end}")


class _Structure:
    """The members' writers are found at the first use: a shape may hold itself."""

    def __init__(self, name: str, shape: Shape, attributes: str) -> None:
        self._name = name
        self._attributes = attributes
        self._shape = shape
        self._end = f"</{name}>"

    @cached_property
    def _members(self) -> list[tuple[str, Writer]]:
        return [
            (name, _member_writer(_wire(name, member), member))
            for name, member in self._shape.members.items()
            if "location" not in member.serialization and not member.serialization.get("xmlAttribute")
        ]

    @cached_property
    def _marks(self) -> list[tuple[str, str]]:
        """Members that are attributes."""
        members = self._shape.members.items()
        return [(name, _wire(name, member)) for name, member in members if member.serialization.get("xmlAttribute")]

    def __call__(self, out: list[str], value: Any) -> None:
        attributes = self._attributes
        for name, wire in self._marks:
            if value.get(name) is not None:
                attributes += f' xmlns:xsi="{_XSI}" {wire}="{escape(value[name])}"'
        out.append(f"<{self._name}{attributes}>")
        for name, writer in self._members:
            item = value.get(name)
            if item is not None:
                writer(out, item)
        out.append(self._end)


def _wire(name: str, member: Shape) -> str:
    return str(member.serialization.get("name", name))


def _member_writer(wire: str, member: Shape) -> Writer:
    if member.serialization.get("flattened"):
        if member.type_name == "list":
            element = member.member.serialization.get("name", wire)
            return _items(wire if "name" in member.serialization else element, member)
        if member.type_name == "map":
            return _entries(wire, member)
    return _writer(wire, member)


def _enclosed(begin: str, inner: Writer, end: str) -> Writer:
    def enclosed(out: list[str], value: Any) -> None:
        out.append(begin)
        inner(out, value)
        out.append(end)

    return enclosed


def _items(element: str, shape: Shape) -> Writer:
    writer = _writer(element, shape.member)

    def items(out: list[str], value: Any) -> None:
        for item in value:
            writer(out, item)

    return items


def _entries(entry: str, shape: Shape) -> Writer:
    key_writer = _writer(_wire("key", shape.key), shape.key)
    value_writer = _writer(_wire("value", shape.value), shape.value)

    def entries(out: list[str], value: Any) -> None:
        for key, item in value.items():
            out.append(f"<{entry}>")
            key_writer(out, key)
            value_writer(out, item)
            out.append(f"</{entry}>")

    return entries


def text_of(shape: Shape, value: Any, timestamp_format: str = "iso8601") -> str:
    """A scalar as XML and headers write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return str(format_timestamp(value, shape.serialization.get("timestampFormat", timestamp_format)))
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
