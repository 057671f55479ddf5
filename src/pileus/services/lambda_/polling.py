"""Reading event sources: one reader a shard, which hands batches to the function and remembers how far it came.

A batch that fails is tried again until it succeeds, is too old, or was tried often enough; meanwhile the shard waits,
as on AWS. The process that holds the lease for periodic work reads; a crash repeats at most the batch in hand.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from pileus.aws.errors import AWSError
from pileus.aws.identifiers import request_id
from pileus.runtime.interface import Invocation, Outcome
from pileus.services.client import Client
from pileus.services.context import Cloud
from pileus.services.lambda_ import destinations, filters, limits, service
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.names import LATEST
from pileus.services.lambda_.records import CHECKPOINTS, MAPPINGS, Checkpoint, Mapping, get_version
from pileus.services.lambda_.roles import Roles
from pileus.store.interface import Transaction

_log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_TICKS_KEPT_SECONDS = 6.0
_IDLE_SECONDS = (0.2, 1.0)
_RETRY_SECONDS = (0.2, 30.0)
_FETCHED = 1000
_KEEP_ITERATOR_SECONDS = 300.0
"""How often a reader that has seen no record yet keeps where it is; iterators expire after fifteen minutes."""

Record = dict[str, Any]


class _StoppedError(Exception):
    """The mapping was changed, disabled or deleted while a batch waited to be tried again."""


class Pollers:
    """The readers of this process. They run while the lease is held: while `tick` is called."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._until = 0.0

    def tick(self) -> None:
        self._until = asyncio.get_running_loop().time() + _TICKS_KEPT_SECONDS
        wanted = {mapping.uuid: mapping for _, mapping in MAPPINGS.scan(self._cloud.store) if mapping.enabled}
        for identifier, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[identifier]
        for identifier, mapping in wanted.items():
            if identifier not in self._tasks:
                reading = self._read(mapping.account, mapping.region, identifier)
                self._tasks[identifier] = asyncio.create_task(reading, name=f"event source {identifier}")

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _held(self) -> bool:
        return asyncio.get_running_loop().time() < self._until

    async def _read(self, account: str, region: str, identifier: str) -> None:
        """Reads the shards of one mapping until it is gone, disabled, changed, or the lease is lost."""
        mapping = MAPPINGS.get(self._cloud.store, account, region, identifier)
        if mapping is None:
            return
        readers: dict[str, ShardReader] = {}
        idle = _IDLE_SECONDS[0]
        while self._held():
            if not is_current(self._cloud, mapping):
                return
            try:
                for shard in await _shards(self._cloud, mapping):
                    readers.setdefault(shard, ShardReader(self._cloud, mapping, shard))
                moved = await asyncio.gather(*(reader.step() for reader in readers.values()))
                idle = _IDLE_SECONDS[0] if any(moved) else min(idle * 1.5, _IDLE_SECONDS[1])
            except _StoppedError:
                return
            except AWSError as error:
                await note(self._cloud, mapping, f"PROBLEM: {error.message}")
                idle = _IDLE_SECONDS[1]
            except Exception:
                _log.exception("the event source %s could not be read", mapping.uuid)
                idle = _IDLE_SECONDS[1]
            if idle > _IDLE_SECONDS[0] or not any(reader.waiting for reader in readers.values()):
                await asyncio.sleep(idle)


def is_current(cloud: Cloud, mapping: Mapping) -> bool:
    """Whether the mapping is as it was when its readers began."""
    kept = MAPPINGS.get(cloud.store, mapping.account, mapping.region, mapping.uuid)
    return kept is not None and kept.enabled and kept.modified == mapping.modified


async def _client(cloud: Cloud, mapping: Mapping) -> Client:
    """Calls as the function's execution role, on behalf of Lambda."""
    role = get_version(cloud.store, mapping.name).configuration.role
    _, principal = await cloud.part(Roles).assume(role, mapping.name.name, mapping.region)
    return Client(cloud, principal, mapping.region, via=("lambda.amazonaws.com",))


async def _shards(cloud: Cloud, mapping: Mapping) -> list[str]:
    """The shards that may be read now: those whose parents were read to their end."""
    client = await _client(cloud, mapping)
    answer = await client.call("dynamodbstreams", "DescribeStream", {"StreamArn": mapping.source})
    shards = answer["StreamDescription"]["Shards"]
    known = {shard["ShardId"] for shard in shards}
    found = []
    for shard in shards:
        parent = shard.get("ParentShardId")
        done = CHECKPOINTS.get(cloud.store, mapping.uuid, parent) if parent in known else None
        own = CHECKPOINTS.get(cloud.store, mapping.uuid, shard["ShardId"])
        if (parent not in known or (done and done.ended)) and not (own and own.ended):
            found.append(shard["ShardId"])
    return found


