"""Attribute values: what DynamoDB accepts, how large it is, and how two of them compare.

Sizes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Any

from pileus.services.dynamodb import numbers
from pileus.services.dynamodb.errors import DuplicatesError, invalid_parameters, serialization, validation

Value = dict[str, Any]
Item = dict[str, Value]

MAX_ITEM_SIZE = 400 * 1024
_MAX_DEPTH = 32
_MANY_TYPES = (
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
)
_NO_TYPE = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
_TYPES = frozenset(("S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL"))
_MODEL = "com.amazonaws.dynamodb.v20120810"


def check_item(item: Any) -> int:
    """The size of these attributes. Raises AWSError for what DynamoDB does not accept; writes numbers canonically."""
    if type(item) is not dict:
        raise _wrong_type(item, f"java.util.Map<java.lang.String, {_MODEL}.AttributeValue>")
    total = 0
    for name, value in item.items():
        total += len(name) if name.isascii() else len(name.encode())
        total += check(value)
    if "" in item:
        check_name("")
    return total


def check_name(name: str) -> None:
    if not name:
        raise invalid_parameters("Empty attribute name")


def check(value: Any, depth: int = 1) -> int:
    """The size of one attribute value, checked like check_item does."""
    if type(value) is not dict:
        raise _not_a_value(value)
    if len(value) != 1:
        return _check_several(value, depth)
    for kind, content in value.items():
        if kind == "S":
            if type(content) is not str:
                raise _not_a("String", content)
            return len(content) if content.isascii() else len(content.encode())
        if kind == "N":
            if type(content) is not str:
                raise _not_a("String", content)
            value["N"] = number = numbers.canonical(content)
            return numbers.size(number)
        return _CHECKS[kind](value, depth) if kind in _CHECKS else _unknown(value)
    raise AssertionError("unreachable")


def _check_several(value: Value, depth: int) -> int:
    present = {kind: content for kind, content in value.items() if kind in _TYPES and content is not None}
    if not present:
        raise validation(_NO_TYPE)
    size = 0
    for kind, content in present.items():
        size = check({kind: content}, depth)
    if len(present) > 1:
        raise validation(_MANY_TYPES)
    # Fields that the model does not know are dropped, as everywhere in AWS's JSON protocols.
    value.clear()
    value.update(present)
    return check(value, depth) or size


def _unknown(value: Value) -> int:
    raise validation(_NO_TYPE)


def _check_binary(value: Value, depth: int) -> int:
    return len(_binary(value["B"]))


def _check_bool(value: Value, depth: int) -> int:
    content = value["BOOL"]
    if type(content) is not bool:
        if content is None:
            raise validation(_NO_TYPE)
        value["BOOL"] = _boolean(content)
    return 1


def _check_null(value: Value, depth: int) -> int:
    content = value["NULL"]
    if type(content) is not bool:
        if content is None:
            raise validation(_NO_TYPE)
        content = value["NULL"] = _boolean(content)
    if not content:
        raise invalid_parameters("Null attribute value types must have the value of true")
    return 1


def _check_string_set(value: Value, depth: int) -> int:
    content = _list(value["SS"])
    if not content:
        raise invalid_parameters("An string set  may not be empty")
    size = 0
    for element in content:
        if type(element) is not str:
            raise _not_a("String", element)
        size += len(element.encode())
    if len(set(content)) != len(content):
        raise DuplicatesError(content)
    return size


def _check_number_set(value: Value, depth: int) -> int:
    content = _list(value["NS"])
    if not content:
        raise invalid_parameters("An number set  may not be empty")
    for element in content:
        if type(element) is not str:
            raise _not_a("String", element)
    value["NS"] = content = [numbers.canonical(element) for element in content]
    if len(set(content)) != len(content):
        raise validation("Input collection contains duplicates")
    return sum(map(numbers.size, content))


def _check_binary_set(value: Value, depth: int) -> int:
    content = _list(value["BS"])
    if not content:
        raise invalid_parameters("Binary sets should not be empty")
    size = sum(len(_binary(element)) for element in content)
    if len(set(content)) != len(content):
        raise invalid_parameters(f"Input collection [{', '.join(content)}]of type BS contains duplicates.")
    return size


def _check_map(value: Value, depth: int) -> int:
    content = value["M"]
    if type(content) is not dict:
        if content is None:
            raise validation(_NO_TYPE)
        raise _wrong_type(content, f"java.util.Map<java.lang.String, {_MODEL}.AttributeValue>")
    depth = _deeper(depth)
    size = 3
    for name, element in content.items():
        size += 1 + (len(name) if name.isascii() else len(name.encode())) + check(element, depth)
    return size


def _check_list(value: Value, depth: int) -> int:
    content = _list(value["L"])
    depth = _deeper(depth)
    size = 3
    for element in content:
        size += 1 + check(element, depth)
    return size


def _deeper(depth: int) -> int:
    if depth >= _MAX_DEPTH:
        raise validation(
            "Nesting Levels have exceeded supported limits: "
            "Attributes in the item have nested levels beyond supported limit"
        )
    return depth + 1


_CHECKS = {
    "B": _check_binary,
    "BOOL": _check_bool,
    "NULL": _check_null,
    "SS": _check_string_set,
    "NS": _check_number_set,
    "BS": _check_binary_set,
    "M": _check_map,
    "L": _check_list,
}


def _list(content: Any) -> list[Any]:
    if type(content) is list:
        return content
    if content is None:
        raise validation(_NO_TYPE)
    if type(content) is dict:
        raise serialization("Start of structure or map found where not expected")
    raise serialization("Unexpected field type")


def _binary(content: Any) -> bytes:
    if type(content) is not str:
        if content is None:
            raise validation(_NO_TYPE)
        if type(content) is list:
            raise serialization("Unrecognized collection type class java.nio.ByteBuffer")
        if type(content) is dict:
            raise serialization("Start of structure or map found where not expected")
        raise serialization("only base-64-encoded strings are convertible to bytes")
    try:
        decoded = binascii.a2b_base64(content, strict_mode=True) if content else b""
    except (binascii.Error, ValueError):
        if len(content) % 4:
            message = f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(content)}"
            raise serialization(message) from None
        raise serialization("Invalid last non-pad Base64 character dectected") from None
    if content.endswith("=") and b64encode(decoded).decode() != content:
        raise serialization("Invalid last non-pad Base64 character dectected")
    return decoded


def _boolean(content: Any) -> bool:
    """Strings that Java's parser takes for booleans are taken here too."""
    if type(content) is str:
        if content.upper() in ("TRUE", "1", "YES"):
            return True
        if content.upper() in ("FALSE", "0", "NO"):
            return False
        raise serialization("Unexpected token received from parser")
    raise _not_a("Boolean", content)


