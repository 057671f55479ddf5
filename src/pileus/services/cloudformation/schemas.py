"""What may stand in a resource's properties: a small language of shapes, and `fit`, which holds values against it.

A schema is `str`, `int`, `float`, `bool`, JSON (a document left as it is), `[schema]`, `{"Name": schema}`,
`Map(schema)` or `Model(...)`, the shape that an API operation takes under the same names, read from botocore's models.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import botocore.model

from pileus.aws.model import operation_model
from pileus.services.cloudformation.documents import Path, TemplateError
from pileus.services.cloudformation.intrinsics import function_of, text


class _Json:
    """A document that the service itself checks, such as a policy."""


JSON = _Json()


class Map(NamedTuple):
    """Any names, each with a value of one schema."""

    value: Any


class Model(NamedTuple):
    """The member of an operation's input at the path `member` (`CreateTable`, `KeySchema`)."""

    service: str
    operation: str
    member: str


def members(service: str, operation: str, names: Iterable[str]) -> dict[str, Any]:
    """Schemas of properties that are called as the operation calls them."""
    return {name: Model(service, operation, name) for name in names}


def fit(value: Any, schema: Any, path: Path) -> Any:
    """`value` with scalars of the types that the schema asks for. Calls of functions are left alone, so that a
    template can be held against the schema before its values are known. Raises TemplateError where it does not fit."""
    if function_of(value) is not None:
        return value
    if isinstance(schema, Model):
        return _fit_shape(value, _shape(schema), path)
    if schema is JSON:
        return value
    if schema in (str, int, float, bool):
        return _scalar(value, schema, path)
    if isinstance(schema, list):
        return [fit(item, schema[0], (*path, index)) for index, item in enumerate(_list(value, path))]
    if isinstance(schema, Map):
        return {key: fit(item, schema.value, (*path, key)) for key, item in _object(value, path).items()}
    return _structure(value, schema, path)


def _structure(value: Any, schema: dict[str, Any], path: Path) -> dict[str, Any]:
    for key in _object(value, path):
        if key not in schema:
            raise TemplateError(f"Encountered unsupported property {key}", (*path, key))
    return {key: fit(item, schema[key], (*path, key)) for key, item in value.items()}


def _fit_shape(value: Any, shape: botocore.model.Shape, path: Path) -> Any:
    if function_of(value) is not None:
        return value
    if isinstance(shape, botocore.model.StructureShape):
        for key in _object(value, path):
            if key not in shape.members:
                raise TemplateError(f"Encountered unsupported property {key}", (*path, key))
        return {key: _fit_shape(item, shape.members[key], (*path, key)) for key, item in value.items()}
    if isinstance(shape, botocore.model.ListShape):
        return [_fit_shape(item, shape.member, (*path, index)) for index, item in enumerate(_list(value, path))]
    if isinstance(shape, botocore.model.MapShape):
        return {key: _fit_shape(item, shape.value, (*path, key)) for key, item in _object(value, path).items()}
    return _scalar(value, _SCALARS.get(shape.type_name, str), path)


_SCALARS: dict[str, type] = {"integer": int, "long": int, "float": float, "double": float, "boolean": bool}


def _scalar(value: Any, kind: type, path: Path) -> Any:
    """CloudFormation takes "5" for 5 and "true" for true, and the other way about."""
    if isinstance(value, list) or value is None or (isinstance(value, dict) and kind is not str):
        raise TemplateError(f"Value of property {path[-1]} must be of type {_NAMES[kind]}", path)
    if kind is str:
        return json.dumps(value) if isinstance(value, dict) else text(value)
    written = text(value).strip()
    if kind is bool:
        if written.lower() in ("true", "false"):
            return written.lower() == "true"
    else:
        try:
            return kind(written)
        except ValueError:
            pass
    raise TemplateError(f"Value of property {path[-1]} must be of type {_NAMES[kind]}", path)


_NAMES = {str: "String", int: "Integer", float: "Number", bool: "Boolean"}


def _list(value: Any, path: Path) -> list[Any]:
    if not isinstance(value, list):
        raise TemplateError(f"Value of property {path[-1]} must be of type List", path)
    return value


def _object(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TemplateError(f"Value of property {path[-1]} must be an object", path)
    return value


@cache
def _shape(model: Model) -> botocore.model.Shape:
    shape = operation_model(model.service, model.operation).input_shape
    for name in model.member.split("."):
        shape = shape.members[name]
    return shape
