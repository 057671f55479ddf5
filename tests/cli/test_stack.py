"""A stack that is followed, whatever its events say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pileus.cli.stack import Stack

_NOW = datetime(2026, 11, 24, tzinfo=UTC)


class Forgetful:
    """CloudFormation that tells no token with its events, as some that are like it."""

    def __init__(self, *statuses: str) -> None:
        self.statuses = list(statuses)

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        event = {"EventId": "1", "LogicalResourceId": "s", "ResourceType": "AWS::CloudFormation::Stack"}
        return [{"StackEvents": [{**event, "ResourceStatus": "DELETE_COMPLETE", "Timestamp": _NOW}]}]

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        status = self.statuses.pop(0)
        return {"Stacks": [{"StackStatus": status, "StackStatusReason": "so", "CreationTime": _NOW}]}


def test_the_end_is_seen_without_an_event_that_tells_it() -> None:
    client = Forgetful("DELETE_IN_PROGRESS", "DELETE_COMPLETE")
    (event,) = Stack(client, "s", pause=0).follow()
    assert (event.status, event.reason, event.whole, client.statuses) == ("DELETE_COMPLETE", "so", True, [])
