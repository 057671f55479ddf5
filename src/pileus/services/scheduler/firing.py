"""Running what is due, as the role that its target names.

An invocation is accepted durably before the schedule moves on, so that a crash repeats it rather than loses it; what
fell due while the cloud was down runs once.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import takewhile

import orjson

from pileus.aws.errors import AWSError
from pileus.aws.identifiers import request_id
from pileus.security import tokens
from pileus.security.principals import Principal
from pileus.security.principals import service as service_principal
from pileus.services.context import Cloud
from pileus.services.scheduler import service
from pileus.services.scheduler.records import (
    DUE,
    SCHEDULES,
    Key,
    Schedule,
    delete_schedule,
    placed,
    put_schedule,
    schedule_arn,
)
from pileus.store.interface import Transaction

_log = logging.getLogger(__name__)


async def assume(cloud: Cloud, key: Key, role: str) -> Principal:
    """The role's session. Raises ValidationException where the role does not let the scheduler in."""
    account, region, _ = key
    client = cloud.client(service_principal("scheduler.amazonaws.com", account, schedule_arn(key)), region=region)
    try:
        answer = await client.call(
            "sts", "AssumeRole", {"RoleArn": role, "RoleSessionName": placed(key)[1][:64].ljust(2, "-")}
        )
    except AWSError as error:
        raise AWSError(
            "ValidationException",
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        ) from error
    return tokens.Opener(cloud.keyring.sealer).open(answer["Credentials"]["SessionToken"])[1]


@service.every(1, "schedules")
async def fire(cloud: Cloud) -> None:
    """Runs the schedules that are due, the earliest first."""
    now = cloud.clock.time() * 1000
    # Read no further than to the first that is not due.
    for (due, *rest), _ in list(takewhile(lambda row: int(str(row[0][0])) <= now, DUE.scan(cloud.store))):
        account, region, name = map(str, rest)
        key = (account, region, name)
        schedule = SCHEDULES.get(cloud.store, *key)
        if schedule is not None and schedule.due == due:
            await _run(cloud, key, schedule)

        def change(tx: Transaction, key: Key = key, due: int = int(str(due))) -> None:
            _move_on(tx, key, due, cloud.clock.time())

        await cloud.store.transact(change)


def _move_on(tx: Transaction, key: Key, due: int, now: float) -> None:
    schedule = SCHEDULES.get(tx, *key)
    if schedule is None or schedule.due != due:
        DUE.delete(tx, due, *key)
        return
    following = schedule.following(schedule.moment)
    put_schedule(tx, key, schedule, schedule.moment if following is None or following > now else now)
    if not schedule.due and schedule.delete_after:
        delete_schedule(tx, key)


async def _run(cloud: Cloud, key: Key, schedule: Schedule) -> None:
    target = schedule.target
    try:
        role = await assume(cloud, key, target["RoleArn"])
        await cloud.client(role, region=key[1]).call(
            "lambda",
            "Invoke",
            {
                "FunctionName": target["Arn"],
                "InvocationType": "Event",
                "Payload": payload(key, schedule),
            },
        )
    except AWSError as error:
        _log.warning("the schedule %s could not run %s: %s", schedule_arn(key), target["Arn"], error)


def payload(key: Key, schedule: Schedule) -> bytes:
    """The target's input with its context attributes filled in, or the event that says what ran.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    account, region, _ = key
    time = datetime.fromtimestamp(schedule.moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    given: str | None = schedule.target.get("Input")
    if given is None:
        about = {
            "version": "0",
            "id": request_id(),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account,
            "time": time,
            "region": region,
            "resources": [schedule_arn(key)],
            "detail": "{}",
        }
        return orjson.dumps(about)
    for attribute, value in {
        "schedule-arn": schedule_arn(key),
        "scheduled-time": time,
        "execution-id": request_id(),
        "attempt-number": "1",
    }.items():
        given = given.replace(f"<aws.scheduler.{attribute}>", value)
    return given.encode()
