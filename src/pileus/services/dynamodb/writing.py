"""Running writes: against the store, again where the table has changed under them, with statistics and errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pileus.aws.errors import AWSError
from pileus.services.context import Cloud, Context
from pileus.services.dynamodb.schema import record_item
from pileus.services.dynamodb.statistics import Statistics
from pileus.services.dynamodb.writes import ConditionFailedError, TableChangedError, Write, check_table, check_tables
from pileus.store.interface import Transaction

T = TypeVar("T")
_ATTEMPTS = 10


async def commit(cloud: Cloud, prepare: Callable[[], Sequence[Write]]) -> Sequence[Write]:
    """All of the writes or none. `prepare` makes them, again where a table's record has changed meanwhile."""
    for _ in range(_ATTEMPTS):
        writes = prepare()
        now = cloud.clock.time()

        def change(tx: Transaction, writes: Sequence[Write] = writes, now: float = now) -> None:
            check_tables(tx, writes)
            for write in writes:
                write.perform(tx, now)

        try:
            await cloud.store.transact(change)
        except TableChangedError:
            continue
        statistics = cloud.part(Statistics)
        for write in writes:
            statistics.add(write)
        return writes
    raise AWSError("InternalServerError", "The table is being changed: try again.", status=500)


async def commit_one(context: Context, prepare: Callable[[], Write], on_failure: str) -> Write:
    """One write; a condition that fails becomes the error, with the item where the request wants it."""
    for _ in range(_ATTEMPTS):
        write = prepare()
        now = context.cloud.clock.time()
        try:
            await context.store.transact(lambda tx, write=write, now=now: _perform(tx, write, now))  # type: ignore[misc]
        except TableChangedError:
            continue
        except ConditionFailedError as failed:
            raise condition_failed(failed.record, on_failure) from None
        context.cloud.part(Statistics).add(write)
        return write
    raise AWSError("InternalServerError", "The table is being changed: try again.", status=500)


def _perform(tx: Transaction, write: Write, now: float) -> None:
    check_table(tx, write.table)
    write.perform(tx, now)


def condition_failed(record: bytes | None, on_failure: str) -> AWSError:
    members: dict[str, Any] = {}
    if on_failure == "ALL_OLD" and record is not None:
        members["Item"] = record_item(record)
    return AWSError("ConditionalCheckFailedException", "The conditional request failed", **members)
