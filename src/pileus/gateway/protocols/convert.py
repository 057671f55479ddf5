"""Converters compiled from the model's shapes: what JSON, or a caller in process, gives becomes what operations take.

A converter takes one value and answers it in botocore's shapes. It raises `WrongTypeError` for a value of another type
and `InvalidError` at the first constraint that does not hold; `validation.explain` then words all of them, so that
requests which are right pay for no wording. `encoder` is the way back.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

Converter = Callable[[Any], Any]


class WrongTypeError(Exception):
    """The wire holds another type than the model: the protocol's SerializationException."""


class InvalidError(Exception):
    """A constraint of the model does not hold."""


class _Compiled:
    """Converters by their shapes' names, each compiled at its first use."""

    def __init__(self, opaque: frozenset[str]) -> None:
        self._opaque = opaque
        self._made: dict[str, Converter] = {}

    def of(self, shape: Shape) -> Converter:
        made = self._made.get(shape.name)
        if made is None:
            # A structure may hold itself: what it holds meanwhile looks the finished one up.
            self._made[shape.name] = lambda value: self._made[shape.name](value)
            # `document` structures hold any JSON.
            any_json = shape.name in self._opaque or getattr(shape, "is_document_type", False)
            made = self._made[shape.name] = _as_it_is if any_json else self._compile(shape)
        return made

    def _compile(self, shape: Shape) -> Converter:
        raise NotImplementedError


class Converters(_Compiled):
    """The converters of one service. `opaque` shapes pass as they came."""

    def __init__(self, opaque: frozenset[str] = frozenset(), *, constraints: bool = True) -> None:
        super().__init__(opaque)
        self._constraints = constraints

    def _compile(self, shape: Shape) -> Converter:
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape)
        if kind == "list":
            return self._list(shape)
        if kind == "map":
            return self._map(shape)
        limits = shape.metadata if self._constraints else {}
        if kind == "string":
            return _string(shape, limits)
        if kind in ("integer", "long"):
            return _number(_INTEGER, limits)
        if kind in ("double", "float"):
            return _number(_FLOAT, limits)
        return {"boolean": _boolean, "timestamp": timestamp, "blob": _blob(limits)}.get(kind, _as_it_is)

    def _structure(self, shape: StructureShape) -> Converter:
        members = {name: (name, self.of(member)) for name, member in shape.members.items()}
        for name, member in shape.members.items():
            if "location" not in member.serialization:
                members.setdefault(member.serialization.get("name", name), members[name])
        required = tuple(shape.required_members) if self._constraints else ()

        def convert(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise WrongTypeError(unexpected(value))
            out = {}
            for name, item in value.items():
                if item is not None:
                    member = members.get(name)
                    if member is not None:
                        out[member[0]] = member[1](item)
            for name in required:
                if name not in out:
                    raise InvalidError
            return out

        return convert

    def _list(self, shape: ListShape) -> Converter:
        item = self.of(shape.member)
        low, high = _bounds(shape.metadata if self._constraints else {})

        def convert(value: Any) -> list[Any]:
            if not isinstance(value, list | tuple):
                raise WrongTypeError(unexpected(value))
            if not low <= len(value) <= high:
                raise InvalidError
            return [item(element) for element in value]

        return convert

    def _map(self, shape: MapShape) -> Converter:
        key, item = self.of(shape.key), self.of(shape.value)
        low, high = _bounds(shape.metadata if self._constraints else {})

        def convert(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise WrongTypeError(unexpected(value))
            if not low <= len(value) <= high:
                raise InvalidError
            return {key(name): item(element) for name, element in value.items() if element is not None}

        return convert


_NO_LIMIT = float("inf")


def _bounds(limits: dict[str, Any]) -> tuple[float, float]:
    return limits.get("min", 0), limits.get("max", _NO_LIMIT)


def _as_it_is(value: Any) -> Any:
    return value


# Unicode's categories as Python writes them inside a class. Letters come with digits and the underscore: the models
# never name the first without the others.
_CATEGORIES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}


def pattern_of(limits: dict[str, Any]) -> re.Pattern[str] | None:
    """The model's pattern, where Python can read it (they are written for Java)."""
    text = limits.get("pattern")
    if not text:
        return None
    try:
        for name, characters in _CATEGORIES.items():
            text = text.replace(name, characters)
        return re.compile(text)
    except re.error:
        return None


def _string(shape: Shape, limits: dict[str, Any]) -> Converter:
    low, high = _bounds(limits)
    choices = frozenset(getattr(shape, "enum", ()) or ()) if limits else frozenset()
    matcher = pattern_of(limits)
    if low == 0 and high == _NO_LIMIT and not choices and matcher is None:
        return _plain_string

    def convert(value: Any) -> str:
        if type(value) is not str:
            raise WrongTypeError(cannot_convert(value, "String"))
        if not low <= len(value) <= high or (choices and value not in choices):
            raise InvalidError
        if matcher is not None and not matcher.fullmatch(value):
            raise InvalidError
        return value

    return convert


def _plain_string(value: Any) -> str:
    if type(value) is not str:
        raise WrongTypeError(cannot_convert(value, "String"))
    return value


_INTEGER, _FLOAT = (int,), (int, float)


def _number(types: tuple[type, ...], limits: dict[str, Any]) -> Converter:
    low, high = limits.get("min", -_NO_LIMIT), limits.get("max", _NO_LIMIT)
    name = "Integer" if types is _INTEGER else "Double"

    def convert(value: Any) -> Any:
        if type(value) not in types:
            if type(value) is float and value.is_integer():
                value = int(value)
            else:
                raise WrongTypeError(cannot_convert(value, name))
        if not low <= value <= high:
            raise InvalidError
        return value

    return convert


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise WrongTypeError(cannot_convert(value, "Boolean"))
    return value


def timestamp(value: Any) -> datetime:
    """From seconds since the epoch, ISO 8601, an HTTP date (RFC 9110, 5.6.7), or already converted."""
    if isinstance(value, datetime):
        return value
    try:
        if type(value) in (int, float):
            return datetime.fromtimestamp(value, UTC)
        if type(value) is str:
            return _from_text(value.strip())
    except (ValueError, OverflowError, OSError):
        pass
    raise WrongTypeError(cannot_convert(value, "Timestamp"))


_HTTP_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S +0000", "%A, %d-%b-%y %H:%M:%S GMT")


def _from_text(text: str) -> datetime:
    """Raises ValueError."""
    if text[:1].isdigit():
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    for form in _HTTP_DATES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ValueError(text)


def _blob(limits: dict[str, Any]) -> Converter:
    low, high = _bounds(limits)

    def convert(value: Any) -> Any:
        if type(value) is str:
            try:
                value = base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError) as error:
                raise WrongTypeError("The value is not valid base64.") from error
        elif isinstance(value, bytes):
            pass
        elif hasattr(value, "__aiter__"):
            return value  # a streaming body
        else:
            raise WrongTypeError(cannot_convert(value, "Blob"))
        if not low <= len(value) <= high:
            raise InvalidError
        return value

    return convert


