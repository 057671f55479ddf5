"""XML by the model's shapes, both ways (https://smithy.io/2.0/spec/protocol-traits.html#xml-bindings)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from botocore.model import Shape
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pileus.gateway.protocols.convert import WrongTypeError, format_timestamp, timestamp

_XSI = "http://www.w3.org/2001/XMLSchema-instance"


# Enumerations that their service holds values against itself, with an error of its own.
_OPEN = frozenset({"BucketLocationConstraint", "BucketLogsPermission", "Protocol"})


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
            choices = getattr(shape, "enum", None) if shape.name not in _OPEN else None
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


def escape(text: str) -> str:
    """Spelled out: most texts hold none of these, and a listing asks some thousand times."""
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if '"' in text:
        text = text.replace('"', "&quot;")
    if "\r" in text:
        text = text.replace("\r", "&#13;")
    return text


Write = Callable[[Any], str]
Moment = Callable[[datetime], str]
_MANY = 16
_NUL = "\0"


def moment(value: datetime) -> str:
    return str(format_timestamp(value, "iso8601"))


@lru_cache(maxsize=4096)
def moment_in_milliseconds(value: datetime) -> str:
    """As S3 writes them, zeros included. What lies in one listing was often written at the same time."""
    return f"{value.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"


class Encoder:
    """Writes values by their shapes, timestamps as `moment` has them.

    What writes a shape is made once: a listing has thousands of elements of a few shapes.
    """

    def __init__(self, moment: Moment = moment) -> None:
        self._moment = moment
        self._made: dict[tuple[str, Shape, str], Writer] = {}

    def write(self, name: str, shape: Shape, value: Any, attributes: str = "") -> str:
        """The element `name` with `value` by `shape`."""
        return self.writer(name, shape, attributes).one(value)

    def writer(self, name: str, shape: Shape, attributes: str = "") -> Writer:
        known = self._made.get((name, shape, attributes))
        if known is None:
            known = self._made[name, shape, attributes] = self._make(name, shape, attributes)
        return known

    def _make(self, name: str, shape: Shape, attributes: str) -> Writer:
        begin, end = f"<{name}{attributes}>", f"</{name}>"
        match shape.type_name:
            case "structure":
                return _Structure(self, name, shape, attributes)
            case "list":
                return _Enclosed(begin, self._items(shape.member.serialization.get("name", "member"), shape), end)
            case "map":
                return _Enclosed(begin, self._entries("entry", shape), end)
            case "timestamp" if shape.serialization.get("timestampFormat", "iso8601") == "iso8601":
                return _Enclosed(begin, Writer(self._moment), end)
            case "integer" | "long":
                return _Enclosed(begin, Writer(str), end)
            case "string":
                return _String(begin, shape, end)
            case _:
                return _Enclosed(begin, Writer(lambda value: escape(text_of(shape, value))), end)

    def member(self, wire: str, member: Shape) -> Writer:
        """What writes a member of a structure."""
        if member.serialization.get("flattened"):
            if member.type_name == "list":
                element = member.member.serialization.get("name", wire)
                return self._items(wire if "name" in member.serialization else element, member)
            if member.type_name == "map":
                return self._entries(wire, member)
        return self.writer(wire, member)

    def _items(self, element: str, shape: Shape) -> Writer:
        return _Items(self.writer(element, shape.member))

    def _entries(self, entry: str, shape: Shape) -> Writer:
        write_key = self.writer(_wire("key", shape.key), shape.key).one
        write_value = self.writer(_wire("value", shape.value), shape.value).one
        begin, end = f"<{entry}>", f"</{entry}>"
        return Writer(
            lambda value: "".join([f"{begin}{write_key(key)}{write_value(item)}{end}" for key, item in value.items()])
        )


class Writer:
    """What writes one value of a shape, and many."""

    def __init__(self, one: Write) -> None:
        self.one = one

    def many(self, values: list[Any]) -> list[str]:
        return [self.one(value) for value in values]


class _Enclosed(Writer):
    def __init__(self, begin: str, inner: Writer, end: str) -> None:
        write = inner.one
        super().__init__(lambda value: f"{begin}{write(value)}{end}")


class _String(Writer):
    def __init__(self, begin: str, shape: Shape, end: str) -> None:
        super().__init__(
            lambda value: f"{begin}{escape(value if isinstance(value, str) else text_of(shape, value))}{end}"
        )
        self._begin = begin
        self._end = end

    def many(self, values: list[Any]) -> list[str]:
        """All of them escaped as one text."""
        try:
            joined = escape(_NUL.join(values))
        except TypeError:  # not all of them are texts
            return super().many(values)
        written = f"{self._begin}{joined.replace(_NUL, f'{self._end}{_NUL}{self._begin}')}{self._end}".split(_NUL)
        return written if len(written) == len(values) else super().many(values)


class _Items(Writer):
    def __init__(self, item: Writer) -> None:
        super().__init__(self._one)
        self._item = item

    def _one(self, value: list[Any]) -> str:
        if len(value) < _MANY:
            return "".join([self._item.one(item) for item in value])
        return "".join(self._item.many(value))

    def many(self, values: list[Any]) -> list[str]:
        items = [item for value in values for item in value]
        written = iter(self._item.many(items) if items else ())
        return ["".join(islice(written, len(value))) for value in values]


class _Structure(Writer):
    """The members' writers are found at the first use: a shape may hold itself."""

    def __init__(self, encoder: Encoder, name: str, shape: Shape, attributes: str) -> None:
        super().__init__(self._one)
        self._encoder = encoder
        self._begin = f"<{name}{attributes}"
        self._shape = shape
        self._end = f"</{name}>"

    @cached_property
    def _members(self) -> list[tuple[str, Writer, Write]]:
        found = [
            (name, self._encoder.member(_wire(name, member), member))
            for name, member in self._shape.members.items()
            if "location" not in member.serialization and not member.serialization.get("xmlAttribute")
        ]
        return [(name, writer, writer.one) for name, writer in found]

    @cached_property
    def _marks(self) -> list[tuple[str, str]]:
        """Members that are attributes."""
        members = self._shape.members.items()
        return [(name, _wire(name, member)) for name, member in members if member.serialization.get("xmlAttribute")]

    def _one(self, value: Any) -> str:
        begin = self._begin
        for name, wire in self._marks:
            if value.get(name) is not None:
                begin += f' xmlns:xsi="{_XSI}" {wire}="{escape(value[name])}"'
        find = value.get
        inner = "".join([write(item) for name, _, write in self._members if (item := find(name)) is not None])
        return f"{begin}>{inner}{self._end}"

    def many(self, values: list[Any]) -> list[str]:
        """Member by member, where all have the same."""
        names = list(values[0])
        if self._marks or any(list(value) != names for value in values):
            return super().many(values)
        columns = []
        for name, writer, _ in self._members:
            if name in names:
                column = [value[name] for value in values]
                if None in column:
                    return super().many(values)
                columns.append(writer.many(column))
        if not columns:
            return super().many(values)
        begin, end = f"{self._begin}>", self._end
        return [f"{begin}{''.join(row)}{end}" for row in zip(*columns, strict=True)]


def _wire(name: str, member: Shape) -> str:
    return str(member.serialization.get("name", name))


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
