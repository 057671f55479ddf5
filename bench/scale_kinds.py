"""What bench/scale.py grows: how each kind is made ready and filled, and what is asked of it at each size."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore import xform_name
from filling import Call, fill
from signed import Client
from workload import BODY, BUCKET, TABLE, archive, create_bucket, create_role, create_table

from pileus.aws.body import Bytes

_KEYS = 500
"""Asked for in turn, drawn from the whole collection: the pages of one key would all be at hand."""
_SIZES = (1_000, 10_000, 100_000, 1_000_000)
_GROUP = "/bench/scale"
_GAP = 10
"""Milliseconds between log events."""
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
)

Requests = Iterator[tuple[str, Iterable[bytes]]]


@dataclass(frozen=True)
class Kind:
    """`calls` make those numbered from `first` to `last`, and `requests` are measured at a size. What is `live` can
    only be made while the cloud is up."""

    sizes: tuple[int, ...]
    prepare: Callable[[Client], object]
    calls: Callable[[int, int], Iterator[Call]]
    requests: Callable[[Client, int], Requests]
    live: bool = False

    def fill(self, data: Path, first: int, last: int) -> None:
        fill(data, self.calls(first, last))

    def ask(self, client: Client, first: int, last: int) -> None:
        for service, operation, request in self.calls(first, last):
            getattr(client(service), xform_name(operation))(**request)


def _some(size: int) -> list[int]:
    chosen = random.Random(size)
    return [chosen.randrange(size) for _ in range(min(_KEYS, size))]


def _item(number: int) -> dict[str, Any]:
    """A hundred to a user."""
    return {
        "user": {"S": f"user-{number // 100:06}"},
        "id": {"S": f"{number % 100:06}"},
        "text": {"S": "buy milk, and bread for two"},
        "done": {"BOOL": False},
        "created": {"N": str(1_700_000_000 + number)},
    }


def _key(number: int) -> dict[str, Any]:
    return {name: value for name, value in _item(number).items() if name in ("user", "id")}


def _items(first: int, last: int) -> Iterator[Call]:
    for start in range(first, last, 25):
        puts = [{"PutRequest": {"Item": _item(number)}} for number in range(start, min(start + 25, last))]
        yield "dynamodb", "BatchWriteItem", {"RequestItems": {TABLE: puts}}


def _item_requests(client: Client, size: int) -> Requests:
    some = _some(size)
    yield "GetItem", (client.sign("dynamodb", "get_item", TableName=TABLE, Key=_key(n)) for n in some)
    yield "Query, ten of a hundred", (
        client.sign(
            "dynamodb", "query", TableName=TABLE, Limit=10, KeyConditionExpression="#u = :u and id > :i",
            ExpressionAttributeNames={"#u": "user"},
            ExpressionAttributeValues={":u": _key(n)["user"], ":i": {"S": "000040"}},
        )
        for n in some
    )  # fmt: skip
    yield "Scan, ten from a place, filtered", (
        client.sign(
            "dynamodb", "scan", TableName=TABLE, Limit=10, ExclusiveStartKey=_key(n), FilterExpression="done = :d",
            ExpressionAttributeValues={":d": {"BOOL": False}},
        )
        for n in some
    )  # fmt: skip
    yield (
        "PutItem",
        (
            client.sign("dynamodb", "put_item", TableName=TABLE, Item={**_item(n), "done": {"BOOL": done}})
            for done in (True, False)
            for n in some
        ),
    )
    yield "DescribeTable", [client.sign("dynamodb", "describe_table", TableName=TABLE)]


def _object(number: int) -> str:
    """A thousand to a folder."""
    return f"{number // 1000:04}/{number % 1000:03}"


def _objects(first: int, last: int) -> Iterator[Call]:
    for number in range(first, last):
        yield "s3", "PutObject", {"Bucket": BUCKET, "Key": _object(number), "Body": Bytes(b"x" * 100)}


def _object_requests(client: Client, size: int) -> Requests:
    some = _some(size)
    yield "GetObject", (client.sign("s3", "get_object", Bucket=BUCKET, Key=_object(n)) for n in some)
    yield "PutObject", (client.sign("s3", "put_object", Bucket=BUCKET, Key=_object(n), Body=BODY) for n in some)
    yield (
        "ListObjectsV2, ten from a place",
        (client.sign("s3", "list_objects_v2", Bucket=BUCKET, MaxKeys=10, StartAfter=_object(n)) for n in some),
    )
    yield (
        "ListObjectsV2, ten of a folder",
        (client.sign("s3", "list_objects_v2", Bucket=BUCKET, MaxKeys=10, Prefix=f"{n // 1000:04}/") for n in some),
    )
    # A whole page at every size: from before the first, or from a place with a thousand behind it.
    begins = {"StartAfter": _object(some[0] * (size - 1001) // size)} if size > 1001 else {}
    yield "ListObjectsV2, a thousand", [client.sign("s3", "list_objects_v2", Bucket=BUCKET, **begins)]
    # The first sizes have fewer than ten folders, and what is listed then is a lesser page.
    yield "ListObjectsV2, ten folders", [client.sign("s3", "list_objects_v2", Bucket=BUCKET, MaxKeys=10, Delimiter="/")]


def _prepare_events(client: Client) -> None:
    client("logs").create_log_group(logGroupName=_GROUP)
    client("logs").create_log_stream(logGroupName=_GROUP, logStreamName="one")


_FIRST_EVENT = int(time.time() * 1000) - 6 * 3_600_000
"""A hundred events a second; a million of them are three hours."""


def _events(first: int, last: int) -> Iterator[Call]:
    for start in range(first, last, 1_000):
        numbers = range(start, min(start + 1_000, last))
        events = [{"timestamp": _FIRST_EVENT + _GAP * n, "message": f"event {n}"} for n in numbers]
        yield "logs", "PutLogEvents", {"logGroupName": _GROUP, "logStreamName": "one", "logEvents": events}


def _event_requests(client: Client, size: int) -> Requests:
    moments = [_FIRST_EVENT + _GAP * n for n in _some(size)]
    one = {"logGroupName": _GROUP, "logStreamName": "one", "limit": 10}
    yield "GetLogEvents, the last ten", [client.sign("logs", "get_log_events", **one)]
    yield "GetLogEvents, the first ten", [client.sign("logs", "get_log_events", **one, startFromHead=True)]
    yield (
        "GetLogEvents, ten from a moment",
        (client.sign("logs", "get_log_events", **one, startTime=moment, startFromHead=True) for moment in moments),
    )
    yield "FilterLogEvents, the first ten", [client.sign("logs", "filter_log_events", logGroupName=_GROUP, limit=10)]
    yield (
        "FilterLogEvents, a word in a second",
        (
            client.sign(
                "logs",
                "filter_log_events",
                logGroupName=_GROUP,
                startTime=moment,
                endTime=moment + 1000,
                filterPattern="7",
            )
            for moment in moments
        ),
    )
    # Into streams of their own: the same requests again and again put thousands of events into one millisecond.
    now = time.time_ns() // 1_000_000
    for events, what in ((1, "PutLogEvents, one"), (100, "PutLogEvents, a hundred")):
        name = f"{now}-{events}"
        client("logs").create_log_stream(logGroupName=_GROUP, logStreamName=name)
        written = [{"timestamp": now + n, "message": f"one more {n}"} for n in range(events)]
        more = {"logGroupName": _GROUP, "logStreamName": name}
        yield what, [client.sign("logs", "put_log_events", **more, logEvents=written)]
        if events == 1:
            yield (
                "GetLogEvents, ten of thousands in one millisecond",
                [client.sign("logs", "get_log_events", **more, limit=10)],
            )
        client("logs").delete_log_stream(logGroupName=_GROUP, logStreamName=name)


def _functions(first: int, last: int) -> Iterator[Call]:
    code = archive("python3.12")
    for number in range(first, last):
        yield "lambda", "CreateFunction", {
            "FunctionName": f"bench-{number}", "Runtime": "python3.12", "Handler": "handler.handler",
            "Role": "arn:aws:iam::000000000000:role/bench", "Code": {"ZipFile": code},
        }  # fmt: skip


def _function_requests(client: Client, size: int) -> Requests:
    some = [f"bench-{n}" for n in _some(size)]
    client("lambda").get_waiter("function_active_v2").wait(FunctionName="bench-0")
    yield "Invoke, warm", [client.sign("lambda", "invoke", FunctionName="bench-0", Payload=b"{}")]
    yield "GetFunction", (client.sign("lambda", "get_function", FunctionName=name) for name in some)
    yield "ListFunctions, ten", [client.sign("lambda", "list_functions", MaxItems=10)]


def _roles(first: int, last: int) -> Iterator[Call]:
    for number in range(first, last):
        yield "iam", "CreateRole", {"RoleName": f"bench-{number}", "AssumeRolePolicyDocument": _TRUST}


def _prepare_user(client: Client) -> None:
    """Root may not assume roles, a user may."""
    allowed = {"Effect": "Allow", "Action": ["sts:AssumeRole", "dynamodb:*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    client("iam").create_user(UserName="bench")
    client("iam").put_user_policy(UserName="bench", PolicyName="bench", PolicyDocument=policy)
    create_table(client)


def _role_requests(client: Client, size: int) -> Requests:
    key = client("iam").create_access_key(UserName="bench")["AccessKey"]
    user = Client(client.endpoint, key["AccessKeyId"], key["SecretAccessKey"])
    names = [f"bench-{n}" for n in _some(size)]
    arns = [f"arn:aws:iam::000000000000:role/{name}" for name in names]
    yield "AssumeRole", (user.sign("sts", "assume_role", RoleArn=arn, RoleSessionName="bench") for arn in arns)
    yield "GetItem, by a user", [user.sign("dynamodb", "get_item", TableName=TABLE, Key=_key(0))]
    permitted = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    )
    sessions = []
    for name, arn in list(zip(names, arns, strict=True))[:200]:
        client("iam").put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=permitted)
        given = user("sts").assume_role(RoleArn=arn, RoleSessionName="bench")["Credentials"]
        session = Client(client.endpoint, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        sessions.append(session.sign("dynamodb", "get_item", TableName=TABLE, Key=_key(0)))
    yield "GetItem, by sessions of up to 200 roles", sessions
    yield "GetRole", (client.sign("iam", "get_role", RoleName=name) for name in names)
    yield "ListRoles, ten", [client.sign("iam", "list_roles", MaxItems=10)]
    client("iam").delete_access_key(UserName="bench", AccessKeyId=key["AccessKeyId"])


KINDS = {
    "items": Kind(_SIZES, create_table, _items, _item_requests),
    "objects": Kind(_SIZES, create_bucket, _objects, _object_requests),
    "events": Kind(_SIZES, _prepare_events, _events, _event_requests),
    "functions": Kind((1, 10, 100, 500), create_role, _functions, _function_requests, live=True),
    "roles": Kind((1, 10, 100, 1_000), _prepare_user, _roles, _role_requests),
}
