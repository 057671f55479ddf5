"""Operations under way: begun by a request, run in the background, taken up again after a crash.

One process is at an operation at a time. It writes a beat with every step and every few seconds between; when
beats stop, the process that holds the periodic lease takes the operation over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import Any

from pileus.aws.errors import AWSError
from pileus.aws.identifiers import request_id
from pileus.security import tokens
from pileus.security.principals import Principal
from pileus.security.principals import service as service_principal
from pileus.services.client import Client
from pileus.services.cloudformation import service
from pileus.services.cloudformation.journal import LostError
from pileus.services.cloudformation.provisioning import Run
from pileus.services.cloudformation.records import (
    CHANGE_SETS,
    EVENTS,
    LEASES,
    OPERATIONS,
    RESOURCES,
    RETENTION,
    STACKS,
    Lease,
    Operation,
)
from pileus.services.cloudformation.steps import MarkingCaller, Tags
from pileus.services.context import Cloud, Context
from pileus.store.interface import Transaction
from pileus.store.keys import Element

log = logging.getLogger(__name__)

PRINCIPAL = "cloudformation.amazonaws.com"
BEAT_SECONDS = 5.0
SILENCE_SECONDS = 20.0


class Runner:
    """The operations that this process is at. `id` names the process in their journals."""

    def __init__(self, cloud: Cloud) -> None:
        self.id = request_id()
        self._cloud = cloud
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, operation: Operation) -> None:
        """Goes on with an operation whose lease this process holds, when the stack's last one has left."""
        identifier = operation.stack_id
        task = asyncio.get_running_loop().create_task(self._run(operation, self._tasks.get(identifier)))
        self._tasks[identifier] = task
        task.add_done_callback(partial(self._left, identifier))

    def _left(self, identifier: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(identifier) is task:
            del self._tasks[identifier]

    async def _run(self, operation: Operation, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        key = (operation.account, operation.region, operation.stack_id)
        stack = STACKS.get(self._cloud.store, *key)
        if stack is None:
            return
        beats = asyncio.get_running_loop().create_task(self._beat(operation))
        try:
            await Run(self._cloud, operation, stack, await self._caller(operation), self.id).execute()
        except LostError:
            log.warning("another process goes on with %s", operation.stack_id)
        except Exception:
            log.exception("the operation on %s stopped; it is taken up again", operation.stack_id)
        finally:
            beats.cancel()

    async def _beat(self, operation: Operation) -> None:
        key = (operation.account, operation.region, operation.stack_id)

        def change(tx: Transaction) -> None:
            kept = LEASES.get(tx, *key)
            if kept is not None and kept.owner == self.id:
                LEASES.put(tx, *key, value=Lease(self.id, self._cloud.clock.time()))

        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with contextlib.suppress(AWSError):
                await self._cloud.store.transact(change)

    async def _caller(self, operation: Operation) -> MarkingCaller:
        """The stack's role if it has one, else the one who asked, for as long as their session lasts."""
        cloud, role = self._cloud, operation.goal.role_arn
        region = operation.region
        held: list[Principal] = []

        async def call(name: str, action: str, request: dict[str, Any], marks: Tags) -> dict[str, Any]:
            if not held:
                held.append(await _assume(cloud, role, region, operation.account) if role else operation.principal)
            session = held[0].session
            if session is not None and session.expires <= cloud.clock.time():
                raise AWSError("ExpiredToken", "The security token included in the request is expired", status=400)
            client = Client(cloud, held[0], region, via=(PRINCIPAL,), system_tags=marks)
            return await client.call(name, action, request)

        return call

    async def claim(self, silence: float) -> None:
        """Takes over operations that nobody has worked on for `silence` seconds."""
        limit = self._cloud.clock.time() - silence
        for key, lease in list(LEASES.scan(self._cloud.store)):
            if str(key[2]) in self._tasks or lease.beat > limit:
                continue
            operation = await self._cloud.store.transact(partial(self._take, key, lease))
            if operation is not None:
                self.start(operation)

    def _take(self, key: tuple[Element, ...], seen: Lease, tx: Transaction) -> Operation | None:
        if LEASES.get(tx, *key) != seen:
            return None
        LEASES.put(tx, *key, value=Lease(self.id, self._cloud.clock.time()))
        return OPERATIONS.get(tx, *key)

    async def stop(self) -> None:
        """Operations are cut off where they are; their journals say where to go on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _assume(cloud: Cloud, role: str, region: str, account: str) -> Principal:
    client = cloud.client(service_principal(PRINCIPAL, account), region=region)
    try:
        answer = await client.call("sts", "AssumeRole", {"RoleArn": role, "RoleSessionName": "AWSCloudFormation"})
    except AWSError as error:
        message = f"Role {role} is invalid or cannot be assumed"
        raise AWSError("ValidationError", message, status=400) from error
    _, principal = tokens.Opener(cloud.keyring.sealer).open(answer["Credentials"]["SessionToken"])
    return principal


def begin(context: Context, tx: Transaction, operation: Operation) -> None:
    """Writes the first line of the journal: from now on the operation survives this process, which is at it."""
    key = (operation.account, operation.region, operation.stack_id)
    OPERATIONS.put(tx, *key, value=operation)
    LEASES.put(tx, *key, value=Lease(context.cloud.part(Runner).id, operation.started))


async def _start(cloud: Cloud) -> None:
    if cloud.settings.workers == 1:
        # No other process can be at them.
        await cloud.part(Runner).claim(0.0)


async def _stop(cloud: Cloud) -> None:
    await cloud.part(Runner).stop()


service.on_start.append(_start)
service.on_stop.append(_stop)


@service.every(BEAT_SECONDS, "resume")
async def resume(cloud: Cloud) -> None:
    await cloud.part(Runner).claim(SILENCE_SECONDS)


@service.every(3600.0, "forget")
async def forget(cloud: Cloud) -> None:
    """Drops what is known of stacks that were deleted long ago."""
    limit = cloud.clock.time() - RETENTION
    old = [key for key, stack in STACKS.scan(cloud.store) if stack.deleted is not None and stack.deleted < limit]

    def change(tx: Transaction) -> None:
        for key in old:
            STACKS.delete(tx, *key)
            for records in (EVENTS, RESOURCES, CHANGE_SETS):
                records.delete_all(tx, *key)

    if old:
        await cloud.store.transact(change)
