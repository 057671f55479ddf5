"""DescribeStackEvents."""

from __future__ import annotations

from pileus.services.cloudformation import service
from pileus.services.cloudformation.access import IN_BRACKETS, find_stack, invalid, on_stack
from pileus.services.cloudformation.records import EVENTS, Event, Stack
from pileus.services.cloudformation.stacks import PAGE, moment, present
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.store import paging


@service.operation("DescribeStackEvents", access=on_stack("DescribeStackEvents"))
async def describe_stack_events(context: Context, request: Shape) -> Shape:
    """Newest first."""
    stack = find_stack(context, request["StackName"], missing=IN_BRACKETS)
    try:
        after = paging.decode(request.get("NextToken"))
    except ValueError:
        raise invalid("Invalid NextToken") from None
    within = (stack.account, stack.region, stack.id)
    rows, token = paging.page(EVENTS.scan(context.store, *within, after=after, limit=PAGE + 1, reverse=True), PAGE)
    return present({"StackEvents": [_described(stack, event) for _, event in rows], "NextToken": token})


def _described(stack: Stack, event: Event) -> Shape:
    return {"PhysicalResourceId": event.physical_id} | present({
        "StackId": stack.id, "EventId": event.id, "StackName": stack.name, "LogicalResourceId": event.logical_id,
        "ResourceType": event.type, "Timestamp": moment(event.time),
        "ResourceStatus": event.status, "ResourceStatusReason": event.reason, "ResourceProperties": event.properties,
        "ClientRequestToken": event.token,
    })  # fmt: skip
