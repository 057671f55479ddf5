"""A template held against the resource types that there are, and what it asks for once its conditions are decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pileus.services.cloudformation import graph
from pileus.services.cloudformation.documents import Path, TemplateError
from pileus.services.cloudformation.intrinsics import (
    NO_VALUE,
    Reference,
    Scope,
    evaluate,
    function_of,
    prune,
    references,
    text,
)
from pileus.services.cloudformation.resources.resource import ResourceType, Work
from pileus.services.cloudformation.schemas import JSON, fit
from pileus.services.cloudformation.sections import Template

Types = Mapping[str, ResourceType]

_RESOURCE_KEYS = frozenset({
    "Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy",
})  # fmt: skip
_POLICIES = {
    "DeletionPolicy": ("Delete", "Retain", "RetainExceptOnCreate"),
    "UpdateReplacePolicy": ("Delete", "Retain"),
}
_UNRESOLVED = "Template format error: Unresolved resource dependencies [{}] in the {} block of the template"


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


async def _never(work: Work) -> None:
    raise NotImplementedError


UNKNOWN_TYPE = ResourceType("", {}, create=_never, delete=_never, open=True)
"""Stands for the type of a resource that the stack will do without."""


def without(template: Template, scope: Scope) -> frozenset[str]:
    """The resources whose conditions do not hold."""
    return frozenset(name for name, item in template.section("Resources").items() if not _holds(item, scope))


def check(template: Template, types: Types, absent: Collection[str] = ()) -> None:
    """Raises TemplateError for resource types, attributes, properties and references that there are not. `absent` are
    resources that will not be made: of a type that there is not, nothing can be asked."""
    resources = template.section("Resources")
    known = {name: types.get(resource["Type"]) for name, resource in resources.items()}
    unknown = sorted({resources[name]["Type"] for name, kind in known.items() if kind is None and name not in absent})
    if unknown:
        first = next(name for name, resource in resources.items() if resource["Type"] in unknown)
        raise TemplateError(
            f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]", ("Resources", first, "Type")
        )
    kinds = {name: kind or UNKNOWN_TYPE for name, kind in known.items()}
    conditions = template.section("Conditions")
    for logical_id, resource in resources.items():
        check_resource(template, logical_id, resource, kinds[logical_id])
    for name, condition in conditions.items():
        _check_references(template, references(condition, ("Conditions", name)), kinds, within="Conditions")
    for name, output in template.section("Outputs").items():
        _check_output(template, name, output, kinds)
    for logical_id, resource in resources.items():
        found = references(resource.get("Properties", {}), ("Resources", logical_id, "Properties"))
        _check_references(template, found, kinds, within="Resources")
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
        if name not in kind.properties and not kind.open:
            raise TemplateError(f"Encountered unsupported property {name} of {kind.name}", (*path, "Properties", name))
    conditional = function_of(properties) is not None
    for name in sorted(kind.required):
        if name not in properties and not conditional:
            raise TemplateError(f"Property {name} of {kind.name} cannot be empty.", (*path, "Properties"))
    if not conditional:
        fit_properties(kind, properties, (*path, "Properties"))


def fit_properties(kind: ResourceType, properties: Mapping[str, Any], path: Path) -> dict[str, Any]:
    return {
        name: fit(value, kind.properties.get(name, JSON), (*path, name))
        for name, value in properties.items()
        if value is not None
    }


def _check_output(template: Template, name: str, output: dict[str, Any], kinds: Types) -> None:
    path: Path = ("Outputs", name)
    if "Condition" in output and output["Condition"] not in template.section("Conditions"):
        raise TemplateError(f"Template format error: Unresolved condition dependency {output['Condition']}", path)
    parts = {key: item for key, item in output.items() if key != "Condition"}
    _check_references(template, references(parts, path), kinds, within="Outputs")


def _check_references(template: Template, found: Iterable[Reference], kinds: Types, within: str) -> None:
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
            if attribute and not kinds[name].has(attribute):
                message = f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"
                raise TemplateError(message, path)
        elif attribute is not None:
            raise TemplateError(f"Template error: instance of {kind} references undefined resource {name}", path)
        elif name not in template.section("Parameters"):
            raise TemplateError(
                _UNRESOLVED.format(name, within),
                path,
            )


def desired(template: Template, scope: Scope, types: Types) -> dict[str, Desired]:
    """The resources whose conditions hold, in the order in which they can be made."""
    resources = template.section("Resources")
    active = {name: resource for name, resource in resources.items() if _holds(resource, scope)}
    found = {name: _desire(name, resource, active, resources, scope) for name, resource in active.items()}
    _check_outputs(template, scope, active)
    return {name: found[name] for name in graph.order({name: item.requires for name, item in found.items()})}


def _check_outputs(template: Template, scope: Scope, active: Mapping[str, Any]) -> None:
    """Raises TemplateError where an output that counts refers to a resource that will not be."""
    resources = template.section("Resources")
    for name, output in template.section("Outputs").items():
        if not _holds(output, scope):
            continue
        path: Path = ("Outputs", name)
        for found in references(prune(dict(output), scope, path), path):
            if found.name in resources and found.name not in active:
                raise TemplateError(_UNRESOLVED.format(found.name, "Outputs"), found.path)


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
