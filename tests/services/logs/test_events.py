"""Log events over the wire: put, read in pages, searched."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def logs(account: Any) -> Any:
    client = account.client("logs")
    client.create_log_group(logGroupName="/a/group")
    for stream in ("one", "two"):
        client.create_log_stream(logGroupName="/a/group", logStreamName=stream)
    return client


def put(logs: Any, stream: str, *events: tuple[int, str]) -> dict[str, Any]:
    answer: dict[str, Any] = logs.put_log_events(
        logGroupName="/a/group",
        logStreamName=stream,
        logEvents=[{"timestamp": moment, "message": text} for moment, text in events],
    )
    return answer


def now() -> int:
    return int(time.time() * 1000)


def test_events_come_back_in_the_order_of_time(logs: Any) -> None:
    start = now() - 60_000
    put(logs, "one", (start + 100, "b"), (start + 30_000, "d"))
    put(logs, "one", (start, "a"), (start + 200, "c"))
    got = logs.get_log_events(logGroupName="/a/group", logStreamName="one", startFromHead=True)
    assert [(event["timestamp"] - start, event["message"]) for event in got["events"]] == [
        (0, "a"), (100, "b"), (200, "c"), (30_000, "d"),
    ]  # fmt: skip
    window = logs.get_log_events(
        logGroupName="/a/group", logStreamName="one", startTime=start + 100, endTime=start + 200, startFromHead=True
    )
    assert [event["message"] for event in window["events"]] == ["b"], "the end is exclusive"


def test_pages_go_both_ways(logs: Any) -> None:
    start = now() - 60_000
    put(logs, "one", *((start + number // 2, str(number)) for number in range(10)))
    asked = {"logGroupName": "/a/group", "logStreamName": "one", "limit": 4}
    newest = logs.get_log_events(**asked)
    assert [event["message"] for event in newest["events"]] == ["6", "7", "8", "9"]
    older = logs.get_log_events(**asked, nextToken=newest["nextBackwardToken"])
    assert [event["message"] for event in older["events"]] == ["2", "3", "4", "5"]
    newer = logs.get_log_events(**asked, nextToken=older["nextForwardToken"])
    assert [event["message"] for event in newer["events"]] == ["6", "7", "8", "9"]
    end = logs.get_log_events(**asked, nextToken=newer["nextForwardToken"])
    assert end["events"] == []
    assert end["nextForwardToken"] == newer["nextForwardToken"], "how clients know the end"
    put(logs, "one", (now(), "late"))
    followed = logs.get_log_events(**asked, nextToken=end["nextForwardToken"])
    assert [event["message"] for event in followed["events"]] == ["late"]


def test_a_search_merges_streams_and_pages(logs: Any) -> None:
    start = now() - 60_000
    put(logs, "one", *((start + 2 * number, f"even {number}") for number in range(10)))
    put(logs, "two", *((start + 2 * number + 1, f"odd {number}") for number in range(10)))
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName="/a/group", PaginationConfig={"PageSize": 7})
    events = [event for page in pages for event in page["events"]]
    assert [event["timestamp"] - start for event in events] == list(range(20))
    assert len({event["eventId"] for event in events}) == 20
    only = logs.filter_log_events(logGroupName="/a/group", filterPattern='"odd" -3', logStreamNamePrefix="tw")
    assert len(only["events"]) == 9
    window = logs.filter_log_events(logGroupName="/a/group", startTime=start + 5, endTime=start + 7)
    assert [event["message"] for event in window["events"]] == ["odd 2", "even 3", "odd 3"], "the end is inclusive"


def test_a_search_opens_streams_in_either_order(logs: Any) -> None:
    start = now() - 60_000
    for number in range(12):
        logs.create_log_stream(logGroupName="/a/group", logStreamName=f"many-{number:02}")
        # Later ones begin earlier, and all but the last overlap with the next.
        put(logs, f"many-{number:02}", *((start + 100 * (12 - number) + 60 * step, f"{number}") for step in range(3)))
    asked = {"logGroupName": "/a/group", "logStreamNamePrefix": "many-"}
    pages = logs.get_paginator("filter_log_events").paginate(**asked, PaginationConfig={"PageSize": 5})
    events = [event for page in pages for event in page["events"]]
    assert len(events) == 36
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
    pages = logs.get_paginator("filter_log_events").paginate(
        **asked, startFromHead=False, PaginationConfig={"PageSize": 5}
    )
    assert [event["eventId"] for page in pages for event in page["events"]] == [e["eventId"] for e in events[::-1]]


def test_streams_are_listed_by_prefix_in_pages(logs: Any) -> None:
    for name in ("a", "aa", "ab", "b", "ba"):
        logs.create_log_stream(logGroupName="/a/group", logStreamName=name)

    def listed(**asked: Any) -> list[str]:
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName="/a/group", **asked, PaginationConfig={"PageSize": 2}
        )
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    assert listed(logStreamNamePrefix="a") == ["a", "aa", "ab"]
    assert listed(logStreamNamePrefix="b") == ["b", "ba"]
    assert listed(logStreamNamePrefix="a", descending=True) == ["ab", "aa", "a"]
    assert listed() == ["a", "aa", "ab", "b", "ba", "one", "two"]
    assert listed(descending=True) == ["two", "one", "ba", "b", "ab", "aa", "a"]


def test_streams_are_found_by_when_they_ended(logs: Any) -> None:
    start = now() - 600_000
    for number in (3, 1, 4, 2, 5):
        logs.create_log_stream(logGroupName="/a/group", logStreamName=f"at-{number}")
        put(logs, f"at-{number}", (start + 60_000 * number, f"old {number}"))
    put(logs, "at-1", (start + 330_000, "new 1"))
    put(logs, "at-4", (start + 240_003, "new 4"))
    logs.delete_log_stream(logGroupName="/a/group", logStreamName="at-3")

    def listed(descending: bool) -> list[str]:
        pages = logs.get_paginator("describe_log_streams").paginate(
            logGroupName="/a/group",
            orderBy="LastEventTime",
            descending=descending,
            PaginationConfig={"PageSize": 2},
        )
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    assert listed(descending=True) == ["at-1", "at-5", "at-4", "at-2", "two", "one"]
    assert listed(descending=False) == ["one", "two", "at-2", "at-4", "at-5", "at-1"]
    asked = {"logGroupName": "/a/group", "startTime": start + 240_001}
    assert [event["message"] for event in logs.filter_log_events(**asked)["events"]] == ["new 4", "old 5", "new 1"]
    first = logs.filter_log_events(logGroupName="/a/group", logStreamNamePrefix="at-", limit=3)
    rest = logs.filter_log_events(
        logGroupName="/a/group", logStreamNamePrefix="at-", limit=3, nextToken=first["nextToken"]
    )
    assert [event["message"] for event in first["events"]] == ["old 1", "old 2", "old 4"]
    assert [event["message"] for event in rest["events"]] == ["new 4", "old 5", "new 1"]
    logs.delete_log_group(logGroupName="/a/group")
    logs.create_log_group(logGroupName="/a/group")
    assert logs.describe_log_streams(logGroupName="/a/group", orderBy="LastEventTime")["logStreams"] == []


def test_json_is_searched_by_its_members(logs: Any) -> None:
    lines = [
        {"level": "ERROR", "ms": 12, "at": {"place": "db"}},
        {"level": "INFO", "ms": 3},
        {"level": "ERROR", "ms": 1},
    ]
    put(logs, "one", *((now(), json.dumps(line)) for line in lines), (now(), "ERROR in plain text"))
    found = logs.filter_log_events(
        logGroupName="/a/group", filterPattern='{ $.level = "ERR*" && ($.ms > 5 || $.at.place = "db") }'
    )["events"]
    assert [json.loads(event["message"])["ms"] for event in found] == [12]


def test_what_comes_too_late_or_too_early_is_rejected(logs: Any) -> None:
    old, new = now() - 15 * 86_400_000, now() + 3 * 3_600_000
    assert put(logs, "one", (old, "old"))["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert put(logs, "one", (now(), "kept"), (new, "new"))["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    events = logs.get_log_events(logGroupName="/a/group", logStreamName="one")["events"]
    assert [event["message"] for event in events] == ["kept"]


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "put_log_events",
        {"logStreamName": "none", "logEvents": [{"timestamp": 1, "message": "x"}]},
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    ),
    (
        "put_log_events",
        {"logStreamName": "one", "logEvents": [{"timestamp": 2, "message": "x"}, {"timestamp": 1, "message": "x"}]},
        "InvalidParameterException",
        "Log events in a single PutLogEvents request must be in chronological order.",
    ),
    (
        "get_log_events",
        {"logStreamName": "one", "nextToken": "f/invalid"},
        "InvalidParameterException",
        "The specified nextToken is invalid.",
    ),
    ("filter_log_events", {"nextToken": "invalid"}, "InvalidParameterException", "The specified nextToken is invalid."),
    (
        "filter_log_events",
        {"logGroupName": "/none"},
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    ),
    (
        "create_log_group",
        {},
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    ),
    (
        "create_log_stream",
        {"logStreamName": "one"},
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    ),
    (
        "describe_log_groups",
        {"logGroupName": None, "logGroupNamePrefix": "a", "logGroupNamePattern": "b"},
        "InvalidParameterException",
        "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
    ),
    (
        "describe_log_streams",
        {"logGroupIdentifier": "/a/group"},
        "ValidationException",
        "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
    ),
]


def test_refusals_are_in_the_words_of_aws(logs: Any) -> None:
    for operation, arguments, code, message in REFUSED:
        asked = {"logGroupName": "/a/group", **arguments}
        with pytest.raises(ClientError) as error:
            getattr(logs, operation)(**{name: value for name, value in asked.items() if value is not None})
        assert error.value.response["Error"] == {"Code": code, "Message": message}, operation


def test_groups_are_described_kept_and_tagged(logs: Any, account: Any) -> None:
    arn = f"arn:aws:logs:us-east-1:{account.id}:log-group:/a/group"
    put(logs, "one", (now(), "x" * 74))
    logs.put_retention_policy(logGroupName="/a/group", retentionInDays=7)
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/a/")["logGroups"]
    created = group.pop("creationTime")
    assert abs(created - now()) < 60_000
    assert group == {
        "logGroupName": "/a/group",
        "retentionInDays": 7,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "storedBytes": 100,
        "logGroupClass": "STANDARD",
        "logGroupArn": arn,
        "deletionProtectionEnabled": False,
    }
    with pytest.raises(ClientError):
        logs.put_retention_policy(logGroupName="/a/group", retentionInDays=8)
    logs.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    logs.untag_log_group(logGroupName="/a/group", tags=["a"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    streams = logs.describe_log_streams(logGroupName="/a/group", orderBy="LastEventTime", descending=True)["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["one", "two"]
    assert streams[0]["arn"] == f"{arn}:log-stream:one"
    logs.delete_log_stream(logGroupName="/a/group", logStreamName="one")
    assert logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 0
    logs.delete_log_group(logGroupName="/a/group")
    assert logs.describe_log_groups()["logGroups"] == []


def test_policies_see_groups_and_streams_as_on_aws(logs: Any, account: Any) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="writer")
    statement = {
        "Effect": "Allow",
        "Action": ["logs:PutLogEvents", "logs:FilterLogEvents"],
        "Resource": f"arn:aws:logs:us-east-1:{account.id}:log-group:/a/group:*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="writer", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="writer")["AccessKey"]
    writer = type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"]).client("logs")
    put(writer, "one", (now(), "allowed"))
    assert len(writer.filter_log_events(logGroupName="/a/group")["events"]) == 1
    for operation, arguments in (
        ("get_log_events", {"logGroupName": "/a/group", "logStreamName": "one"}),
        ("create_log_group", {"logGroupName": "/b"}),
        ("describe_log_groups", {}),
    ):
        with pytest.raises(ClientError) as error:
            getattr(writer, operation)(**arguments)
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"
