"""Batches of an event source on their way to the function: tried again, bisected, partly done, given up."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import orjson

from pileus.aws.errors import AWSError
from pileus.aws.identifiers import request_id
from pileus.runtime.interface import Invocation, Outcome
from pileus.services.context import Cloud
from pileus.services.lambda_ import destinations
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.names import LATEST
from pileus.services.lambda_.records import MAPPINGS, Mapping
from pileus.services.lambda_.stream_records import Record, arrival_of, sequence_of
from pileus.store.interface import Transaction

_RETRY_SECONDS = (0.2, 30.0)


class StoppedError(Exception):
    """The mapping was changed, disabled or deleted while a batch waited to be tried again."""


class Reader(Protocol):
    """What a delivery needs to know of who reads the shard."""

    cloud: Cloud
    mapping: Mapping
    shard: str

    async def checkpoint(self, sequence: str) -> None: ...

    def members(self, *, final: bool) -> dict[str, Any]:
        """What events say beside their records."""
        ...

    def took(self, outcome: Outcome) -> None:
        """Is told of every batch that succeeded, whole or in part."""
        ...


def is_current(cloud: Cloud, mapping: Mapping) -> bool:
    """Whether the mapping is as it was when its readers began."""
    kept = MAPPINGS.get(cloud.store, mapping.account, mapping.region, mapping.uuid)
    return kept is not None and kept.enabled and kept.modified == mapping.modified


class Delivery:
    """Batches on their way to the function one after the other, in parts where they are bisected or partly done.

    Alone, it marks how far it came; beside others it leaves that to the reader, who knows when all are done."""

    def __init__(self, reader: Reader, batches: list[list[Record]], *, alone: bool) -> None:
        self._reader = reader
        self._cloud = reader.cloud
        self._mapping = reader.mapping
        self._parts = batches
        self._alone = alone

    async def deliver(self) -> None:
        while self._parts:
            await self._one(self._parts.pop(0))

    async def _one(self, part: list[Record]) -> None:
        attempts = 0
        while True:
            tooold = self._too_old(part)
            if tooold:
                await self._discard(part[:tooold], "RecordAgeExceeded", attempts, None)
                part = part[tooold:]
                if not part:
                    return
            outcome = await self._invoke(part)
            left = part if outcome is None else _failed(part, outcome, self._mapping)
            if outcome is not None and len(left) < len(part):
                self._reader.took(outcome)
            if not left:
                await self._mark(sequence_of(part[-1]))
                await note(self._cloud, self._mapping, "OK")
                return
            await note(self._cloud, self._mapping, "PROBLEM: Function call failed")
            if len(left) < len(part):
                await self._mark(sequence_of(part[-len(left) - 1]))
                attempts = 0
                part = left
            attempts += outcome is not None
            if outcome is not None and self._mapping.bisect and len(part) > 1:
                middle = len(part) // 2
                self._parts[:0] = [part[:middle], part[middle:]]
                return
            if outcome is not None and self._exhausted(attempts):
                await self._discard(part, "RetryAttemptsExhausted", attempts, outcome)
                return
            await self._pause(attempts)

    async def conclude(self) -> None:
        """Ends a window: an event without records, tried as often as any other."""
        attempts = 0
        while True:
            outcome = await self._invoke([], final=True)
            attempts += outcome is not None
            if outcome is not None and (not outcome.function_error or self._exhausted(attempts)):
                return
            await self._pause(attempts)

    def _exhausted(self, attempts: int) -> bool:
        return 0 <= self._mapping.retries < attempts

    async def _pause(self, attempts: int) -> None:
        await asyncio.sleep(min(_RETRY_SECONDS[0] * 2 ** min(attempts, 10), _RETRY_SECONDS[1]))
        if not is_current(self._cloud, self._mapping):
            raise StoppedError

    async def _mark(self, sequence: str) -> None:
        if self._alone:
            await self._reader.checkpoint(sequence)

    def _too_old(self, part: list[Record]) -> int:
        """How many records at the beginning are older than the mapping lets them be."""
        if self._mapping.record_age < 0:
            return 0
        before = self._cloud.clock.time() - self._mapping.record_age
        return sum(1 for record in part if record["dynamodb"]["ApproximateCreationDateTime"] < before)

    async def _invoke(self, part: list[Record], *, final: bool = False) -> Outcome | None:
        """None where the function could not be run."""
        execution = self._cloud.part(Execution)
        try:
            version = execution.resolve(self._mapping.name)
            return await execution.run(
                self._mapping.name,
                version,
                Invocation(
                    request_id=request_id(),
                    payload=orjson.dumps({"Records": part, **self._reader.members(final=final)}),
                    invoked_arn=self._mapping.name.qualified_arn,
                ),
            )
        except AWSError as error:
            if error.code == "ResourceNotFoundException":
                raise
            return None

    async def _discard(self, part: list[Record], condition: str, attempts: int, outcome: Outcome | None) -> None:
        target = self._mapping.on_failure
        if target:
            about = destinations.record(
                request_id(),
                self._mapping.name.qualified_arn,
                condition,
                attempts,
                self._cloud.clock.now(),
                outcome,
            )
            about["DDBStreamBatchInfo"] = {
                "shardId": self._reader.shard,
                "startSequenceNumber": sequence_of(part[0]),
                "endSequenceNumber": sequence_of(part[-1]),
                "approximateArrivalOfFirstRecord": arrival_of(part[0]),
                "approximateArrivalOfLastRecord": arrival_of(part[-1]),
                "batchSize": len(part),
                "streamArn": self._mapping.source,
            }
            await destinations.send(
                self._cloud,
                self._mapping.name.at(self._mapping.name.qualifier or LATEST),
                target,
                about,
                folder=f"{self._mapping.uuid}/{self._reader.shard}",
                payload=orjson.dumps({"Records": part}).decode(),
            )
        await self._mark(sequence_of(part[-1]))


def _failed(part: list[Record], outcome: Outcome, mapping: Mapping) -> list[Record]:
    """What of a batch is to be tried again.

    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    """
    if outcome.function_error:
        return part
    if "ReportBatchItemFailures" not in mapping.response_types:
        return []
    try:
        answer = orjson.loads(outcome.payload)
    except ValueError:
        return part
    if answer in (None, {}, []):
        return []
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else part
    if failures is None or failures == []:
        return []
    if not isinstance(failures, list) or not all(isinstance(one, dict) for one in failures):
        return part
    identifiers = [one.get("itemIdentifier") for one in failures]
    known = {sequence_of(record): place for place, record in enumerate(part)}
    places = [known[name] for name in identifiers if isinstance(name, str) and name in known]
    if len(places) < len(identifiers):
        return part
    return part[min(places) :]


async def note(cloud: Cloud, mapping: Mapping, result: str) -> None:
    """Keeps the last result where it is another one."""
    if mapping.last_result == result:
        return
    mapping.last_result = result

    def change(tx: Transaction) -> None:
        kept = MAPPINGS.get(tx, mapping.account, mapping.region, mapping.uuid)
        if kept is not None:
            kept.last_result = result
            MAPPINGS.put(tx, mapping.account, mapping.region, mapping.uuid, value=kept)

    await cloud.store.transact(change)
