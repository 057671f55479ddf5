"""From a decoded request to an answer: authorise, then operate. HTTP and calls in process both come through here."""

from __future__ import annotations

from typing import Any

from pileus.aws.errors import AWSError, not_implemented
from pileus.aws.model import is_public, service_model
from pileus.gateway.protocols.checked import checked
from pileus.services import all_services
from pileus.services.context import Context
from pileus.services.operation import Access, Operation, Shape


def find(service: str, operation: str) -> Operation:
    """Raises AWSError for what Pileus has not."""
    known = all_services().get(service)
    found = known.operations.get(operation) if known is not None else None
    if found is None:
        raise not_implemented(service, operation)
    return found


async def operate(context: Context, operation: Operation, request: Shape) -> Shape:
    """Raises AWSError: AccessDenied where a policy does not allow it, and what the operation raises."""
    accesses = operation.access(context, request)
    context.cloud.authorizer.authorize(context, (accesses,) if isinstance(accesses, Access) else accesses)
    return await operation.function(context, request) or {}


async def perform(context: Context, request: dict[str, Any]) -> Shape:
    """A call in process, held against the model like one from outside."""
    if context.service not in all_services() or context.operation not in service_model(context.service).operation_names:
        raise AWSError("UnknownOperationException", f"{context.service} has no operation {context.operation}.")
    operation = find(context.service, context.operation)
    if context.principal.kind == "anonymous" and not is_public(context.service, context.operation):
        raise AWSError("AccessDenied", "The operation must be signed.", status=403)
    return await operate(
        context, operation, checked(context.service, operation.name, operation.service.opaque)(request)
    )
