"""PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/access-control-resource-based.html
"""

from __future__ import annotations

import time

from pileus.aws.errors import AWSError
from pileus.security.policy.document import parse
from pileus.services.context import Context
from pileus.services.dynamodb import service
from pileus.services.dynamodb.catalog import find_table
from pileus.services.dynamodb.errors import resource_not_found
from pileus.services.dynamodb.schema import Table, TableRecord
from pileus.services.dynamodb.tables import change_table, copy_of
from pileus.services.dynamodb.tags import tagged
from pileus.services.operation import Shape
from pileus.store.interface import Transaction

_NO_POLICY = "NO_POLICY"


def _check_revision(record: TableRecord, expected: str | None) -> None:
    if expected is not None and expected != (record.policy_revision or _NO_POLICY):
        raise AWSError("PolicyNotFoundException", "The resource-based policy does not have the expected revision ID")


@service.operation("PutResourcePolicy", access=tagged("PutResourcePolicy"))
async def put_resource_policy(context: Context, request: Shape) -> Shape:
    policy = request["Policy"]
    parse(policy)
    revision = str(time.time_ns())

    def change(tx: Transaction, table: Table) -> TableRecord:
        _check_revision(table.record, request.get("ExpectedRevisionId"))
        return copy_of(table.record, policy=policy, policy_revision=revision)

    await change_table(context, request["ResourceArn"], change)
    return {"RevisionId": revision}


@service.operation("GetResourcePolicy", access=tagged("GetResourcePolicy"))
async def get_resource_policy(context: Context, request: Shape) -> Shape:
    table = find_table(context, request["ResourceArn"])
    if table is None:
        raise resource_not_found(f"Requested resource not found: {request['ResourceArn']}")
    if not table.record.policy:
        raise AWSError(
            "PolicyNotFoundException", f"Resource-based policy not found for the provided ResourceArn: {table.arn}"
        )
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
