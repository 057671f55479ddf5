"""Reading event sources: one reader a shard, which hands batches to the function and remembers how far it came.

A batch that fails is tried again until it succeeds, is too old, or was tried often enough; meanwhile the shard waits,
as on AWS. The process that holds the lease for periodic work reads; a crash repeats at most the batch in hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from pileus.aws.errors import AWSError
from pileus.runtime.interface import Outcome
from pileus.services.client import Client
from pileus.services.context import Cloud
from pileus.services.lambda_ import filters, service
from pileus.services.lambda_.deliveries import Delivery, StoppedError, is_current, note
from pileus.services.lambda_.records import CHECKPOINTS, MAPPINGS, Checkpoint, Mapping, get_version
from pileus.services.lambda_.roles import Roles
from pileus.services.lambda_.stream_records import Record, batches, event_of, lanes, sequence_of
from pileus.services.lambda_.windows import TumblingWindow
from pileus.store.interface import Transaction

_log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_TICKS_KEPT_SECONDS = 6.0
_IDLE_SECONDS = (0.2, 1.0)
_FETCHED = 1000
_KEEP_ITERATOR_SECONDS = 300.0
"""How often a reader that has seen no record yet keeps where it is; iterators expire after fifteen minutes."""


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
            except StoppedError:
                return
            except AWSError as error:
                await note(self._cloud, mapping, f"PROBLEM: {error.message}")
                idle = _IDLE_SECONDS[1]
            except Exception:
                _log.exception("the event source %s could not be read", mapping.uuid)
                idle = _IDLE_SECONDS[1]
            if idle > _IDLE_SECONDS[0] or not any(reader.waiting for reader in readers.values()):
                await asyncio.sleep(idle)


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
    done: str = ""
    """That of the last record that needs no more work."""
    kept_at: float = 0.0

    def __post_init__(self) -> None:
        self._matches = filters.compiled(self.mapping.filters)
        self._clock = self.cloud.clock
        kept = CHECKPOINTS.get(self.cloud.store, self.mapping.uuid, self.shard) or Checkpoint()
        self._window = TumblingWindow(self.mapping.tumbling, kept.window, kept.state) if self.mapping.tumbling else None

    def members(self, *, final: bool) -> dict[str, Any]:
        window = self._window
        return window.members(self.shard, self.mapping.source, final=final) if window is not None else {}

    def took(self, outcome: Outcome) -> None:
        if self._window is not None:
            self._window.took(outcome)

    async def step(self) -> bool:
        """Fetches, and processes batches if they are ready; whether anything moved."""
        wanted = self.mapping.batch_size * self.mapping.parallelization
        fetched = await self._fetch() if len(self.waiting) < wanted else False
        if self._window is not None and self._window.is_over(next(iter(self.waiting), None), self._clock.time()):
            await Delivery(self, [], alone=True).conclude()
            self._window.close()
            await self._keep(Checkpoint(sequence=self.done))
            return True
        if not self.waiting or not self._ready():
            return fetched
        taken = self.waiting[:wanted]
        if self._window is not None:
            self._window.start = self._window.of(taken[0])
            taken = list(takewhile(self._in_window, taken))
        split = lanes(taken, self.mapping.parallelization)
        alone = len(split) == 1
        await asyncio.gather(
            *(Delivery(self, batches(lane, self.mapping.batch_size), alone=alone).deliver() for lane in split)
        )
        await self.checkpoint(sequence_of(taken[-1]))
        del self.waiting[: len(taken)]
        self.gathered_since = self._clock.time()
        return True

    def _in_window(self, record: Record) -> bool:
        return self._window is None or self._window.of(record) == self._window.start

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
        records = [event_of(record, self.mapping) for record in answer["Records"]]
        if records:
            self.fetched = sequence_of(records[-1])
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
            self.fetched = self.done = kept.sequence
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
        self.done = sequence
        await self._keep(Checkpoint(sequence=sequence))

    async def _keep(self, checkpoint: Checkpoint) -> None:
        self.kept_at = self._clock.time()
        if self._window is not None:
            checkpoint.window, checkpoint.state = self._window.start, self._window.state

        def change(tx: Transaction) -> None:
            if MAPPINGS.get(tx, self.mapping.account, self.mapping.region, self.mapping.uuid) is not None:
                CHECKPOINTS.put(tx, self.mapping.uuid, self.shard, value=checkpoint)

        await self.cloud.store.transact(change)


@service.every(_TICK_SECONDS, "event-sources")
async def tick(cloud: Cloud) -> None:
    cloud.part(Pollers).tick()


async def _stop(cloud: Cloud) -> None:
    await cloud.part(Pollers).close()


service.on_stop.insert(0, _stop)
