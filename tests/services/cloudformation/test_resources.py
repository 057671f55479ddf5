"""Every resource type against AWS's own schema of it, as cfn-lint ships them."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import botocore.model
import pytest

from pileus.services.cloudformation.resources import TYPES
from pileus.services.cloudformation.resources.resource import ResourceType
from pileus.services.cloudformation.schemas import JSON, Map, Model, _shape

_SCHEMAS = Path(str(importlib.util.find_spec("cfnlint").origin)).parent / "data" / "schemas"  # type: ignore[union-attr]

_REPLACED_BY_THE_HANDLER = {
    # The documentation says that these replace the resource, the schema does not.
    ("AWS::DynamoDB::Table", "KeySchema"),
    ("AWS::DynamoDB::Table", "LocalSecondaryIndexes"),
    ("AWS::Logs::LogGroup", "LogGroupClass"),
    ("AWS::Events::Rule", "EventBusName"),
    ("AWS::Scheduler::Schedule", "GroupName"),
}
_DOCUMENTED = {"AWS::SSM::Parameter": {"Type", "Value"}}
"""Attributes that the documentation names and the schema does not."""
_REFUSED = {"AWS::DynamoDB::Table.GlobalSecondaryIndexes.ContributorInsightsSpecification"}
"""What templates may say on AWS and the operation does not take."""


@cache
def _providers() -> dict[str, str]:
    found: dict[str, str] = json.loads((_SCHEMAS / "providers" / "us-east-1.json").read_text())
    return found


def _aws(kind: ResourceType) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_SCHEMAS / "resources" / f"{_providers()[kind.name]}.json").read_text())
    return found


def _top(pointers: list[str]) -> set[str]:
    return {pointer.split("/")[2] for pointer in pointers if pointer.count("/") == 2}


_EACH = pytest.mark.parametrize("kind", TYPES.values(), ids=lambda kind: str(kind.name))


@_EACH
def test_properties_are_those_of_aws(kind: ResourceType) -> None:
    aws = _aws(kind)
    read_only = _top(aws.get("readOnlyProperties", []))
    assert set(kind.properties) <= set(aws["properties"]) - read_only
    _compare({name: kind.properties[name] for name in kind.properties}, aws["properties"], aws, kind.name)


def _compare(own: dict[str, Any], theirs: dict[str, Any], aws: dict[str, Any], where: str) -> None:
    assert set(own) <= set(theirs), where
    for name, schema in own.items():
        _compare_one(schema, theirs[name], aws, f"{where}.{name}")


def _compare_one(own: Any, theirs: dict[str, Any], aws: dict[str, Any], where: str) -> None:
    if "$ref" in theirs:
        theirs = aws["definitions"][theirs["$ref"].rpartition("/")[2]]
    if isinstance(own, list):
        assert theirs["type"] == "array", where
        _compare_one(own[0], theirs["items"], aws, where)
    elif isinstance(own, dict):
        found = dict(theirs.get("properties", {}))
        for choice in theirs.get("oneOf", []):
            found |= choice.get("properties", {})
        _compare(own, found, aws, where)
    elif isinstance(own, Model):
        _compare_shape(_shape(own), theirs, aws, where, 0)
    elif not isinstance(own, Map) and own is not JSON:
        allowed = theirs.get("type", [])
        names = {str: {"string"}, int: {"integer", "number"}, bool: {"boolean"}, float: {"number"}}
        assert names[own] & set([allowed] if isinstance(allowed, str) else allowed), where


def _compare_shape(
    shape: botocore.model.Shape, theirs: dict[str, Any], aws: dict[str, Any], where: str, depth: int
) -> None:
    """The API may have members that templates lack, but where both have one it has to be of one form."""
    if "$ref" in theirs:
        theirs = aws["definitions"][theirs["$ref"].rpartition("/")[2]]
    forms = theirs.get("type", [])
    forms = [forms] if isinstance(forms, str) else forms
    if depth > 6 or not forms:
        return
    if isinstance(shape, botocore.model.ListShape):
        assert "array" in forms, where
        _compare_shape(shape.member, theirs["items"], aws, where, depth + 1)
    elif isinstance(shape, botocore.model.StructureShape):
        assert "object" in forms, where
        for name in theirs.get("properties", {}):
            if f"{where}.{name}" in _REFUSED:
                continue
            assert name in shape.members, f"{where}.{name}: templates have it, the API calls it otherwise"
            _compare_shape(shape.members[name], theirs["properties"][name], aws, f"{where}.{name}", depth + 1)
    elif isinstance(shape, botocore.model.MapShape):
        assert "object" in forms, where


@_EACH
def test_what_replaces_the_resource_is_what_aws_says(kind: ResourceType) -> None:
    create_only = _top(_aws(kind).get("createOnlyProperties", [])) & set(kind.properties)
    more = {name for name in kind.create_only if (kind.name, name) in _REPLACED_BY_THE_HANDLER}
    assert kind.create_only - more == create_only - more


@_EACH
def test_attributes_are_those_of_aws(kind: ResourceType) -> None:
    read_only = _aws(kind).get("readOnlyProperties", [])
    found = {pointer[len("/properties/") :].replace("/", ".") for pointer in read_only}
    assert kind.attributes <= found | _DOCUMENTED.get(kind.name, set())


@_EACH
def test_required_properties_are_asked_for(kind: ResourceType) -> None:
    assert set(_aws(kind).get("required", [])) & set(kind.properties) <= kind.required


@_EACH
def test_tags_are_a_list_of_keys_and_values(kind: ResourceType) -> None:
    if kind.tags:
        assert kind.tags in kind.properties
    tagging = _aws(kind).get("tagging", {})
    if tagging.get("taggable") and not kind.tags:
        assert kind.name in {"AWS::Lambda::EventSourceMapping"}, "the stack's tags do not reach it"
