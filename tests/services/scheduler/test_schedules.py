"""Schedules over the wire, and what runs when they are due."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pileus.aws.clock import Clock
from pileus.gateway.cloud import open_cloud
from pileus.security.principals import ANONYMOUS
from pileus.services.context import Settings
from pileus.services.scheduler import firing
from pileus.services.scheduler.records import DUE, SCHEDULES, Schedule, put_schedule
from pileus.testing import Account

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
KEY = ("123456789012", "us-east-1", "s")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def test_schedules_are_kept(account: Any) -> None:
    scheduler, iam = account.client("scheduler"), account.client("iam")
    role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    target = {"Arn": FUNCTION, "RoleArn": role, "Input": '{"a": 1}'}
    asked = {
        "Name": "daily",
        "ScheduleExpression": "cron(0 9 * * ? *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
    }
    arn = scheduler.create_schedule(**asked)["ScheduleArn"]
    assert arn == f"arn:aws:scheduler:us-east-1:{account.id}:schedule/default/daily"
    shown = scheduler.get_schedule(Name="daily")
    assert {name: shown[name] for name in asked} == asked
    assert (shown["State"], shown["ActionAfterCompletion"]) == ("ENABLED", "NONE")
    with pytest.raises(scheduler.exceptions.ConflictException):
        scheduler.create_schedule(**asked)
    scheduler.update_schedule(**{**asked, "State": "DISABLED"})
    (listed,) = scheduler.list_schedules(NamePrefix="da")["Schedules"]
    assert (listed["Arn"], listed["State"], listed["Target"]) == (arn, "DISABLED", {"Arn": FUNCTION})
    untrusting = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "ec2.amazonaws.com"}}]}  # type: ignore[dict-item]
    other = iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(untrusting))["Role"]["Arn"]
    for change, code, message in (
        ({"ScheduleExpression": "daily"}, "ValidationException", "Invalid Schedule Expression daily."),
        ({"ScheduleExpressionTimezone": "Mars"}, "ValidationException", "Invalid Schedule Expression Timezone Mars."),
        (
            {"Target": {**target, "RoleArn": other}},
            "ValidationException",
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        ),
        ({"GroupName": "none"}, "ResourceNotFoundException", "Schedule group none does not exist."),
        ({"Target": {**target, "Arn": "arn:aws:sqs:us-east-1:1:q"}}, "NotImplemented", "Pileus does not implement"),
    ):
        with pytest.raises(ClientError) as error:
            scheduler.create_schedule(**{**asked, "Name": "new", **change})
        assert error.value.response["Error"]["Code"] == code
        assert error.value.response["Error"]["Message"].startswith(message)
    scheduler.delete_schedule(Name="daily")
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name="daily")


def test_due_schedules_run_as_their_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    cloud = open_cloud(Settings(data=tmp_path, durability="relaxed"), Clock(lambda: now))
    made: list[dict[str, Any]] = []

    async def assume(cloud: Any, key: Any, role: str) -> Any:
        assert role == "role"
        return ANONYMOUS

    def client(principal: Any, *, region: str) -> Any:
        async def call(service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
            made.append(request)
            return {}

        assert principal is ANONYMOUS
        return type("Client", (), {"call": staticmethod(call)})

    monkeypatch.setattr(firing, "assume", assume)
    monkeypatch.setattr(cloud, "client", client)

    async def at(schedule: Schedule, *moments: float) -> int:
        """How often it runs, looked after at these seconds from its making."""
        nonlocal now
        start = now
        made.clear()
        await cloud.store.transact(lambda tx: put_schedule(tx, KEY, schedule, start))
        for moment in moments:
            now = start + moment
            await firing.fire(cloud)
        return len(made)

    def schedule(expression: str, **options: Any) -> Schedule:
        target = {"Arn": FUNCTION, "RoleArn": "role", "Input": '{"at": "<aws.scheduler.scheduled-time>"}'}
        return Schedule(expression, "UTC", target, now, now, **options)

    async def main() -> None:
        assert await at(schedule("rate(1 minute)"), 59, 60, 61, 120, 121) == 2
        assert json.loads(made[0]["Payload"]) == {"at": "2026-01-01T00:01:00Z"}
        assert made[0]["InvocationType"] == "Event"
        once = datetime.fromtimestamp(now + 10, UTC).strftime("at(%Y-%m-%dT%H:%M:%S)")
        assert await at(schedule(once, delete_after=True), 9, 10, 11, 3600) == 1
        assert SCHEDULES.get(cloud.store, *KEY) is None
        assert await at(schedule("rate(1 minute)", end=now + 150), 60, 120, 180, 240) == 2
        assert await at(schedule("cron(* * * * ? *)", start=now + 600), 60, 599) == 0
        assert await at(schedule("rate(1 minute)", state="DISABLED"), 60, 120) == 0
        assert list(DUE.scan(cloud.store)) == []
        assert await at(schedule("rate(10 minutes)", window=5), 599, 900) == 1, "at the latest when the window ends"

    asyncio.run(main())


def test_schedules_are_sorted_into_groups(account: Any) -> None:
    scheduler, iam = account.client("scheduler"), account.client("iam")
    role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    asked = {
        "Name": "daily",
        "ScheduleExpression": "rate(1 day)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": FUNCTION, "RoleArn": role},
    }
    arn = scheduler.create_schedule_group(Name="mine", Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
    assert arn == f"arn:aws:scheduler:us-east-1:{account.id}:schedule-group/mine"
    with pytest.raises(scheduler.exceptions.ConflictException):
        scheduler.create_schedule_group(Name="mine")
    assert [group["Name"] for group in scheduler.list_schedule_groups()["ScheduleGroups"]] == ["default", "mine"]
    shown = scheduler.get_schedule_group(Name="mine")
    assert (shown["Arn"], shown["State"], shown["CreationDate"]) == (arn, "ACTIVE", shown["LastModificationDate"])
    scheduler.create_schedule(**asked)
    own = scheduler.create_schedule(**asked, GroupName="mine")["ScheduleArn"]
    assert own == f"arn:aws:scheduler:us-east-1:{account.id}:schedule/mine/daily"
    assert scheduler.get_schedule(Name="daily", GroupName="mine")["GroupName"] == "mine"
    listed = [schedule["Arn"] for schedule in scheduler.list_schedules(NamePrefix="da")["Schedules"]]
    assert sorted(listed) == [own.replace("/mine/", "/default/"), own]
    (only,) = scheduler.list_schedules(GroupName="mine")["Schedules"]
    assert (only["Name"], only["GroupName"]) == ("daily", "mine")
    scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    scheduler.delete_schedule_group(Name="mine")
    absent: tuple[Callable[[], Any], ...] = (
        lambda: scheduler.get_schedule(Name="daily", GroupName="mine"),
        lambda: scheduler.list_schedules(GroupName="mine"),
        lambda: scheduler.get_schedule_group(Name="mine"),
        lambda: scheduler.list_tags_for_resource(ResourceArn=arn),
    )
    for call in absent:
        with pytest.raises(scheduler.exceptions.ResourceNotFoundException) as gone:
            call()
        assert gone.value.response["Error"]["Message"] == "Schedule group mine does not exist."
    (left,) = scheduler.list_schedules()["Schedules"]
    assert left["GroupName"] == "default"
    with pytest.raises(scheduler.exceptions.ValidationException):
        scheduler.delete_schedule_group(Name="default")
    with pytest.raises(scheduler.exceptions.ValidationException):
        scheduler.create_schedule_group(Name="other", Tags=[{"Key": "aws:mine", "Value": "x"}])


def test_groups_are_what_policies_say(account: Any) -> None:
    iam = account.client("iam")
    account.client("scheduler").create_schedule_group(Name="mine")
    account.client("scheduler").create_schedule_group(Name="other")
    iam.create_user(UserName="u")
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "scheduler:*",
            "Resource": ["arn:aws:scheduler:*:*:schedule-group/mine", "arn:aws:scheduler:*:*:schedule/mine/*"],
        },
    }
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = Account(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"]).client("scheduler")
    assert user.get_schedule_group(Name="mine")["Name"] == "mine"
    calls: tuple[Callable[[], Any], ...] = (
        lambda: user.get_schedule_group(Name="other"),
        lambda: user.delete_schedule_group(Name="other"),
        lambda: user.get_schedule(Name="any", GroupName="other"),
        lambda: user.list_schedule_groups(),
    )
    for call in calls:
        with pytest.raises(ClientError) as denied:
            call()
        assert denied.value.response["Error"]["Code"] == "AccessDeniedException"
    with pytest.raises(user.exceptions.ResourceNotFoundException):
        user.get_schedule(Name="any", GroupName="mine")
