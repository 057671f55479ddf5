"""A template's sections, in the shape that they must have before anything in them is looked at.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pileus.services.cloudformation import parameters
from pileus.services.cloudformation.documents import Path, TemplateError
from pileus.services.cloudformation.intrinsics import LANGUAGE_EXTENSIONS, function_of

SERVERLESS = "AWS::Serverless-2016-10-31"
EXTENSIONS = "AWS::LanguageExtensions"
TRANSFORMS = frozenset({SERVERLESS, EXTENSIONS})
MAX_BODY = 51_200
MAX_STORED_BODY = 1_048_576
_PLAIN = frozenset({"AWSTemplateFormatVersion", "Description", "Metadata", "Transform", "Globals"})
_LIMITS = {"Parameters": 200, "Rules": 200, "Mappings": 200, "Conditions": 500, "Resources": 500, "Outputs": 200}
"""The sections that hold things by name, and how many at most."""
_LOGICAL_ID = re.compile(r"[A-Za-z0-9]{1,255}")


@dataclass(frozen=True)
class Template:
    """Made by `read`: every section has its shape."""

    body: Mapping[str, Any]

    def section(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.body.get(name) or {}
        return found

    @property
    def description(self) -> str:
        return str(self.body.get("Description") or "")

    @property
    def transforms(self) -> list[str]:
        declared = self.body.get("Transform") or []
        return declared if isinstance(declared, list) else [declared]

    def resource_types(self) -> list[str]:
        return sorted({resource["Type"] for resource in self.section("Resources").values()})


def read(value: Any) -> Template:
    """Raises TemplateError where `value` does not have the shape of a template. Types and references are another
    question, `template.check`, for when transforms are done."""
    if not isinstance(value, dict):
        raise TemplateError("Template format error: unsupported structure.", ())
    for name, content in value.items():
        if name in _LIMITS:
            _check_section(name, content)
        elif name not in _PLAIN:
            raise TemplateError(f"Invalid template property or properties [{name}]", (name,))
    _check_head(value)
    parameters.check_declarations(value.get("Parameters", {}))
    if not value.get("Resources"):
        raise TemplateError("Template format error: At least one Resources member must be defined.", ("Resources",))
    for name, content in value["Resources"].items():
        _check_resource(name, content)
    for name, content in value.get("Conditions", {}).items():
        _want(isinstance(content, dict), "must be an object", ("Conditions", name))
    for name, content in value.get("Rules", {}).items():
        _check_rule(name, content)
    for name, content in value.get("Outputs", {}).items():
        _check_output(name, content)
    for name, content in value.get("Mappings", {}).items():
        shaped = isinstance(content, dict) and all(isinstance(item, dict) for item in content.values())
        _want(shaped, "must be an object of objects", ("Mappings", name))
    return Template(value)


def _want(holds: bool, what: str, path: Path) -> None:
    if not holds:
        raise TemplateError(f"Template format error: [/{'/'.join(map(str, path))}] {what}", path)


def _check_section(name: str, content: Any) -> None:
    _want(content is not None, "'null' values are not allowed in templates", (name,))
    _want(isinstance(content, dict), "must be an object", (name,))
    if len(content) > _LIMITS[name]:
        counted = f"Number of {name.lower()}, {len(content)}, is greater than maximum allowed, {_LIMITS[name]}"
        raise TemplateError(f"Template format error: {counted}", (name,))


def _check_head(value: dict[str, Any]) -> None:
    version = value.get("AWSTemplateFormatVersion", "2010-09-09")
    if version != "2010-09-09":
        said = f"unsupported value for AWSTemplateFormatVersion: {version}."
        raise TemplateError(f"Template format error: {said}", ("AWSTemplateFormatVersion",))
    _want(isinstance(value.get("Description", ""), str), "must be a string", ("Description",))
    _want(isinstance(value.get("Metadata", {}), dict), "must be an object", ("Metadata",))
    transforms = Template(value).transforms
    for transform in transforms:
        if not isinstance(transform, str) or transform not in TRANSFORMS:
            raise TemplateError(f"Pileus does not implement the transform {transform}", ("Transform",))
    if "Globals" in value:
        if SERVERLESS not in transforms:
            raise TemplateError(f"The section Globals needs Transform: {SERVERLESS}", ("Globals",))
        shaped = isinstance(value["Globals"], dict) and all(
            isinstance(item, dict) for item in value["Globals"].values()
        )
        _want(shaped, "must be an object of objects", ("Globals",))


def _check_resource(name: str, resource: Any) -> None:
    path: Path = ("Resources", name)
    if not _LOGICAL_ID.fullmatch(name):
        raise TemplateError(f"Template format error: Resource name {name} is non alphanumeric.", path)
    typed = isinstance(resource, dict) and isinstance(resource.get("Type"), str)
    _want(typed, "Every Resources object must contain a Type member.", path)
    _want(isinstance(resource.get("Properties", {}), dict), "must be an object", (*path, "Properties"))
    _want(isinstance(resource.get("Metadata", {}), dict), "must be an object", (*path, "Metadata"))
    _want(isinstance(resource.get("Condition", ""), str), "must be a condition's name", (*path, "Condition"))
    needed = resource.get("DependsOn", [])
    listed = needed if isinstance(needed, list) else [needed]
    _want(all(isinstance(item, str) for item in listed), "must be the names of resources", (*path, "DependsOn"))


def _check_rule(name: str, rule: Any) -> None:
    path: Path = ("Rules", name)
    assertions = rule.get("Assertions") if isinstance(rule, dict) else None
    shaped = isinstance(assertions, list) and all(
        isinstance(item, dict) and "Assert" in item and isinstance(item.get("AssertDescription", ""), str)
        for item in assertions
    )
    _want(shaped, "must have a list of Assertions", path)
    for key in rule:
        _want(key in ("Assertions", "RuleCondition"), "is no attribute of a rule", (*path, key))


def _check_output(name: str, output: Any) -> None:
    path: Path = ("Outputs", name)
    if not isinstance(output, dict) or "Value" not in output:
        raise TemplateError(f"Template format error: Every Outputs member must contain a Value object ({name})", path)
    for key in output:
        _want(key in ("Value", "Description", "Export", "Condition"), "is no attribute of an output", (*path, key))
    _want(isinstance(output.get("Condition", ""), str), "must be a condition's name", (*path, "Condition"))
    _want(isinstance(output.get("Description", ""), str), "must be a string", (*path, "Description"))
    export = output.get("Export", {"Name": ""})
    shaped = isinstance(export, dict) and set(export) == {"Name"}
    _want(shaped, "must contain a Name and nothing else", (*path, "Export"))


def check_functions(template: Template) -> None:
    """Raises TemplateError for functions that need a transform which the template does not declare."""
    if EXTENSIONS in template.transforms:
        return
    for path, name in _calls(template.body, ()):
        if name in LANGUAGE_EXTENSIONS:
            raise TemplateError(f"Template error: {name} needs Transform: {EXTENSIONS}", path)


def _calls(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    call = function_of(value)
    if call is not None:
        yield path, call[0]
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _calls(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _calls(item, (*path, index))
