"""PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/access-control-resource-based.html
"""

from __future__ import annotations

import time

from pileus.aws.errors import AWSError
from pileus.security.policy.document import parse
from pileus.services.context import Context
from pileus.services.dynamodb import service
from pileus.services.dynamodb.catalog import described_table
from pileus.services.dynamodb.schema import Table, TableRecord
from pileus.services.dynamodb.tables import change_table, copy_of
from pileus.services.dynamodb.tags import tagged
from pileus.services.operation import Shape
from pileus.store.interface import Transaction

_NO_POLICY = "NO_POLICY"


def _not_found(what: str) -> AWSError:
    return AWSError("PolicyNotFoundException", f"Resource-based policy not found for the provided ResourceArn: {what}")


def _check_revision(record: TableRecord, expected: str | None) -> None:
    if expected is None or expected == (record.policy_revision or _NO_POLICY):
        return
    if expected == _NO_POLICY:
        raise _not_found(
            f"Requested policy update expecting none to be present for table {record.name}, but a policy exists with "
            f"revision id {record.policy_revision}."
        )
    if not record.policy:
        raise _not_found(
            f"Requested update for policy with revision id {expected}, but no policy is associated to target table "
            f"{record.name}."
        )
    raise _not_found(
        f"Requested update for policy with revision id {expected}, but the policy associated to target table "
        f"{record.name} has revision id {record.policy_revision}."
    )


@service.operation("PutResourcePolicy", access=tagged("PutResourcePolicy"))
async def put_resource_policy(context: Context, request: Shape) -> Shape:
    policy = request["Policy"]
    parse(policy)
    revision = str(time.time_ns())

    def change(tx: Transaction, table: Table) -> TableRecord:
        _check_revision(table.record, request.get("ExpectedRevisionId"))
        if table.record.policy == policy:
            return table.record
        return copy_of(table.record, policy=policy, policy_revision=revision)

    table = await change_table(context, request["ResourceArn"], change)
    return {"RevisionId": table.record.policy_revision}


@service.operation("GetResourcePolicy", access=tagged("GetResourcePolicy"))
async def get_resource_policy(context: Context, request: Shape) -> Shape:
    table = described_table(context, request["ResourceArn"])
    if not table.record.policy:
        raise _not_found(table.arn)
    return {"Policy": table.record.policy, "RevisionId": table.record.policy_revision}


@service.operation("DeleteResourcePolicy", access=tagged("DeleteResourcePolicy"))
async def delete_resource_policy(context: Context, request: Shape) -> Shape:
    found: list[str] = []

    def change(tx: Transaction, table: Table) -> TableRecord:
        _check_revision(table.record, request.get("ExpectedRevisionId"))
        found[:] = [table.record.policy_revision]
        return copy_of(table.record, policy="", policy_revision="")

    await change_table(context, request["ResourceArn"], change)
    return {"RevisionId": found[0]} if found[0] else {}
