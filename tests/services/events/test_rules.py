"""Rules over the wire, and what runs when they are due."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pileus.aws.clock import Clock
from pileus.aws.errors import AWSError
from pileus.gateway.cloud import open_cloud
from pileus.security.principals import Principal
from pileus.services.context import Settings
from pileus.services.events import firing
from pileus.services.events.records import DUE, RULES, Rule, put_rule

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


def test_rules_and_targets_are_kept(account: Any) -> None:
    events = account.client("events")
    arn = events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)", Description="d")["RuleArn"]
    assert arn == f"arn:aws:events:us-east-1:{account.id}:rule/hourly"
    described = events.describe_rule(Name="hourly")
    assert (described["State"], described["ScheduleExpression"]) == ("ENABLED", "rate(1 hour)")
    answer = events.put_targets(Rule="hourly", Targets=[{"Id": "one", "Arn": FUNCTION, "Input": '{"a": 1}'}])
    assert answer["FailedEntryCount"] == 0
    assert events.list_targets_by_rule(Rule="hourly")["Targets"][0]["Id"] == "one"
    assert events.list_rule_names_by_target(TargetArn=FUNCTION)["RuleNames"] == ["hourly"]
    with pytest.raises(ClientError) as error:
        events.delete_rule(Name="hourly")
    assert error.value.response["Error"]["Message"] == "Rule can't be deleted since it has targets."
    events.disable_rule(Name="hourly")
    assert events.list_rules(NamePrefix="hour")["Rules"][0]["State"] == "DISABLED"
    events.remove_targets(Rule="hourly", Ids=["one"])
    events.delete_rule(Name="hourly")
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.describe_rule(Name="hourly")
    for arguments, code, message in (
        ({"ScheduleExpression": "rate(1 hours)"}, "ValidationException", "Parameter ScheduleExpression is not valid."),
        ({"EventPattern": '{"source": ["a"]}'}, "NotImplemented", "Pileus does not implement EventPattern"),
        (
            {"ScheduleExpression": "rate(1 hour)", "EventBusName": "other"},
            "ResourceNotFoundException",
            "Event bus other does not exist.",
        ),
    ):
        with pytest.raises(ClientError) as error:
            events.put_rule(Name="r", **arguments)
        assert error.value.response["Error"]["Code"] == code
        assert error.value.response["Error"]["Message"].startswith(message)


class Calls:
    """In place of calls to Lambda: who made them, with what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cloud: Any) -> None:
        self.made: list[tuple[Principal, dict[str, Any]]] = []
        self.denied = False

        def client(principal: Principal, *, region: str | None = None) -> Any:
            async def call(service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
                self.made.append((principal, request))
                if self.denied:
                    raise AWSError("AccessDenied", "no")
                return {}

            return type("Client", (), {"call": staticmethod(call)})

        monkeypatch.setattr(cloud, "client", client)


def test_due_rules_run_once_and_are_due_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    cloud = open_cloud(Settings(data=tmp_path, durability="relaxed"), Clock(lambda: now))
    calls = Calls(monkeypatch, cloud)
    key = ("123456789012", "us-east-1", "r")
    rule = Rule("rate(5 minutes)", targets=[{"Id": "1", "Arn": FUNCTION}, {"Id": "2", "Arn": FUNCTION, "Input": '"x"'}])

    async def main() -> None:
        nonlocal now
        await cloud.store.transact(lambda tx: put_rule(tx, key, rule, now))
        await firing.fire(cloud)
        assert calls.made == []
        now += 300
        await firing.fire(cloud)
        await firing.fire(cloud)
        assert len(calls.made) == 2
        principal, request = calls.made[0]
        assert (principal.kind, principal.name) == ("service", "events.amazonaws.com")
        assert principal.source_arn == "arn:aws:events:us-east-1:123456789012:rule/r"
        assert request["InvocationType"] == "Event"
        about = json.loads(request["Payload"])
        assert about["detail-type"] == "Scheduled Event"
        assert about["time"] == "1970-01-12T13:51:40Z"
        assert about["resources"] == [principal.source_arn]
        assert calls.made[1][1]["Payload"] == b'"x"'
        # What fell due while nobody looked runs once, then on its beat; a denial does not stop the rule.
        calls.denied = True
        now += 3000
        await firing.fire(cloud)
        assert len(calls.made) == 4
        assert [key[0] for key, _ in DUE.scan(cloud.store)] == [int((now + 300) * 1000)]
        kept = RULES.get(cloud.store, *key)
        assert kept is not None
        kept.state = "DISABLED"
        await cloud.store.transact(lambda tx: put_rule(tx, key, kept, now))
        now += 300
        await firing.fire(cloud)
        assert len(calls.made) == 4
        assert list(DUE.scan(cloud.store)) == []

    asyncio.run(main())
