"""Work that goes on after its request was answered: back-filling an index, making a backup, restoring, export, import.

A job is a record in the store, so that it survives the process. Whoever runs it claims it for some seconds and renews
the claim; a job whose claim has run out is taken up again. Each kind of work can be begun anew at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pileus.aws.identifiers import request_id
from pileus.services.context import Cloud
from pileus.services.dynamodb import service
from pileus.store.interface import Transaction
from pileus.store.records import Records

log = logging.getLogger("pileus.dynamodb")
_CLAIM_SECONDS = 20.0


class Job(msgspec.Struct):
    kind: str
    arguments: dict[str, Any]
    claimed_until: float = 0.0
    claimed_by: str = ""


Handler = Callable[[Cloud, dict[str, Any]], Awaitable[None]]
_jobs = Records(Job, "dynamodb", "job")
_handlers: dict[str, Handler] = {}


def handles(kind: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        _handlers[kind] = handler
        return handler

    return register


def put(tx: Transaction, kind: str, **arguments: Any) -> None:
    _jobs.put(tx, request_id(), value=Job(kind, arguments))


class _Running:
    """The tasks of this process: kept, so that they are not collected while they run."""

    def __init__(self, cloud: Cloud) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.owner = request_id()


def start(cloud: Cloud) -> None:
    """Takes up all jobs that nobody runs, without waiting for them."""
    running = cloud.part(_Running)
    for (identity,), _ in list(_jobs.scan(cloud.store)):
        task = asyncio.get_running_loop().create_task(_run(cloud, str(identity), running.owner))
        running.tasks.add(task)
        task.add_done_callback(running.tasks.discard)


async def _run(cloud: Cloud, identity: str, owner: str) -> None:
    job = await cloud.store.transact(lambda tx: _claim(tx, identity, owner, cloud.clock.time(), fresh=True))
    if job is None:
        return
    renewing = asyncio.get_running_loop().create_task(_renew(cloud, identity, owner))
    try:
        await _handlers[job.kind](cloud, job.arguments)
        await cloud.store.transact(lambda tx: _jobs.delete(tx, identity))
    except Exception:
        # It stays and is tried again once the claim has run out.
        log.exception("DynamoDB's %s job failed", job.kind)
    finally:
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing


async def _renew(cloud: Cloud, identity: str, owner: str) -> None:
    while True:
        await asyncio.sleep(_CLAIM_SECONDS / 3)
        await cloud.store.transact(lambda tx: _claim(tx, identity, owner, cloud.clock.time(), fresh=False))


def _claim(tx: Transaction, identity: str, owner: str, now: float, *, fresh: bool) -> Job | None:
    job = _jobs.get(tx, identity)
    if job is None or (job.claimed_until > now and (fresh or job.claimed_by != owner)):
        return None
    job.claimed_until = now + _CLAIM_SECONDS
    job.claimed_by = owner
    _jobs.put(tx, identity, value=job)
    return job


@service.every(10, "jobs")
async def resume(cloud: Cloud) -> None:
    start(cloud)
