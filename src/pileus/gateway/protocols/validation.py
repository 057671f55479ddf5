"""The model's constraints in AWS's words, for requests that break them.

"1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater
than or equal to 3" is what services built on Coral answer; several are joined by "; ".
"""

from __future__ import annotations

from typing import Any

from botocore.model import Shape

from pileus.gateway.protocols.convert import pattern_of

_LONGEST_VALUE = 1024


def explain(shape: Shape, value: Any, opaque: frozenset[str]) -> str:
    """All faults of `value` (as the converters take it) in one message."""
    faults: list[str] = []
    _check(shape, value, "", faults, opaque)
    if not faults:
        faults.append("The request does not satisfy the service's model")
    return f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected: " + "; ".join(faults)


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
        _length(value, len(value), limits, path, faults)
        for index, item in enumerate(value, 1):
            _check(shape.member, item, f"{path}.{index}.member", faults, opaque)
    elif shape.type_name == "map":
        _length(value, len(value), limits, path, faults)
        for key, item in value.items():
            _check(shape.key, key, path, faults, opaque)
            if item is not None:
                _check(shape.value, item, f"{path}.{key}.member", faults, opaque)
    elif shape.type_name == "string":
        choices = getattr(shape, "enum", None)
        if choices and value not in choices:
            _fault(value, path, f"Member must satisfy enum value set: [{', '.join(choices)}]", faults)
        pattern = pattern_of(limits)
        if pattern is not None and not pattern.fullmatch(value):
            _fault(value, path, f"Member must satisfy regular expression pattern: {limits['pattern']}", faults)
        _length(value, len(value), limits, path, faults)
    elif shape.type_name == "blob" and isinstance(value, bytes | str):
        _length("<binary>", len(value), limits, path, faults)
    elif shape.type_name in ("integer", "long", "double", "float"):
        if "max" in limits and value > limits["max"]:
            _fault(value, path, f"Member must have value less than or equal to {limits['max']}", faults)
        if "min" in limits and value < limits["min"]:
            _fault(value, path, f"Member must have value greater than or equal to {limits['min']}", faults)


def _length(value: Any, length: int, limits: dict[str, Any], path: str, faults: list[str]) -> None:
    if "max" in limits and length > limits["max"]:
        _fault(value, path, f"Member must have length less than or equal to {limits['max']}", faults)
    if "min" in limits and length < limits["min"]:
        _fault(value, path, f"Member must have length greater than or equal to {limits['min']}", faults)


def _fault(value: Any, path: str, constraint: str, faults: list[str]) -> None:
    faults.append(f"Value '{show(value)}' at '{path}' failed to satisfy constraint: {constraint}")


def show(value: Any) -> str:
    """As Java prints it."""
    if isinstance(value, list | tuple):
        text = "[" + ", ".join(show(item) for item in value) + "]"
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key}={show(item)}" for key, item in value.items()) + "}"
    else:
        text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE]


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