@dataclass
class ShardReader:
    cloud: Cloud
    mapping: Mapping
    shard: str
    iterator: str | None = None
    waiting: list[Record] = field(default_factory=list)
    gathered_since: float = 0.0
    fetched: str = ""
    """The sequence number of the last record that was read."""
    kept_at: float = 0.0

    def __post_init__(self) -> None:
        self._matches = filters.compiled(self.mapping.filters)
        self._clock = self.cloud.clock

    async def step(self) -> bool:
        """Fetches, and processes batches if they are ready; whether anything moved."""
        wanted = self.mapping.batch_size * self.mapping.parallelization
        fetched = await self._fetch() if len(self.waiting) < wanted else False
        if not self.waiting or not self._ready():
            return fetched
        taken = self.waiting[:wanted]
        lanes = _lanes(taken, self.mapping.parallelization)
        alone = len(lanes) == 1
        await asyncio.gather(
            *(Delivery(self, _batches(lane, self.mapping.batch_size), alone=alone).deliver() for lane in lanes)
        )
        await self.checkpoint(_sequence(taken[-1]))
        del self.waiting[: len(taken)]
        self.gathered_since = self._clock.time()
        return True

    def _ready(self) -> bool:
        full = len(self.waiting) >= self.mapping.batch_size
        return full or self._clock.time() - self.gathered_since >= self.mapping.window

    async def _fetch(self) -> bool:
        client = await _client(self.cloud, self.mapping)
        if self.iterator is None:
            self.iterator = await self._position(client)
        try:
            answer = await client.call(
                "dynamodbstreams", "GetRecords", {"ShardIterator": self.iterator, "Limit": _FETCHED}
            )
        except AWSError as error:
            if error.code not in ("ExpiredIteratorException", "TrimmedDataAccessException", "ValidationException"):
                raise
            self.iterator = await self._after(client, self.fetched)
            return True
        self.iterator = answer.get("NextShardIterator")
        records = [_event(record, self.mapping) for record in answer["Records"]]
        if records:
            self.fetched = _sequence(records[-1])
        chosen = [record for record in records if self._matches(record)]
        if chosen and not self.waiting:
            self.gathered_since = self._clock.time()
        self.waiting += chosen
        if records and not self.waiting:
            await self.checkpoint(self.fetched)
        elif self.iterator and not self.fetched and self._clock.time() - self.kept_at > _KEEP_ITERATOR_SECONDS:
            await self._keep(Checkpoint(self.iterator))
        if self.iterator is None and not self.waiting:
            await self._keep(Checkpoint(ended=True))
        return bool(records)

    async def _position(self, client: Client) -> str:
        """Where reading goes on, or begins."""
        kept = CHECKPOINTS.get(self.cloud.store, self.mapping.uuid, self.shard)
        if kept is not None and kept.sequence:
            self.fetched = kept.sequence
            return await self._after(client, kept.sequence)
        if kept is not None and kept.iterator:
            return kept.iterator
        iterator = await self._start(client, self.mapping.starting_position)
        await self._keep(Checkpoint(iterator))
        return iterator

    async def _after(self, client: Client, sequence: str) -> str:
        """An iterator behind what was read; if that is gone, from the oldest record that is left."""
        if not sequence:
            return await self._start(client, self.mapping.starting_position)
        with contextlib.suppress(AWSError):
            return await self._start(client, "AFTER_SEQUENCE_NUMBER", sequence)
        return await self._start(client, "TRIM_HORIZON")

    async def _start(self, client: Client, kind: str, sequence: str = "") -> str:
        asked = {"StreamArn": self.mapping.source, "ShardId": self.shard, "ShardIteratorType": kind}
        if sequence:
            asked["SequenceNumber"] = sequence
        iterator: str = (await client.call("dynamodbstreams", "GetShardIterator", asked))["ShardIterator"]
        return iterator

    async def checkpoint(self, sequence: str) -> None:
        await self._keep(Checkpoint(sequence=sequence))

    async def _keep(self, checkpoint: Checkpoint) -> None:
        self.kept_at = self._clock.time()

        def change(tx: Transaction) -> None:
            if MAPPINGS.get(tx, self.mapping.account, self.mapping.region, self.mapping.uuid) is not None:
                CHECKPOINTS.put(tx, self.mapping.uuid, self.shard, value=checkpoint)

        await self.cloud.store.transact(change)


