"""A template: its sections, checked, and what it asks for once its conditions are decided.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pileus.services.cloudformation import graph, parameters
from pileus.services.cloudformation.documents import Path, TemplateError
from pileus.services.cloudformation.intrinsics import (
    LANGUAGE_EXTENSIONS,
    NO_VALUE,
    Reference,
    Scope,
    evaluate,
    function_of,
    prune,
    references,
    text,
)
from pileus.services.cloudformation.resources.resource import ResourceType
from pileus.services.cloudformation.schemas import fit

Types = Mapping[str, ResourceType]

SERVERLESS = "AWS::Serverless-2016-10-31"
EXTENSIONS = "AWS::LanguageExtensions"
TRANSFORMS = frozenset({SERVERLESS, EXTENSIONS})
MAX_BODY = 51_200
MAX_STORED_BODY = 1_048_576
_SECTIONS = {
    "AWSTemplateFormatVersion": None, "Description": None, "Metadata": None, "Transform": None, "Globals": None,
    "Parameters": 200, "Mappings": 200, "Conditions": None, "Resources": 500, "Outputs": 200,
}  # fmt: skip
_RESOURCE_KEYS = frozenset({
    "Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy",
})  # fmt: skip
_POLICIES = {
    "DeletionPolicy": ("Delete", "Retain", "RetainExceptOnCreate"),
    "UpdateReplacePolicy": ("Delete", "Retain"),
}
_UNRESOLVED = "Template format error: Unresolved resource dependencies [{}] in the {} block of the template"
_LOGICAL_ID = re.compile(r"[A-Za-z0-9]{1,255}")


@dataclass(frozen=True)
class Template:
    """The checked sections of a template, as the text had them."""

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


@dataclass(frozen=True)
class Desired:
    """A resource that a stack is to have. Its properties hold no Fn::If any more, other functions still."""

    logical_id: str
    type: str
    properties: dict[str, Any]
    metadata: dict[str, Any]
    requires: tuple[str, ...]
    deletion_policy: str
    update_replace_policy: str


def read(value: Any) -> Template:
    """Raises TemplateError where `value` does not have the shape of a template. Types and references are not looked at:
    that is `check`, once transforms are done."""
    if not isinstance(value, dict):
        raise TemplateError("Template format error: unsupported structure.", ())
    for name, content in value.items():
        if name not in _SECTIONS:
            raise TemplateError(f"Invalid template property or properties [{name}]", (name,))
        limit = _SECTIONS[name]
        if name in ("Parameters", "Mappings", "Conditions", "Resources", "Outputs"):
            if not isinstance(content, dict):
                raise TemplateError(f"Template format error: [/{name}] 'null' values are not allowed" if content is None
                              else f"Template format error: the section {name} must be an object", (name,))  # fmt: skip
            if limit is not None and len(content) > limit:
                raise TemplateError(
                    f"Template format error: Number of {name.lower()}, {len(content)}, "
                    f"is greater than maximum allowed, {limit}",
                    (name,),
                )
    version = value.get("AWSTemplateFormatVersion", "2010-09-09")
    if str(version) != "2010-09-09":
        raise TemplateError(
            f"Template format error: unsupported value for AWSTemplateFormatVersion: {version}.",
            ("AWSTemplateFormatVersion",),
        )
    if not isinstance(value.get("Description", ""), str):
        raise TemplateError("Template format error: Description must be a string", ("Description",))
    parameters.check_declarations(value.get("Parameters") or {})
    if not value.get("Resources"):
        raise TemplateError("Template format error: At least one Resources member must be defined.", ("Resources",))
    for logical_id, resource in value["Resources"].items():
        _read_resource(logical_id, resource)
    template = Template(value)
    for transform in template.transforms:
        if transform not in TRANSFORMS:
            raise TemplateError(f"Pileus does not implement the transform {transform}", ("Transform",))
    if "Globals" in value and SERVERLESS not in template.transforms:
        raise TemplateError(f"The section Globals needs Transform: {SERVERLESS}", ("Globals",))
    return template


def _read_resource(logical_id: str, resource: Any) -> None:
    path = ("Resources", logical_id)
    if not _LOGICAL_ID.fullmatch(str(logical_id)):
        raise TemplateError(f"Template format error: Resource name {logical_id} is non alphanumeric.", path)
    if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
        raise TemplateError(
            f"Template format error: [{'/'.join(path)}] Every Resources object must contain a Type member.", path
        )
    properties = resource.get("Properties", {})
    if not isinstance(properties, dict):
        raise TemplateError(
            f"Template format error: [{'/'.join(path)}/Properties] must be an object", (*path, "Properties")
        )


def check(template: Template, types: Types) -> None:
    """Raises TemplateError for resource types, attributes, properties and references that there are not."""
    resources = template.section("Resources")
    unknown = sorted({resource["Type"] for resource in resources.values()} - set(types))
    if unknown:
        first = next(name for name, resource in resources.items() if resource["Type"] in unknown)
        raise TemplateError(
            f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]", ("Resources", first, "Type")
        )
    conditions = template.section("Conditions")
    for logical_id, resource in resources.items():
        check_resource(template, logical_id, resource, types[resource["Type"]])
    for name, condition in conditions.items():
        _check_references(template, references(condition, ("Conditions", name)), types, within="Conditions")
    for name, output in template.section("Outputs").items():
        _check_output(template, name, output, types)
    for logical_id, resource in resources.items():
        found = references(resource.get("Properties", {}), ("Resources", logical_id, "Properties"))
        _check_references(template, found, types, within="Resources")
    try:
        graph.order(
            {
                name: _requires(resource, resource.get("Properties", {}), resources)
                for name, resource in resources.items()
            }
        )
    except graph.CycleError as error:
        message = f"Circular dependency between resources: [{', '.join(error.members)}]"
        raise TemplateError(message, ("Resources", error.members[0])) from None


def check_resource(template: Template, logical_id: str, resource: dict[str, Any], kind: ResourceType) -> None:
    path: Path = ("Resources", logical_id)
    for key in resource:
        if key not in _RESOURCE_KEYS:
            raise TemplateError(f"Pileus does not implement the attribute {key} of a resource", (*path, key))
    if "Condition" in resource and resource["Condition"] not in template.section("Conditions"):
        raise TemplateError(
            f"Template format error: Unresolved condition dependency {resource['Condition']}", (*path, "Condition")
        )
    for needed in _depends_on(resource):
        if needed not in template.section("Resources"):
            raise TemplateError(
                _UNRESOLVED.format(needed, "Resources"),
                (*path, "DependsOn"),
            )
    properties = resource.get("Properties", {})
    for name in properties:
        if name not in kind.properties:
            raise TemplateError(f"Encountered unsupported property {name} of {kind.name}", (*path, "Properties", name))
    conditional = function_of(properties) is not None
    for name in sorted(kind.required):
        if name not in properties and not conditional:
            raise TemplateError(f"Property {name} of {kind.name} cannot be empty.", (*path, "Properties"))
    if not conditional:
        fit_properties(kind, properties, (*path, "Properties"))


def fit_properties(kind: ResourceType, properties: Mapping[str, Any], path: Path) -> dict[str, Any]:
    return {
        name: fit(value, kind.properties[name], (*path, name))
        for name, value in properties.items()
        if value is not None
    }


def _check_output(template: Template, name: str, output: Any, types: Types) -> None:
    path: Path = ("Outputs", name)
    if not isinstance(output, dict) or "Value" not in output:
        raise TemplateError(f"Template format error: Every Outputs member must contain a Value object ({name})", path)
    for key in output:
        if key not in ("Value", "Description", "Export", "Condition"):
            raise TemplateError(f"Template format error: unknown attribute {key} of an output", (*path, key))
    if "Condition" in output and output["Condition"] not in template.section("Conditions"):
        raise TemplateError(f"Template format error: Unresolved condition dependency {output['Condition']}", path)
    export = output.get("Export")
    if export is not None and (not isinstance(export, dict) or set(export) != {"Name"}):
        raise TemplateError("Template format error: Export must contain a Name and nothing else", (*path, "Export"))
    _check_references(
        template, references({k: v for k, v in output.items() if k != "Condition"}, path), types, within="Outputs"
    )


def _check_references(template: Template, found: Iterable[Reference], types: Types, within: str) -> None:
    resources = template.section("Resources")
    for kind, name, attribute, path in found:
        if kind == "Condition":
            if name not in template.section("Conditions"):
                raise TemplateError(f"Template format error: Unresolved condition dependency {name}", path)
        elif kind == "Fn::FindInMap":
            if name not in template.section("Mappings"):
                raise TemplateError(
                    f"Template error: Mapping named '{name}' is not present in the 'Mappings' section of template.",
                    path,
                )
        elif name in resources and within != "Conditions":
            kind_of = types[resources[name]["Type"]]
            if attribute and attribute not in kind_of.attributes:
                message = f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"
                raise TemplateError(message, path)
        elif attribute is not None:
            raise TemplateError(f"Template error: instance of {kind} references undefined resource {name}", path)
        elif name not in template.section("Parameters"):
            raise TemplateError(
                _UNRESOLVED.format(name, within),
                path,
            )


def check_functions(template: Template) -> None:
    """Raises TemplateError for functions that need a transform which the template does not declare."""
    if EXTENSIONS not in template.transforms:
        for path, name in _calls(template.body, ()):
            if name in LANGUAGE_EXTENSIONS:
                raise TemplateError(f"Template error: {name} needs Transform: {EXTENSIONS}", path)


def _calls(value: Any, path: Path) -> Iterable[tuple[Path, str]]:
    call = function_of(value)
    if call is not None:
        yield path, call[0]
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _calls(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _calls(item, (*path, index))


def desired(template: Template, scope: Scope, types: Types) -> dict[str, Desired]:
    """The resources whose conditions hold, in the order in which they can be made."""
    resources = template.section("Resources")
    active = {name: resource for name, resource in resources.items() if _holds(resource, scope)}
    found = {name: _desire(name, resource, active, resources, scope) for name, resource in active.items()}
    return {name: found[name] for name in graph.order({name: item.requires for name, item in found.items()})}


def _holds(part: Mapping[str, Any], scope: Scope) -> bool:
    return "Condition" not in part or scope.condition(part["Condition"])


def _desire(
    name: str, resource: dict[str, Any], active: Mapping[str, Any], declared: Mapping[str, Any], scope: Scope
) -> Desired:
    path: Path = ("Resources", name)
    properties = prune(resource.get("Properties", {}), scope, (*path, "Properties"))
    properties = {} if properties is NO_VALUE else properties
    requires = _requires(resource, properties, declared)
    for found in references(properties, (*path, "Properties")):
        if found.name in declared and found.name not in active:
            raise TemplateError(
                _UNRESOLVED.format(found.name, "Resources"),
                found.path,
            )
    policies = {key: _policy(key, resource, scope, path) for key in _POLICIES}
    return Desired(
        name, resource["Type"], properties, resource.get("Metadata") or {},
        tuple(sorted(need for need in requires if need in active)),
        policies["DeletionPolicy"], policies["UpdateReplacePolicy"],
    )  # fmt: skip


def _policy(key: str, resource: Mapping[str, Any], scope: Scope, path: Path) -> str:
    value = evaluate(resource.get(key, "Delete"), scope, (*path, key))
    if value is NO_VALUE:
        return "Delete"
    if value not in _POLICIES[key]:
        raise TemplateError(
            f"Template error: Unrecognized {key} {value}. Allowed: {', '.join(_POLICIES[key])}", (*path, key)
        )
    return str(value)


def _depends_on(resource: Mapping[str, Any]) -> list[str]:
    declared = resource.get("DependsOn", [])
    return declared if isinstance(declared, list) else [declared]


def _requires(resource: Mapping[str, Any], properties: Any, declared: Mapping[str, Any]) -> set[str]:
    return {item.name for item in references(properties) if item.kind != "Condition" and item.name in declared} | set(
        _depends_on(resource)
    )


def outputs(template: Template, scope: Scope) -> list[dict[str, str]]:
    """Name, value, description and export name of every output whose condition holds."""
    made: list[dict[str, str]] = []
    for name, output in template.section("Outputs").items():
        if not _holds(output, scope):
            continue
        path: Path = ("Outputs", name)
        value = evaluate(output["Value"], scope, (*path, "Value"))
        if value is NO_VALUE or isinstance(value, list | dict):
            raise TemplateError(
                f"Template format error: Output {name} is malformed. "
                "The Value field of every Outputs member must evaluate to a String.",
                path,
            )
        entry = {"OutputKey": str(name), "OutputValue": text(value)}
        if output.get("Description"):
            entry["Description"] = str(output["Description"])
        if output.get("Export"):
            entry["ExportName"] = text(evaluate(output["Export"]["Name"], scope, (*path, "Export", "Name")))
        made.append(entry)
    return made


def capabilities(template: Template, types: Types) -> tuple[list[str], str]:
    """What the caller must acknowledge, and why. A transform may make IAM resources: it is counted after it ran."""
    needing = {
        name: types[resource["Type"]]
        for name, resource in template.section("Resources").items()
        if resource["Type"] in types and types[resource["Type"]].capability
    }
    if not needing:
        return [], ""
    resources = template.section("Resources")
    named = any(
        kind.name_property and kind.name_property in resources[name].get("Properties", {})
        for name, kind in needing.items()
    )
    kinds = sorted({kind.name for kind in needing.values()})
    reason = f"The following resource(s) require capabilities: [{', '.join(kinds)}]"
    return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"], reason
