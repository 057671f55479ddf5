"""The model's constraints in AWS's words, for requests that break them.

"1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater
than or equal to 3" is what services built on Coral answer; several are joined by "; ".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.model import Shape

from pileus.gateway.protocols.convert import pattern_of

_LONGEST_VALUE = 1024


def explain(shape: Shape, value: Any, opaque: frozenset[str]) -> list[str]:
    """All faults of `value`, as the converters take it."""
    faults: list[str] = []
    _check(shape, value, "", faults, opaque)
    return faults or ["The request does not satisfy the service's model"]


def _check(shape: Shape, value: Any, path: str, faults: list[str], opaque: frozenset[str]) -> None:
    if shape.name in opaque or getattr(shape, "is_document_type", False):
        return
    limits = shape.metadata
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            return
        for name in shape.required_members:
            if value.get(name) is None:
                faults.append(
                    f"Value null at '{_join(path, _lower(name))}' failed to satisfy constraint: Member must not be null"
                )
        for name, member in shape.members.items():
            if value.get(name) is not None:
                _check(member, value[name], _join(path, _lower(name)), faults, opaque)
    elif shape.type_name == "list":
        _fail(value, path, _length(len(value), limits), faults)
        if _is_scalar(shape.member):
            _check_all(shape.member, value, value, path, "Member", faults, opaque)
        else:
            for index, item in enumerate(value, 1):
                _check(shape.member, item, f"{path}.{index}.member", faults, opaque)
    elif shape.type_name == "map":
        _fail(value, path, _length(len(value), limits), faults)
        _check_all(shape.key, value, value, path, "Map keys", faults, opaque)
        items = {key: item for key, item in value.items() if item is not None}
        if _is_scalar(shape.value):
            _check_all(shape.value, value, items.values(), path, "Map value", faults, opaque)
        elif shape.value.type_name == "list" and not all(
            holds for item in items.values() for _, holds in _length(len(item), shape.value.metadata)
        ):
            texts = ", ".join(text for text, _ in _length(0, shape.value.metadata))
            _fail(value, path, [(f"Map value must satisfy constraint: [{texts}]", False)], faults)
        else:
            for key, item in items.items():
                _check(shape.value, item, f"{path}.{key}.member", faults, opaque)
    else:
        _fail("<binary>" if shape.type_name == "blob" else value, path, _constraints(shape, value), faults)


def _check_all(
    shape: Shape, collection: Any, items: Iterable[Any], path: str, who: str, faults: list[str], opaque: frozenset[str]
) -> None:
    """What is wrong with one scalar of a collection is said of the whole, with all that its members are held to:
    recorded of several services."""
    if shape.name in opaque:
        return
    for item in items:
        constraints = _constraints(shape, item)
        if not all(holds for _, holds in constraints):
            texts = ", ".join(text for text, _ in sorted(constraints, key=lambda each: "pattern" in each[0]))
            _fail(collection, path, [(f"{who} must satisfy constraint: [{texts}]", False)], faults)
            return


def _is_scalar(shape: Shape) -> bool:
    return shape.type_name not in ("structure", "list", "map")


def _constraints(shape: Shape, value: Any) -> list[tuple[str, bool]]:
    """A scalar's, and whether the value holds them."""
    limits = shape.metadata
    found: list[tuple[str, bool]] = []
    if shape.type_name == "string":
        choices = getattr(shape, "enum", None)
        if choices:
            found.append((f"Member must satisfy enum value set: [{', '.join(choices)}]", value in choices))
        pattern = pattern_of(limits)
        if pattern is not None:
            text = f"Member must satisfy regular expression pattern: {limits['pattern']}"
            found.append((text, pattern.fullmatch(value) is not None))
        found += _length(len(value), limits)
    elif shape.type_name == "blob" and isinstance(value, bytes | str):
        found += _length(len(value), limits)
    elif shape.type_name in ("integer", "long", "double", "float"):
        if "max" in limits:
            text = f"Member must have value less than or equal to {limits['max']}"
            found.append((text, value <= limits["max"]))
        if "min" in limits:
            text = f"Member must have value greater than or equal to {limits['min']}"
            found.append((text, value >= limits["min"]))
    return found


def _length(length: int, limits: dict[str, Any]) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    if "max" in limits:
        found.append((f"Member must have length less than or equal to {limits['max']}", length <= limits["max"]))
    if "min" in limits:
        found.append((f"Member must have length greater than or equal to {limits['min']}", length >= limits["min"]))
    return found


def _fail(value: Any, path: str, constraints: list[tuple[str, bool]], faults: list[str]) -> None:
    faults += (
        f"Value '{show(value)}' at '{path}' failed to satisfy constraint: {text}"
        for text, holds in constraints
        if not holds
    )


def show(value: Any, room: int = _LONGEST_VALUE) -> str:
    """As Java prints it, in so many characters and brackets."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show(item, room) for item in value)[:room] + "]"
    if isinstance(value, dict):
        shown = (f"{key}={show(item, max(room - len(key) - 3, 0))}" for key, item in value.items())
        return "{" + ", ".join(shown)[:room] + "}"
    return str(value)[:room]


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
