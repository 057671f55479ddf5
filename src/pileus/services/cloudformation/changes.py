"""What would change if a stack became what a template asks for, found without touching anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.intrinsics import Reference, Scope, evaluate, references
from pileus.services.cloudformation.records import Change, Detail, Resource
from pileus.services.cloudformation.resources.resource import ResourceType
from pileus.services.cloudformation.schemas import Map
from pileus.services.cloudformation.sections import Template
from pileus.services.cloudformation.template import Desired, Types, fit_properties

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""How AWS writes a value that is known only when the change has been made."""

Lookup = Callable[[str, str | None], Any]


def resolve(item: Desired, kind: ResourceType, scope: Scope, stack_tags: Mapping[str, str]) -> dict[str, Any]:
    """The properties of a resource with every function computed, and the stack's tags among its own."""
    path = ("Resources", item.logical_id, "Properties")
    properties = fit_properties(kind, evaluate(item.properties, scope, path), path)
    if isinstance(kind.properties.get(kind.tags), Map):
        properties |= {kind.tags: {**stack_tags, **properties.get(kind.tags, {})}} if stack_tags else {}
    elif kind.tags and stack_tags:
        own = properties.get(kind.tags, [])
        named = {tag.get("Key") for tag in own}
        properties[kind.tags] = own + [{"Key": k, "Value": v} for k, v in stack_tags.items() if k not in named]
    return properties


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def replaces(kind: ResourceType, changed: list[str]) -> bool:
    return any(name in kind.create_only for name in changed)


@dataclass(frozen=True)
class Source:
    """What a stack is made of: a template, the values of its parameters, the tags of all resources."""

    template: Template
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def expression(self, logical_id: str, name: str) -> Any:
        """A property as the template writes it."""
        properties = self.template.section("Resources").get(logical_id, {}).get("Properties", {})
        return properties.get(name) if isinstance(properties, dict) else None


def plan(
    wanted: Mapping[str, Desired],
    current: Mapping[str, Resource],
    types: Types,
    scope: Scope,
    goal: Source,
    earlier: Source | None = None,
) -> list[Change]:
    """The changes that make of a stack, which `earlier` made, what `goal` asks for."""
    planner = _Planner(current, types, goal, earlier or goal, scope)
    for item in wanted.values():
        planner.add(item)
    removed = [
        Change(
            "Remove", resource.logical_id, resource.type, resource.physical_id, before=resource.properties,
            policy_action="Delete" if resource.deletion_policy == "Delete" else "Retain",
        )
        for resource in current.values()
        if resource.logical_id not in wanted
    ]  # fmt: skip
    return [*planner.changes.values(), *removed]


