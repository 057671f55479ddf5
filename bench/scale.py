"""How figures grow with what a cloud holds: items, objects, log events, functions, roles.

    .venv/bin/python bench/scale.py [--largest N] [--only items objects events functions roles]

What finds its record by a key should cost the same with a million as with a thousand (a tree's depth more); what
shows a page should cost the page.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from contenders import pileus
from load import LoadError, drive
from processes import Server, folder
from signed import Client
from table import aligned
from workload import BODY, BUCKET, KEY, TABLE, archive, create_bucket, create_role, create_table, item

_CONNECTIONS = 16
_SECONDS = 2.0
_GROUP = "/bench/scale"
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
)


@dataclass(frozen=True)
class Kind:
    """`grow` makes those numbered from `first` to `last`; `requests` are what is measured at each size."""

    sizes: tuple[int, ...]
    prepare: Callable[[Client], object]
    grow: Callable[[Client, int, int], None]
    requests: Callable[[Client], Iterator[tuple[str, bytes]]]


def _each(make: Callable[[int], object], first: int, last: int, step: int = 1) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(make, range(first, last, step)):
            pass


def _grow_items(client: Client, first: int, last: int) -> None:
    def write(start: int) -> None:
        puts = [{"PutRequest": {"Item": item(1000 + n)}} for n in range(start, min(start + 25, last))]
        client("dynamodb").batch_write_item(RequestItems={TABLE: puts})

    _each(write, first, last, 25)


def _item_requests(client: Client) -> Iterator[tuple[str, bytes]]:
    yield "GetItem", client.sign("dynamodb", "get_item", TableName=TABLE, Key=KEY)
    yield "PutItem", client.sign("dynamodb", "put_item", TableName=TABLE, Item=item(7))
    yield "Query", client.sign(
        "dynamodb", "query", TableName=TABLE, Limit=10, KeyConditionExpression="#u = :u and id > :i",
        ExpressionAttributeNames={"#u": "user"}, ExpressionAttributeValues={":u": KEY["user"], ":i": {"S": "000040"}},
    )  # fmt: skip
    yield "DescribeTable", client.sign("dynamodb", "describe_table", TableName=TABLE)


def _grow_objects(client: Client, first: int, last: int) -> None:
    _each(lambda n: client("s3").put_object(Bucket=BUCKET, Key=f"some/{n:07}", Body=b"x"), first, last)


def _object_requests(client: Client) -> Iterator[tuple[str, bytes]]:
    yield "GetObject", client.sign("s3", "get_object", Bucket=BUCKET, Key="index.html")
    yield "PutObject", client.sign("s3", "put_object", Bucket=BUCKET, Key="small", Body=BODY)
    yield "ListObjectsV2", client.sign("s3", "list_objects_v2", Bucket=BUCKET, MaxKeys=10)
    yield "ListObjectsV2 by /", client.sign("s3", "list_objects_v2", Bucket=BUCKET, Delimiter="/", MaxKeys=10)


def _prepare_events(client: Client) -> None:
    client("logs").create_log_group(logGroupName=_GROUP)
    client("logs").create_log_stream(logGroupName=_GROUP, logStreamName="one")


def _grow_events(client: Client, first: int, last: int) -> None:
    now = int(time.time() * 1000)

    def write(start: int) -> None:
        # A hundred a second, back from now.
        numbers = range(start, min(start + 1000, last))
        events = [{"timestamp": now - 10 * (last - number), "message": f"event {number}"} for number in numbers]
        client("logs").put_log_events(logGroupName=_GROUP, logStreamName="one", logEvents=events)

    _each(write, first, last, 1000)


def _event_requests(client: Client) -> Iterator[tuple[str, bytes]]:
    yield "GetLogEvents", client.sign("logs", "get_log_events", logGroupName=_GROUP, logStreamName="one", limit=10)
    yield "FilterLogEvents", client.sign("logs", "filter_log_events", logGroupName=_GROUP, limit=10)
    # To a stream of its own: the same request again and again puts thousands of events into one millisecond.
    one = {"timestamp": time.time_ns() // 1_000_000, "message": "one more"}
    name = f"{one['timestamp']}"
    client("logs").create_log_stream(logGroupName=_GROUP, logStreamName=name)
    yield (
        "PutLogEvents",
        client.sign("logs", "put_log_events", logGroupName=_GROUP, logStreamName=name, logEvents=[one]),
    )
    client("logs").delete_log_stream(logGroupName=_GROUP, logStreamName=name)


def _grow_functions(client: Client, first: int, last: int) -> None:
    role = client("iam").get_role(RoleName="bench")["Role"]["Arn"]
    code = archive("python3.12")
    for number in range(first, last):
        client("lambda").create_function(
            FunctionName=f"bench-{number}", Runtime="python3.12", Handler="handler.handler", Role=role,
            Code={"ZipFile": code},
        )  # fmt: skip


def _function_requests(client: Client) -> Iterator[tuple[str, bytes]]:
    client("lambda").get_waiter("function_active_v2").wait(FunctionName="bench-0")
    yield "Invoke", client.sign("lambda", "invoke", FunctionName="bench-0", Payload=b"{}")
    yield "GetFunction", client.sign("lambda", "get_function", FunctionName="bench-0")
    yield "ListFunctions", client.sign("lambda", "list_functions", MaxItems=10)


def _grow_roles(client: Client, first: int, last: int) -> None:
    _each(
        lambda n: client("iam").create_role(RoleName=f"bench-{n}", AssumeRolePolicyDocument=_TRUST), first, last
    )  # fmt: skip


def _prepare_user(client: Client) -> None:
    """Root may not assume roles, a user may."""
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    client("iam").create_user(UserName="bench")
    client("iam").put_user_policy(UserName="bench", PolicyName="bench", PolicyDocument=policy)


def _role_requests(client: Client) -> Iterator[tuple[str, bytes]]:
    key = client("iam").create_access_key(UserName="bench")["AccessKey"]
    user = Client(client.endpoint, key["AccessKeyId"], key["SecretAccessKey"])
    arn = client("iam").get_role(RoleName="bench-0")["Role"]["Arn"]
    yield "AssumeRole", user.sign("sts", "assume_role", RoleArn=arn, RoleSessionName="bench")
    yield "GetRole", client.sign("iam", "get_role", RoleName="bench-0")
    yield "ListRoles", client.sign("iam", "list_roles", MaxItems=10)
    client("iam").delete_access_key(UserName="bench", AccessKeyId=key["AccessKeyId"])


_KINDS = {
    "items": Kind((1_000, 10_000, 100_000, 1_000_000), create_table, _grow_items, _item_requests),
    "objects": Kind((1_000, 10_000, 100_000, 1_000_000), create_bucket, _grow_objects, _object_requests),
    "events": Kind((1_000, 10_000, 100_000, 1_000_000), _prepare_events, _grow_events, _event_requests),
    "functions": Kind((1, 10, 100, 500), create_role, _grow_functions, _function_requests),
    "roles": Kind((1, 10, 100, 1_000), _prepare_user, _grow_roles, _role_requests),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how figures grow.")
    parser.add_argument("--largest", type=int, default=100_000, help="size to stop at: 100000")
    parser.add_argument("--only", nargs="*", default=list(_KINDS), choices=list(_KINDS))
    options = parser.parse_args()
    contender = pileus("relaxed", 1)
    for name in options.only:
        with folder("scale") as place:
            server = contender.start(place)
            try:
                print(f"{name}: requests a second, and processor time of each, at {_CONNECTIONS} connections")
                client = Client(f"http://127.0.0.1:{server.port}", *contender.key)
                print("\n".join(aligned(_measure(_KINDS[name], client, server, options.largest))), flush=True)
            finally:
                server.stop()
    return 0


def _measure(kind: Kind, client: Client, server: Server, largest: int) -> list[list[str]]:
    kind.prepare(client)
    made = 0
    columns: dict[str, list[str]] = {}
    sizes = [size for size in kind.sizes if size <= largest]
    for size in sizes:
        kind.grow(client, made, size)
        made = size
        print(f"  {size:,} made, {server.memory() / 2**20:.0f} MiB", file=sys.stderr)
        for operation, request in kind.requests(client):
            before = server.cpu()
            try:
                load = drive(server.port, request, connections=_CONNECTIONS, seconds=_SECONDS)
                cell = f"{load.rate:.0f}/s {(server.cpu() - before) / load.requests * 1e6:.0f} µs"
            except LoadError as error:
                cell = f"failed: {error}"
            columns.setdefault(operation, []).append(cell)
    return [["", *(f"{size:,}" for size in sizes)], *([name, *cells] for name, cells in columns.items())]


if __name__ == "__main__":
    sys.exit(main())
