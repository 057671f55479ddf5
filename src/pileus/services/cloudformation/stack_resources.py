"""DescribeStackResource, DescribeStackResources, ListStackResources."""

from __future__ import annotations

import json

from pileus.services.cloudformation import service
from pileus.services.cloudformation.access import IN_QUOTES, find_stack, invalid, on_stack
from pileus.services.cloudformation.records import RESOURCES, STACKS, Resource, Stack, resources_of
from pileus.services.cloudformation.stacks import PAGE, moment, present
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.store import paging

_DRIFT = {"StackResourceDriftStatus": "NOT_CHECKED"}


@service.operation("DescribeStackResource", access=on_stack("DescribeStackResource"))
async def describe_stack_resource(context: Context, request: Shape) -> Shape:
    stack = find_stack(context, request["StackName"], missing=IN_QUOTES)
    name = request["LogicalResourceId"]
    resource = resources_of(context.store, stack).get(name)
    if resource is None:
        raise invalid(f"Resource {name} does not exist for stack {request['StackName']}")
    described = _identity(stack, resource) | {"LastUpdatedTimestamp": moment(resource.updated)}
    described["Metadata"] = json.dumps(resource.metadata)
    return {"StackResourceDetail": described}


@service.operation("DescribeStackResources", access=on_stack("DescribeStackResources"))
async def describe_stack_resources(context: Context, request: Shape) -> Shape:
    if request.get("PhysicalResourceId") and request.get("StackName"):
        raise invalid("Only one of StackName and PhysicalResourceId may be specified.")
    if request.get("StackName"):
        stack = find_stack(context, request["StackName"])
        wanted = request.get("LogicalResourceId")
        found = [item for item in resources_of(context.store, stack).values() if wanted in (None, item.logical_id)]
    else:
        stack, found = _with_physical_id(context, request.get("PhysicalResourceId", ""))
    return {"StackResources": [_identity(stack, item) | {"Timestamp": moment(item.updated)} for item in found]}


def _with_physical_id(context: Context, physical_id: str) -> tuple[Stack, list[Resource]]:
    for key, resource in RESOURCES.scan(context.store, context.account, context.region):
        if physical_id and resource.physical_id == physical_id:
            stack = STACKS.get(context.store, *key[:3])
            if stack is not None:
                return stack, list(resources_of(context.store, stack).values())
    raise invalid(f"Stack for {physical_id} does not exist")


@service.operation("ListStackResources", access=on_stack("ListStackResources"))
async def list_stack_resources(context: Context, request: Shape) -> Shape:
    stack = find_stack(context, request["StackName"])
    try:
        after = paging.decode(request.get("NextToken"))
    except ValueError:
        raise invalid("Invalid NextToken") from None
    within = (stack.account, stack.region, stack.id)
    rows, token = paging.page(RESOURCES.scan(context.store, *within, after=after, limit=PAGE + 1), PAGE)
    summaries = [_summary(resource) for _, resource in rows]
    return present({"StackResourceSummaries": summaries, "NextToken": token})


def _summary(resource: Resource) -> Shape:
    return present({
        "LogicalResourceId": resource.logical_id, "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type, "LastUpdatedTimestamp": moment(resource.updated),
        "ResourceStatus": resource.status, "ResourceStatusReason": resource.reason, "DriftInformation": _DRIFT,
    })  # fmt: skip


def _identity(stack: Stack, resource: Resource) -> Shape:
    return present({
        "StackName": stack.name, "StackId": stack.id, "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id, "ResourceType": resource.type, "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason, "DriftInformation": _DRIFT,
    })  # fmt: skip