class _Planner:
    """Goes through the resources in the order in which they can be made: a change may be the cause of others."""

    def __init__(
        self, current: Mapping[str, Resource], types: Types, goal: Source, earlier: Source, scope: Scope
    ) -> None:
        self.changes: dict[str, Change] = {}
        self._current = current
        self._types = types
        self._goal = goal
        self._earlier = earlier
        self._scope = replace(scope, resource=self._lookup)

    def _lookup(self, logical_id: str, attribute: str | None) -> Any:
        """A resource's values as they are, UNKNOWN for one that will be made."""
        if logical_id not in self._current or self._replaced(logical_id):
            return UNKNOWN
        resource = self._current[logical_id]
        return resource.physical_id if attribute is None else resource.attributes.get(attribute, UNKNOWN)

    def _replaced(self, logical_id: str) -> bool:
        change = self.changes.get(logical_id)
        return change is not None and change.replacement in ("True", "Conditional") and change.certain

    def add(self, item: Desired) -> None:
        resource = self._current.get(item.logical_id)
        properties = self._properties(item)
        if resource is None:
            change: Change | None = Change("Add", item.logical_id, item.type, after=properties)
        elif resource.type != item.type:
            change = Change(
                "Modify", item.logical_id, item.type, resource.physical_id, "True", ["Properties"],
                [Detail("Properties", "Type", "Always")], _replacing(item), resource.properties, properties,
            )  # fmt: skip
        else:
            change = self._modified(item, resource, properties)
        if change is not None:
            self.changes[item.logical_id] = change

    def _properties(self, item: Desired) -> dict[str, Any]:
        try:
            return resolve(item, self._types[item.type], self._scope, self._goal.tags)
        except TemplateError:
            # A value that is not known yet can fail a function (the second part of what is still one part).
            if UNKNOWN not in (self._lookup(need, None) for need in item.requires):
                raise
            return dict.fromkeys(item.properties, UNKNOWN)

    def _modified(self, item: Desired, resource: Resource, properties: dict[str, Any]) -> Change | None:
        kind = self._types[item.type]
        changed = differences(resource.properties, properties)
        details = [detail for name in changed for detail in self._causes(item, kind, name)]
        details += [
            Detail(attribute)
            for attribute, differs in (
                ("Metadata", item.metadata != resource.metadata),
                ("DeletionPolicy", item.deletion_policy != resource.deletion_policy),
                ("UpdateReplacePolicy", item.update_replace_policy != resource.update_replace_policy),
            )
            if differs
        ]
        certain = bool(details)
        if kind.automatic and not changed:
            details.append(Detail("Properties", source="Automatic", evaluation="Dynamic"))
        for name in item.properties:
            if name not in changed:
                details += self._doubts(item, kind, name)
        if not details:
            return None
        decisive = {detail.evaluation for detail in details if detail.recreation == "Always"}
        replacement = "True" if "Static" in decisive else "Conditional" if decisive else "False"
        return Change(
            "Modify", item.logical_id, item.type, resource.physical_id, replacement,
            sorted({detail.attribute for detail in details}, key=_AREAS.index), details,
            "" if replacement == "False" else _replacing(item), resource.properties, properties, certain,
        )  # fmt: skip

    def _causes(self, item: Desired, kind: ResourceType, name: str) -> list[Detail]:
        """Why a property gets another value: a parameter, another resource, or the template itself."""
        before, after = (made.expression(item.logical_id, name) for made in (self._earlier, self._goal))
        if name == kind.tags and before == after and self._earlier.tags != self._goal.tags:
            return [Detail("Tags")]
        recreation = "Always" if name in kind.create_only else "Never"

        def detail(source: str, evaluation: str = "Static", entity: str = "") -> Detail:
            return Detail("Properties", name, recreation, source, evaluation, entity)

        found = list(dict.fromkeys(references(item.properties.get(name))))
        parameters = [detail("ParameterReference", entity=one.name) for one in found if self._given_anew(one)]
        resources = [
            detail("ResourceReference" if one.attribute is None else "ResourceAttribute", entity=_entity(one))
            for one in found
            if one.name in self._current and self._replaced(one.name)
        ]
        direct = []
        if parameters or not resources or before != after:
            direct = [detail("DirectModification", "Dynamic" if parameters else "Static")]
        return list({(one.source, one.entity): one for one in parameters + resources + direct}.values())

    def _given_anew(self, found: Reference) -> bool:
        before, after = self._earlier.parameters, self._goal.parameters
        return found.attribute is None and found.name in after and before.get(found.name) != after[found.name]

    def _doubts(self, item: Desired, kind: ResourceType, name: str) -> Iterator[Detail]:
        """A property with an attribute of a resource that changes may change with it."""
        recreation = "Always" if name in kind.create_only else "Never"
        for found in dict.fromkeys(references(item.properties.get(name))):
            cause = self.changes.get(found.name)
            if found.attribute is not None and cause is not None and cause.certain and "Properties" in cause.scope:
                yield Detail("Properties", name, recreation, "ResourceAttribute", "Dynamic", _entity(found))


_AREAS = ("Properties", "Metadata", "Tags", "DeletionPolicy", "UpdateReplacePolicy")


def _entity(found: Reference) -> str:
    return found.name if found.attribute is None else f"{found.name}.{found.attribute}"


def _replacing(item: Desired) -> str:
    return "ReplaceAndDelete" if item.update_replace_policy == "Delete" else "ReplaceAndRetain"
