"""GetTemplate, GetTemplateSummary, ValidateTemplate."""

from __future__ import annotations

import json
from typing import Any

from pileus.services.cloudformation import service
from pileus.services.cloudformation import template as rules
from pileus.services.cloudformation.access import anywhere, find_stack, invalid, on_stack, refuse
from pileus.services.cloudformation.change_sets import find_change_set
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.intrinsics import text
from pileus.services.cloudformation.parameters import hidden
from pileus.services.cloudformation.records import Version
from pileus.services.cloudformation.resources import TYPES
from pileus.services.cloudformation.sections import Template
from pileus.services.cloudformation.stacks import present
from pileus.services.cloudformation.submission import body_of, parse, refused
from pileus.services.context import Context
from pileus.services.operation import Shape


@service.operation("GetTemplate", access=on_stack("GetTemplate"))
async def get_template(context: Context, request: Shape) -> Shape:
    version = _version(context, request)
    if version is None:
        return {"TemplateBody": "", "StagesAvailable": []}
    processed = request.get("TemplateStage", "Original") == "Processed"
    body = version.processed if processed else version.body
    return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}


def _version(context: Context, request: Shape) -> Version | None:
    """None of a stack whose first change set waits to be executed."""
    if request.get("ChangeSetName"):
        return find_change_set(context, request)[1].version
    return find_stack(context, request.get("StackName") or "").version


@service.operation("GetTemplateSummary", access=on_stack("GetTemplateSummary"))
async def get_template_summary(context: Context, request: Shape) -> Shape:
    refuse(request, "StackSetName", "CallAs", "TemplateSummaryConfig")
    if request.get("StackName"):
        stack = find_stack(context, request["StackName"])
        if stack.version is None:
            raise invalid("GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.")
        _, template = parse(stack.version.body)
    else:
        _, template = parse(await body_of(context, request))
    metadata = template.body.get("Metadata")
    return _summary(template) | present({
        "Parameters": [_declared(name, item) for name, item in template.section("Parameters").items()],
        "ResourceTypes": template.resource_types(), "Version": "2010-09-09",
        "Metadata": json.dumps(metadata) if metadata else None,
    })  # fmt: skip


@service.operation("ValidateTemplate", access=anywhere("ValidateTemplate"))
async def validate_template(context: Context, request: Shape) -> Shape:
    document, template = parse(await body_of(context, request))
    if not template.transforms:
        try:
            # Which of the conditions hold depends on values that are not there.
            resources = template.section("Resources")
            rules.check(template, TYPES, {name for name, item in resources.items() if "Condition" in item})
        except TemplateError as problem:
            raise refused(problem, document) from None
    plain = ("ParameterKey", "DefaultValue", "NoEcho", "Description")
    declared = (_declared(name, item) for name, item in template.section("Parameters").items())
    parameters = [{key: item[key] for key in plain if key in item} for item in declared]
    return _summary(template) | {"Parameters": parameters}


def _summary(template: Template) -> Shape:
    needed, reason = rules.capabilities(template, TYPES)
    if template.transforms:
        needed = [*needed, "CAPABILITY_AUTO_EXPAND"]
        because = f"The following transforms require capabilities: [{', '.join(template.transforms)}]"
        reason = ", ".join(part for part in (reason, because) if part)
    return present({
        "Description": template.description, "Capabilities": needed, "CapabilitiesReason": reason,
        "DeclaredTransforms": template.transforms,
    })  # fmt: skip


def _declared(name: str, parameter: dict[str, Any]) -> Shape:
    default = parameter.get("Default")
    constraints = {"AllowedValues": [text(value) for value in parameter.get("AllowedValues") or []]}
    return present({
        "ParameterKey": name, "ParameterType": parameter["Type"], "NoEcho": hidden(parameter),
        "Description": parameter.get("Description"), "ParameterConstraints": constraints,
    }) | ({} if default is None else {"DefaultValue": text(default)})  # fmt: skip