_WIRE_NAMES = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE"}


def cannot_convert(value: Any, target: str) -> str:
    if isinstance(value, dict | list):
        return unexpected(value)
    if isinstance(value, bool):
        return f"{'TRUE' if value else 'FALSE'}_VALUE cannot be converted to {target}"
    return f"{_WIRE_NAMES.get(type(value), 'VALUE')} cannot be converted to {target}"


def unexpected(value: Any) -> str:
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    if isinstance(value, list):
        return "Start of list found where not expected"
    return "Unexpected field type"


class Encoders(_Compiled):
    """From operations' answers to JSON's types: blobs to base64, timestamps to seconds; members the model does not have
    stay behind. `opaque` shapes go out as they are."""

    def __init__(self, opaque: frozenset[str] = frozenset()) -> None:
        super().__init__(opaque)

    def _compile(self, shape: Shape) -> Converter:
        kind = shape.type_name
        if kind == "structure":
            # A member may have another name on the wire (rest-json's locationName).
            members = {
                name: (member.serialization.get("name", name), self.of(member))
                for name, member in shape.members.items()
            }

            def structure(value: Any) -> dict[str, Any]:
                out = {}
                for name, item in value.items():
                    found = members.get(name)
                    if found is not None and item is not None:
                        out[found[0]] = found[1](item)
                return out

            return structure
        if kind == "list":
            element = self.of(shape.member)
            return _as_it_is if element is _as_it_is else lambda value: [element(item) for item in value]
        if kind == "map":
            inner = self.of(shape.value)
            if inner is _as_it_is:
                return inner
            return lambda value: {key: inner(item) for key, item in value.items()}
        if kind == "timestamp":
            written = shape.serialization.get("timestampFormat", "unixTimestamp")
            return lambda value: format_timestamp(value, written)
        if kind == "blob":
            return lambda value: base64.b64encode(value).decode()
        return _as_it_is


@lru_cache(maxsize=4096)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


def format_timestamp(value: datetime, written: str) -> float | int | str:
    if written == "iso8601":
        moment = value if value.tzinfo is UTC else value.astimezone(UTC)
        text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
        return f"{text[:-6]}Z"
    if written == "rfc822":
        return _http_date(int(value.timestamp() // 1))
    seconds = round(value.timestamp(), 3)
    return int(seconds) if seconds.is_integer() else seconds
