"""What the scheduler keeps: schedules, and when each is due."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError
from pileus.aws.schedules import parse
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

DEFAULT_GROUP = "default"


class Schedule(msgspec.Struct):
    expression: str
    zone: str
    target: dict[str, Any]
    created: float
    modified: float
    state: str = "ENABLED"
    description: str = ""
    start: float | None = None
    end: float | None = None
    window: int = 0
    """Minutes within which it may run, 0 for at once."""
    delete_after: bool = False
    moment: float = 0.0
    """What it is due for, seconds since the epoch."""
    due: int = 0
    """Milliseconds: the moment, or a while after it in the window; 0 while it is not scheduled."""

    def following(self, after: float) -> float | None:
        """The next moment that it runs for."""
        if self.state != "ENABLED":
            return None
        found = parse(self.expression, self.zone)(max(after, (self.start or 0.0) - 1e-3))
        return None if found is None or (self.end is not None and found > self.end) else found


class ScheduleGroup(msgspec.Struct):
    created: float
    modified: float
    tags: dict[str, str] = {}


GROUPS = Records(ScheduleGroup, "scheduler", "group")
"""(account, region, name). The default one is always there, though it has a record only where it was tagged."""
SCHEDULES = Records(Schedule, "scheduler", "schedule")
"""(account, region, name): in the default group the name, in others `group/name`."""
DUE = Records(int, "scheduler", "due")
"""(milliseconds, account, region, name): the schedules that run again, in their order."""

Key = tuple[str, str, str]


def schedule_key(context: Context, request: Shape) -> Key:
    group = request.get("GroupName") or DEFAULT_GROUP
    name = request["Name"] if group == DEFAULT_GROUP else f"{group}/{request['Name']}"
    return context.account, context.region, name


def placed(key: Key) -> tuple[str, str]:
    """The group and the name of a schedule."""
    group, _, name = key[2].rpartition("/")
    return group or DEFAULT_GROUP, name


def schedule_arn(key: Key) -> str:
    account, region, _ = key
    return arn("scheduler", region, account, f"schedule/{'/'.join(placed(key))}")


def get_group(reader: Reader, key: Key) -> ScheduleGroup:
    group = GROUPS.get(reader, *key)
    if group is None and key[2] == DEFAULT_GROUP:
        return ScheduleGroup(0, 0)
    if group is None:
        raise AWSError("ResourceNotFoundException", f"Schedule group {key[2]} does not exist.")
    return group


def check_group(reader: Reader, key: Key) -> None:
    """Raises where a schedule's group does not exist."""
    get_group(reader, (*key[:2], placed(key)[0]))


def schedules_of(reader: Reader, group: Key) -> Iterator[tuple[Key, Schedule]]:
    account, region, name = group
    for key, schedule in SCHEDULES.scan(reader, account, region):
        found = (account, region, str(key[2]))
        if placed(found)[0] == name:
            yield found, schedule


def get_schedule(reader: Reader, key: Key) -> Schedule:
    check_group(reader, key)
    schedule = SCHEDULES.get(reader, *key)
    if schedule is None:
        raise AWSError("ResourceNotFoundException", f"Schedule {placed(key)[1]} does not exist.")
    return schedule


def put_schedule(tx: Transaction, key: Key, schedule: Schedule, after: float) -> None:
    """Keeps a schedule, and when it runs next."""
    if schedule.due:
        DUE.delete(tx, schedule.due, *key)
    moment = schedule.following(after)
    schedule.moment = moment or 0.0
    late = random.random() * schedule.window * 60  # noqa: S311 - spreads load, guards nothing
    schedule.due = int((moment + late) * 1000) if moment is not None else 0
    if schedule.due:
        DUE.put(tx, schedule.due, *key, value=1)
    SCHEDULES.put(tx, *key, value=schedule)


def delete_schedule(tx: Transaction, key: Key) -> None:
    schedule = SCHEDULES.get(tx, *key)
    if schedule is not None and schedule.due:
        DUE.delete(tx, schedule.due, *key)
    SCHEDULES.delete(tx, *key)