class Delivery:
    """Batches on their way to the function one after the other, in parts where they are bisected or partly done.

    Alone, it marks how far it came; beside others it leaves that to the reader, who knows when all are done."""

    def __init__(self, reader: ShardReader, batches: list[list[Record]], *, alone: bool) -> None:
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
            if not left:
                await self._mark(_sequence(part[-1]))
                await note(self._cloud, self._mapping, "OK")
                return
            await note(self._cloud, self._mapping, "PROBLEM: Function call failed")
            if len(left) < len(part):
                await self._mark(_sequence(part[-len(left) - 1]))
                attempts = 0
                part = left
            attempts += outcome is not None
            if outcome is not None and self._mapping.retries >= 0 and attempts > self._mapping.retries:
                await self._discard(part, "RetryAttemptsExhausted", attempts, outcome)
                return
            if outcome is not None and self._mapping.bisect and len(part) > 1:
                middle = len(part) // 2
                self._parts[:0] = [part[:middle], part[middle:]]
                return
            await asyncio.sleep(min(_RETRY_SECONDS[0] * 2 ** min(attempts, 10), _RETRY_SECONDS[1]))
            if not is_current(self._cloud, self._mapping):
                raise _StoppedError

    async def _mark(self, sequence: str) -> None:
        if self._alone:
            await self._reader.checkpoint(sequence)

    def _too_old(self, part: list[Record]) -> int:
        """How many records at the beginning are older than the mapping lets them be."""
        if self._mapping.record_age < 0:
            return 0
        before = self._cloud.clock.time() - self._mapping.record_age
        return sum(1 for record in part if record["dynamodb"]["ApproximateCreationDateTime"] < before)

    async def _invoke(self, part: list[Record]) -> Outcome | None:
        """None where the function could not be run."""
        execution = self._cloud.part(Execution)
        try:
            version = execution.resolve(self._mapping.name)
            return await execution.run(
                self._mapping.name,
                version,
                Invocation(
                    request_id=request_id(),
                    payload=orjson.dumps({"Records": part}),
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
                "startSequenceNumber": _sequence(part[0]),
                "endSequenceNumber": _sequence(part[-1]),
                "approximateArrivalOfFirstRecord": _arrival(part[0]),
                "approximateArrivalOfLastRecord": _arrival(part[-1]),
                "batchSize": len(part),
                "streamArn": self._mapping.source,
            }
            await destinations.send(
                self._cloud, self._mapping.name.at(self._mapping.name.qualifier or LATEST), target, about
            )
        await self._mark(_sequence(part[-1]))


def _lanes(records: list[Record], count: int) -> list[list[Record]]:
    """Records of one item stay in order in one lane."""
    if count == 1:
        return [records]
    lanes: dict[int, list[Record]] = {}
    for record in records:
        item = orjson.dumps(record["dynamodb"]["Keys"], option=orjson.OPT_SORT_KEYS)
        lanes.setdefault(zlib.crc32(item) % count, []).append(record)
    return list(lanes.values())


def _batches(records: list[Record], most: int) -> list[list[Record]]:
    """Cut so that each fits a batch and a payload."""
    batches: list[list[Record]] = []
    size = 0
    for record in records:
        length = len(orjson.dumps(record)) + 1
        if not batches or len(batches[-1]) >= most or size + length > limits.REQUEST_BYTES - 100:
            batches.append([])
            size = 0
        batches[-1].append(record)
        size += length
    return batches


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
    if answer is None or answer == {}:
        return []
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else part
    if failures is None or failures == []:
        return []
    if not isinstance(failures, list) or not all(isinstance(one, dict) for one in failures):
        return part
    identifiers = {one.get("itemIdentifier") for one in failures}
    places = [place for place, record in enumerate(part) if _sequence(record) in identifiers]
    if len(places) < len(identifiers):
        return part
    return part[places[0] :]


def _sequence(record: Record) -> str:
    sequence: str = record["dynamodb"]["SequenceNumber"]
    return sequence


def _arrival(record: Record) -> str:
    moment = datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _event(record: Record, mapping: Mapping) -> Record:
    """A stream's record as functions are given it."""
    change = record["dynamodb"]
    event = {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record["eventVersion"],
        "eventSource": record["eventSource"],
        "awsRegion": record["awsRegion"],
        "dynamodb": {
            **change,
            "ApproximateCreationDateTime": int(change["ApproximateCreationDateTime"].timestamp()),
            **{image: _printable(change[image]) for image in ("Keys", "NewImage", "OldImage") if image in change},
        },
        "eventSourceARN": mapping.source,
    }
    identity = record.get("userIdentity")
    if identity:
        event["userIdentity"] = {"type": identity["Type"], "principalId": identity["PrincipalId"]}
    return event


def _printable(value: Any) -> Any:
    """Attribute values with binary ones in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list) else value


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


@service.every(_TICK_SECONDS, "event-sources")
async def tick(cloud: Cloud) -> None:
    cloud.part(Pollers).tick()


async def _stop(cloud: Cloud) -> None:
    await cloud.part(Pollers).close()


service.on_stop.insert(0, _stop)
