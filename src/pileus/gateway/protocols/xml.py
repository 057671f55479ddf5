"""XML by the model's shapes, both ways (https://smithy.io/2.0/spec/protocol-traits.html#xml-bindings)."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
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

_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("\r"): "&#13;"}


def escape(text: str) -> str:
    return text.translate(_ESCAPES)


def write(out: list[str], name: str, shape: Shape, value: Any, attributes: str = "") -> None:
    """Appends the element `name` with `value` by `shape`."""
    kind = shape.type_name
    if kind == "structure":
        inner: list[str] = []
        for member_name, member in shape.members.items():
            item = value.get(member_name)
            if item is None or "location" in member.serialization:
                continue
            wire = member.serialization.get("name", member_name)
            if member.serialization.get("xmlAttribute"):
                attributes += f' xmlns:xsi="{_XSI}" {wire}="{escape(item)}"'
            else:
                _write_member(inner, wire, member, item)
        out.append(f"<{name}{attributes}>")
        out.extend(inner)
        out.append(f"</{name}>")
    elif kind == "list":
        out.append(f"<{name}{attributes}>")
        element = shape.member.serialization.get("name", "member")
        for item in value:
            write(out, element, shape.member, item)
        out.append(f"</{name}>")
    elif kind == "map":
        out.append(f"<{name}{attributes}>")
        _write_entries(out, "entry", shape, value)
        out.append(f"</{name}>")
    else:
        out.append(f"<{name}{attributes}>{escape(text_of(shape, value))}</{name}>")


def _write_member(out: list[str], wire: str, member: Shape, value: Any) -> None:
    if member.serialization.get("flattened"):
        if member.type_name == "list":
            element = member.member.serialization.get("name", wire)
            for item in value:
                write(out, element if "name" not in member.serialization else wire, member.member, item)
            return
        if member.type_name == "map":
            _write_entries(out, wire, member, value)
            return
    write(out, wire, member, value)


def _write_entries(out: list[str], entry: str, shape: Shape, value: dict[str, Any]) -> None:
    for key, item in value.items():
        out.append(f"<{entry}>")
        write(out, shape.key.serialization.get("name", "key"), shape.key, key)
        write(out, shape.value.serialization.get("name", "value"), shape.value, item)
        out.append(f"</{entry}>")


def text_of(shape: Shape, value: Any, timestamp_format: str = "iso8601") -> str:
    """A scalar as XML and headers write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return str(format_timestamp(value, shape.serialization.get("timestampFormat", timestamp_format)))
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
