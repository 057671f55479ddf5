"""Asynchronous invocations: a queue in the store, from which every worker process takes.

An event lies under its function and the moment it is due. Whoever runs it claims it, and renews the claim while it
runs. If the process dies the claim runs out and another takes the event, so an accepted event runs at least once. https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, takewhile

import msgspec

from pileus.aws.errors import AWSError
from pileus.runtime.interface import Invocation, Outcome
from pileus.services.context import Cloud, Context
from pileus.services.lambda_ import destinations, limits, recursion, service
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.names import LATEST, FunctionName
from pileus.services.lambda_.records import EVENT_INVOKE_CONFIGS, EventInvokeConfig
from pileus.store.interface import Reader, Transaction
from pileus.store.keys import Element, prefix_range, unpack
from pileus.store.records import Records

_log = logging.getLogger(__name__)

CLAIM_SECONDS = 10.0
_RENEW_SECONDS = 3.0
_POLL_SECONDS = 1.0
_RUNNING_PER_FUNCTION = 50
_RUNNING = 200
_LONGEST_BACKOFF = 300.0


class Event(msgspec.Struct):
    """An accepted invocation. `attempts` counts runs that failed in the function, `delays` those that never began."""

    id: str
    account: str
    region: str
    name: str
    qualifier: str
    payload: bytes
    received: float
    cognito_identity_id: str = ""
    cognito_identity_pool_id: str = ""
    trace: str = ""
    attempts: int = 0
    delays: int = 0

    @property
    def function(self) -> FunctionName:
        return FunctionName(self.account, self.region, self.name, self.qualifier)


EVENTS = Records(Event, "lambda", "event")
"""(account, region, function's name, due in milliseconds, id)"""
CLAIMS = Records(int, "lambda", "event-claim")
"""(id): the millisecond until which somebody runs the event."""

Key = tuple[Element, ...]


class EventQueue:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._store = cloud.store
        self._clock = cloud.clock
        self.retry_delays: tuple[float, ...] = (60.0, 120.0)
        self._running: dict[str, Key] = {}
        """Where the events that run here lie now."""
        self._busy: Counter[tuple[str, str, str]] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(self._poll(), name="lambda events"),
            asyncio.create_task(self._renew(), name="lambda event claims"),
        ]

    async def close(self) -> None:
        """Stops taking events and gives back those that run."""
        tasks = [*self._loops, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        def give_back(tx: Transaction) -> None:
            for id_ in self._running:
                CLAIMS.delete(tx, id_)

        await self._store.transact(give_back)

    async def accept(self, event: Event) -> None:
        """Durable when it returns. Runs here at once where there is room."""
        function = event.function.key
        room = self._has_room(function)
        key = (*function, self._due(0), event.id)
        until = self._due(CLAIM_SECONDS)

        def change(tx: Transaction) -> None:
            EVENTS.put(tx, *key, value=event)
            if room:
                CLAIMS.put(tx, event.id, value=until)

        await self._store.transact(change)
        if room:
            self._run(key, event)
        else:
            self._wake.set()

    def _due(self, delay: float) -> int:
        return int((self._clock.time() + delay) * 1000)

    def _has_room(self, function: tuple[str, str, str]) -> bool:
        return len(self._running) < _RUNNING and self._busy[function] < _RUNNING_PER_FUNCTION

    async def _poll(self) -> None:
        while True:
            self._wake.clear()
            try:
                for key, event in await self._claim():
                    self._run(key, event)
            except Exception:
                _log.exception("queued events could not be taken")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _POLL_SECONDS)

    async def _claim(self) -> list[tuple[Key, Event]]:
        """Takes what is due, of each function no more than there is room for."""
        now = self._due(0)
        if next(_due_events(self._store, now, self._room), None) is None:
            return []
        until = self._due(CLAIM_SECONDS)

        def change(tx: Transaction) -> list[tuple[Key, Event]]:
            taken = list(_due_events(tx, now, self._room))
            for _, event in taken:
                CLAIMS.put(tx, event.id, value=until)
            return taken

        return await self._store.transact(change)

    def _room(self, function: tuple[str, str, str]) -> int:
        return min(_RUNNING - len(self._running), _RUNNING_PER_FUNCTION - self._busy[function])

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            until = self._due(CLAIM_SECONDS)

            def change(tx: Transaction, until: int = until) -> None:
                for id_, key in self._running.items():
                    if EVENTS.get(tx, *key) is not None:
                        CLAIMS.put(tx, id_, value=until)

            try:
                if self._running:
                    await self._store.transact(change)
            except Exception:
                _log.exception("claims on running events could not be renewed")

    def _run(self, key: Key, event: Event) -> None:
        self._running[event.id] = key
        self._busy[event.function.key] += 1
        task = asyncio.create_task(self._attempt(event), name=f"event {event.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, event: Event) -> None:
        try:
            await self._attempt_once(event)
        except asyncio.CancelledError:
            raise
        except Exception:
            _log.exception("event %s of %s could not be run", event.id, event.function.arn)
            await self._again(event, None, _backoff(event))
        finally:
            self._busy[event.function.key] -= 1
        self._running.pop(event.id, None)
        self._wake.set()

    async def _attempt_once(self, event: Event) -> None:
        config = _config(self._store, event.function)
        if self._clock.time() >= event.received + _maximum_age(config):
            await self._end(event, config, None, "EventAgeExceeded")
            return
        execution = self._cloud.part(Execution)
        try:
            version = execution.resolve(event.function)
            outcome = await execution.run(
                event.function,
                version,
                Invocation(
                    request_id=event.id,
                    payload=event.payload,
                    invoked_arn=event.function.qualified_arn,
                    cognito_identity_id=event.cognito_identity_id,
                    cognito_identity_pool_id=event.cognito_identity_pool_id,
                    trace_id=event.trace,
                ),
            )
        except AWSError as error:
            if error.code == "ResourceNotFoundException":
                await self._forget(event)
                return
            await self._again(event, config, _backoff(event))
            return
        event.attempts += 1
        if outcome.function_error is None:
            await self._end(event, config, outcome, "Success")
        elif event.attempts > _maximum_retries(config):
            await self._end(event, config, outcome, "RetriesExhausted")
        else:
            delay = self.retry_delays[min(event.attempts, len(self.retry_delays)) - 1]
            if self._clock.time() + delay >= event.received + _maximum_age(config):
                await self._end(event, config, outcome, "EventAgeExceeded")
            else:
                await self._later(event, delay)

    async def _again(self, event: Event, config: EventInvokeConfig | None, delay: float) -> None:
        """Throttled, or in trouble that is not the function's."""
        event.delays += 1
        if self._clock.time() + delay >= event.received + _maximum_age(config):
            await self._end(event, config, None, "EventAgeExceeded")
        else:
            await self._later(event, delay)

    async def _later(self, event: Event, delay: float) -> None:
        due = self._due(delay)

        def change(tx: Transaction) -> None:
            key = self._running[event.id]
            EVENTS.delete(tx, *key)
            CLAIMS.delete(tx, event.id)
            EVENTS.put(tx, *key[:3], due, event.id, value=event)

        await self._store.transact(change)

    async def _forget(self, event: Event) -> None:
        def change(tx: Transaction) -> None:
            EVENTS.delete(tx, *self._running[event.id])
            CLAIMS.delete(tx, event.id)

        await self._store.transact(change)

    async def _end(
        self, event: Event, config: EventInvokeConfig | None, outcome: Outcome | None, condition: str
    ) -> None:  # fmt: skip
        target = config and (config.on_success if condition == "Success" else config.on_failure)
        if target:
            record = destinations.record(
                event.id,
                event.function.at(event.qualifier or LATEST).qualified_arn,
                condition,
                event.attempts,
                self._clock.now(),
                outcome,
            )
            record["requestPayload"] = msgspec.Raw(event.payload)
            if outcome is not None:
                record["responsePayload"] = destinations.embedded(outcome.payload)
            await destinations.send(self._cloud, event.function, target, record, folder=f"async/{event.name}")
        await self._forget(event)


def _due_events(reader: Reader, now: int, room: Callable[[tuple[str, str, str]], int]) -> Iterator[tuple[Key, Event]]:
    """What is due and not claimed, function by function (a seek for each that has events), up to the room of each."""
    start, end = prefix_range("lambda", "event")
    while (first := next(reader.range(start, end, limit=1), None)) is not None:
        account, region, name = map(str, unpack(first[0])[2:5])
        due = takewhile(lambda row: row[0][3] <= now, EVENTS.scan(reader, account, region, name))  # type: ignore[operator]
        free = (row for row in due if (CLAIMS.get(reader, row[1].id) or 0) <= now)
        yield from islice(free, max(0, room((account, region, name))))
        start = prefix_range("lambda", "event", account, region, name)[1]


def _backoff(event: Event) -> float:
    return float(min(2.0 ** min(event.delays, 10), _LONGEST_BACKOFF))


def _config(reader: Reader, function: FunctionName) -> EventInvokeConfig | None:
    return EVENT_INVOKE_CONFIGS.get(reader, *function.key, function.qualifier or LATEST)


def _maximum_age(config: EventInvokeConfig | None) -> int:
    return (config and config.maximum_event_age) or limits.EVENT_AGE_SECONDS


def _maximum_retries(config: EventInvokeConfig | None) -> int:
    asked = config.maximum_retry_attempts if config else None
    return limits.RETRY_ATTEMPTS if asked is None else asked


async def accept(context: Context, name: FunctionName, payload: bytes, identity: tuple[str, str]) -> None:
    event = Event(
        context.request_id,
        *name,
        payload,
        context.cloud.clock.time(),
        *identity,
        recursion.traced(context.store, name, context.headers.get("x-amzn-trace-id", "")),
    )
    await context.cloud.part(EventQueue).accept(event)


async def _start(cloud: Cloud) -> None:
    cloud.part(EventQueue).start()


async def _stop(cloud: Cloud) -> None:
    await cloud.part(EventQueue).close()


service.on_start.append(_start)
service.on_stop.insert(0, _stop)  # before the runtime, so that what runs is given back and not failed
