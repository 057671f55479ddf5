"""What functions print, on its way to CloudWatch Logs: gathered for a moment, then written as the execution role.

Where the role may not write logs they are dropped, as on AWS
(https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html). What a killed process had gathered is
lost: logs never make an invocation wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from pileus.aws.errors import AWSError
from pileus.runtime.interface import FunctionVersion, LogLine
from pileus.services.context import Cloud
from pileus.services.lambda_.roles import Roles

GATHER_SECONDS = 0.2
_MOST_BYTES = 32 << 20
"""Of all that waits: functions that print faster than the store writes lose lines, not the cloud its memory."""
_BATCH_BYTES = 1 << 20
_BATCH_EVENTS = 10_000
_EVENT_OVERHEAD = 26

_log = logging.getLogger(__name__)


class LogDelivery:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._waiting: dict[tuple[FunctionVersion, str], list[LogLine]] = {}
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None

    def take(self, function: FunctionVersion, stream: str, lines: Sequence[LogLine]) -> None:
        size = sum(len(text) for _, text in lines)
        if self._bytes + size > _MOST_BYTES:
            return
        self._bytes += size
        self._waiting.setdefault((function, stream), []).extend(lines)
        if self._task is None:
            self._task = asyncio.create_task(self._deliver(), name="lambda logs")

    async def flush(self) -> None:
        """Writes all that waits now."""
        while self._task is not None:
            await self._task

    async def _deliver(self) -> None:
        try:
            await asyncio.sleep(GATHER_SECONDS)
            waiting, self._waiting, self._bytes = self._waiting, {}, 0
            for (function, stream), lines in waiting.items():
                try:
                    await self._write(function, stream, lines)
                except AWSError as error:
                    _log.debug("logs of %s dropped: %s", function.arn, error)
                except Exception:
                    _log.exception("logs of %s could not be written", function.arn)
        finally:
            self._task = asyncio.create_task(self._deliver(), name="lambda logs") if self._waiting else None

    async def _write(self, function: FunctionVersion, stream: str, lines: list[LogLine]) -> None:
        _, role = await self._cloud.part(Roles).assume(function.role, function.name, function.region)
        client = self._cloud.client(role, region=function.region)
        where = {"logGroupName": function.logging.group, "logStreamName": stream}
        for batch in _batches(lines):
            try:
                await client.call("logs", "PutLogEvents", {**where, "logEvents": batch})
            except AWSError as error:
                if error.code != "ResourceNotFoundException":
                    raise
                await _create(client, where)
                await client.call("logs", "PutLogEvents", {**where, "logEvents": batch})


async def _create(client: Any, where: dict[str, str]) -> None:
    for operation, asked in (("CreateLogGroup", {"logGroupName": where["logGroupName"]}), ("CreateLogStream", where)):
        try:
            await client.call("logs", operation, asked)
        except AWSError as error:
            # A role may write to a group that exists without the right to create one.
            if error.code not in ("ResourceAlreadyExistsException", "AccessDeniedException"):
                raise


def _batches(lines: list[LogLine]) -> list[list[dict[str, Any]]]:
    """In order of time, each within what one PutLogEvents may bring."""
    batches: list[list[dict[str, Any]]] = []
    size = _BATCH_BYTES
    for timestamp, text in sorted(lines, key=lambda line: line[0]):
        length = len(text.encode()) + _EVENT_OVERHEAD
        if size + length > _BATCH_BYTES or len(batches[-1]) >= _BATCH_EVENTS:
            batches.append([])
            size = 0
        size += length
        batches[-1].append({"timestamp": timestamp, "message": text})
    return batches
