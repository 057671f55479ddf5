"""AWS::Lambda::Permission: a statement in a function's resource policy."""

from __future__ import annotations

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent
from pileus.services.cloudformation.schemas import members

_DIRECT = (
    "FunctionName", "Action", "Principal", "SourceArn", "SourceAccount", "EventSourceToken", "FunctionUrlAuthType",
    "PrincipalOrgID", "InvokedViaFunctionUrl",
)  # fmt: skip


async def create(work: Work) -> None:
    statement = work.name("", 100)
    await work.create(
        "lambda", "AddPermission", exists="ResourceConflictException", StatementId=statement, **work.given(*_DIRECT)
    )
    await work.identify(statement)
    work.attributes = {"Id": statement}


async def delete(work: Work) -> None:
    request = {"FunctionName": work.properties["FunctionName"], "StatementId": work.physical_id}
    await absent(work.call("lambda", "RemovePermission", **request), "ResourceNotFoundException")


PERMISSION = ResourceType(
    "AWS::Lambda::Permission",
    properties=members("lambda", "AddPermission", _DIRECT),
    create=create, delete=delete,
    required=frozenset({"FunctionName", "Action", "Principal"}),
    create_only=frozenset(_DIRECT),
    attributes=frozenset({"Id"}),
)  # fmt: skip
