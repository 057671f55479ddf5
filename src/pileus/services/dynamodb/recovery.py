"""Point-in-time recovery: DescribeContinuousBackups, UpdateContinuousBackups.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery.html
"""

from __future__ import annotations

from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.dynamodb import service
from pileus.services.dynamodb.access import on_table
from pileus.services.dynamodb.catalog import check_name, find_table, locate
from pileus.services.dynamodb.descriptions import moment
from pileus.services.dynamodb.schema import Table, TableRecord
from pileus.services.dynamodb.tables import change_table, copy_of
from pileus.services.operation import Shape
from pileus.store.interface import Transaction

_DAYS = 35


def backed_up_table(context: Context, name: str) -> Table:
    check_name(name)
    table = find_table(context, name)
    if table is None:
        raise AWSError("TableNotFoundException", f"Table not found: {locate(context, name)[2]}")
    return table


def earliest(record: TableRecord, now: float) -> float:
    """The first moment that the table can be restored to."""
    return max(record.recovery_since, now - record.recovery_days * 24 * 3600)


def _description(context: Context, record: TableRecord) -> Shape:
    recovery: dict[str, Any] = {"PointInTimeRecoveryStatus": "ENABLED" if record.recovery_days else "DISABLED"}
    if record.recovery_days:
        now = context.cloud.clock.time()
        recovery["RecoveryPeriodInDays"] = record.recovery_days
        recovery["EarliestRestorableDateTime"] = moment(earliest(record, now))
        recovery["LatestRestorableDateTime"] = moment(now)
    return {
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": recovery,
        }
    }


@service.operation("DescribeContinuousBackups", access=on_table("DescribeContinuousBackups"))
async def describe_continuous_backups(context: Context, request: Shape) -> Shape:
    return _description(context, backed_up_table(context, request["TableName"]).record)


@service.operation("UpdateContinuousBackups", access=on_table("UpdateContinuousBackups"))
async def update_continuous_backups(context: Context, request: Shape) -> Shape:
    backed_up_table(context, request["TableName"])
    specification = request["PointInTimeRecoverySpecification"]
    enabled = specification["PointInTimeRecoveryEnabled"]
    days = specification.get("RecoveryPeriodInDays") or _DAYS

    def change(tx: Transaction, table: Table) -> TableRecord:
        record = table.record
        now = context.cloud.clock.time()
        if not enabled:
            return copy_of(
                record,
                recovery_days=0,
                recovery_since=0.0,
                history_since=record.history_since if record.copying else 0.0,
            )
        return copy_of(
            record,
            recovery_days=days,
            recovery_since=record.recovery_since or now,
            history_since=record.history_since or now,
        )

    table = await change_table(context, request["TableName"], change)
    return _description(context, table.record)
