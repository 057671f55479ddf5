"""What would change if a stack became what a template asks for, found without touching anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.intrinsics import Scope, evaluate
from pileus.services.cloudformation.records import Change, Resource
from pileus.services.cloudformation.resources.resource import ResourceType
from pileus.services.cloudformation.template import Desired, Types, fit_properties

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""How AWS writes a value that is known only when the change has been made."""

Lookup = Callable[[str, str | None], Any]


def resolve(item: Desired, kind: ResourceType, scope: Scope, stack_tags: Mapping[str, str]) -> dict[str, Any]:
    """The properties of a resource with every function computed, and the stack's tags among its own."""
    path = ("Resources", item.logical_id, "Properties")
    properties = fit_properties(kind, evaluate(item.properties, scope, path), path)
    if kind.tags and stack_tags:
        own = properties.get(kind.tags, [])
        named = {tag["Key"] for tag in own}
        properties[kind.tags] = own + [{"Key": k, "Value": v} for k, v in stack_tags.items() if k not in named]
    return properties


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def replaces(kind: ResourceType, changed: list[str]) -> bool:
    return any(name in kind.create_only for name in changed)


def plan(
    wanted: Mapping[str, Desired], current: Mapping[str, Resource], types: Types, scope: Scope, tags: Mapping[str, str]
) -> list[Change]:
    changes: dict[str, Change] = {}
    lookup = replace(scope, resource=_planned(current, changes))
    for item in wanted.values():
        change = _compare(item, current.get(item.logical_id), types[item.type], lookup, tags)
        if change is not None:
            changes[item.logical_id] = change
    removed = [
        Change("Remove", resource.logical_id, resource.type, resource.physical_id)
        for resource in current.values()
        if resource.logical_id not in wanted
    ]
    return [*changes.values(), *removed]


def _planned(current: Mapping[str, Resource], changes: Mapping[str, Change]) -> Lookup:
    """A resource's values as they are, UNKNOWN for one that will be made."""

    def lookup(logical_id: str, attribute: str | None) -> Any:
        change = changes.get(logical_id)
        if logical_id not in current or (change is not None and change.replacement in ("True", "Conditional")):
            return UNKNOWN
        resource = current[logical_id]
        return resource.physical_id if attribute is None else resource.attributes.get(attribute, UNKNOWN)

    return lookup


def _compare(
    item: Desired, resource: Resource | None, kind: ResourceType, scope: Scope, tags: Mapping[str, str]
) -> Change | None:
    if resource is None:
        return Change("Add", item.logical_id, item.type)
    if resource.type != item.type:
        return Change("Modify", item.logical_id, item.type, resource.physical_id, "True", ["Properties"], ["Type"])
    try:
        properties = resolve(item, kind, scope, tags)
    except TemplateError:
        # A value that is not known yet can fail a function (the second part of what is still one part).
        if UNKNOWN not in (scope.resource(need, None) for need in item.requires):
            raise
        properties = dict.fromkeys(item.properties, UNKNOWN)
    changed = differences(resource.properties, properties)
    areas = [area for area, differs in (
        ("Properties", bool(changed)),
        ("Metadata", item.metadata != resource.metadata),
        ("DeletionPolicy", item.deletion_policy != resource.deletion_policy),
        ("UpdateReplacePolicy", item.update_replace_policy != resource.update_replace_policy),
    ) if differs]  # fmt: skip
    if not areas:
        return None
    replacement = "False"
    decisive = [name for name in changed if name in kind.create_only]
    if decisive:
        unknown = all(UNKNOWN in str(properties.get(name)) for name in decisive)
        replacement = "Conditional" if unknown else "True"
    return Change("Modify", item.logical_id, item.type, resource.physical_id, replacement, areas, changed)