def _not_a(kind: str, content: Any) -> Exception:
    """The parser's own words for a JSON value of another kind than the model has."""
    if content is None:
        return validation(_NO_TYPE)
    if type(content) is bool:
        return serialization(f"{'TRUE' if content else 'FALSE'}_VALUE cannot be converted to {kind}")
    if type(content) is int:
        return serialization(f"NUMBER_VALUE cannot be converted to {kind}")
    if type(content) is float:
        return serialization(f"DECIMAL_VALUE cannot be converted to {kind}")
    if type(content) is list:
        return serialization(f"Unrecognized collection type class java.lang.{kind}")
    return serialization("Start of structure or map found where not expected")


def _not_a_value(value: Any) -> Exception:
    if value is None:
        return validation(_NO_TYPE)
    if type(value) is list:
        return serialization(f"Unrecognized collection type class {_MODEL}.AttributeValue")
    return serialization("Unexpected value type in payload")


def _wrong_type(value: Any, kind: str) -> Exception:
    if type(value) is list:
        return serialization(f"Unrecognized collection type {kind}")
    return serialization("Unexpected field type")


def type_of(value: Value) -> str:
    return next(iter(value))


def size_of(value: Value) -> int:
    """The size of a value that was checked before."""
    for kind, content in value.items():
        if kind == "S":
            return len(content) if content.isascii() else len(content.encode())
        if kind == "N":
            return numbers.size(content)
        if kind == "B":
            return int(len(content) * 3 // 4 - content.count("=", -2))
        if kind == "SS":
            return sum(len(element.encode()) for element in content)
        if kind == "NS":
            return sum(map(numbers.size, content))
        if kind == "BS":
            return sum(len(element) * 3 // 4 - element.count("=", -2) for element in content)
        if kind == "M":
            return 3 + sum(1 + len(name.encode()) + size_of(element) for name, element in content.items())
        if kind == "L":
            return 3 + sum(1 + size_of(element) for element in content)
    return 1


def item_size(item: Item) -> int:
    return sum(len(name.encode()) + size_of(value) for name, value in item.items())


def equal(left: Value, right: Value) -> bool:
    """Sets have no order; everything else is equal when it is written equally, numbers being canonical."""
    if left == right:
        return True
    kind = next(iter(left))
    if kind not in right:
        return False
    a, b = left[kind], right[kind]
    if kind in ("SS", "NS", "BS"):
        return len(a) == len(b) and set(a) == set(b)
    if kind == "L":
        return len(a) == len(b) and all(map(equal, a, b))
    if kind == "M":
        return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
    return False


def sort_value(value: Value) -> tuple[str, Any] | None:
    """What orders a scalar among its kind: strings by their UTF-8 bytes (which is code point order), numbers by
    value, binaries by their bytes. None for the types that have no order."""
    for kind, content in value.items():
        if kind == "S":
            return kind, content
        if kind == "N":
            return kind, numbers.decimal(content)
        if kind == "B":
            return kind, b64decode(content)
    return None
