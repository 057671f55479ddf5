"""The same table, bucket and function everywhere, through boto3; and one signed request for each operation."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

from contenders import Contender
from signed import Client, plain

TABLE = "bench"
BUCKET = "bench-site"
ROLE = "bench"
ITEMS = 100
BODY = b"x" * 1024
LARGE = 10 << 20

_SOURCES = {
    "python3.12": ("handler.py", "def handler(event, context):\n    return {'ok': True}\n"),
    "nodejs20.x": ("handler.js", "exports.handler = async (event) => ({ ok: true })\n"),
}
_HANDLERS = {"java17": "example.App::handle"}
_SOURCE_WITH_SDK = "import boto3\n\n\ndef handler(event, context):\n    return {'ok': bool(boto3)}\n"


def archive(runtime: str, source: str | None = None) -> bytes:
    if runtime == "java17":
        return _java()
    name, text = _SOURCES[runtime]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = 0o644 << 16
        file.writestr(entry, source or text)
    return made.getvalue()


@functools.cache
def _java() -> bytes:
    """Compiled once, where there is a compiler."""
    from functions import archive as packed
    from functions import java

    return packed(java())


def item(number: int) -> dict[str, Any]:
    return {
        "user": {"S": "us-east-1:11111111"},
        "id": {"S": f"{number:06}"},
        "text": {"S": "buy milk, and bread for two"},
        "done": {"BOOL": False},
        "created": {"N": str(1_700_000_000 + number)},
    }


KEY = {name: item(7)[name] for name in ("user", "id")}


def create_table(client: Client) -> None:
    client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "user", "AttributeType": "S"},
            {"AttributeName": "id", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
    )
    client("dynamodb").get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    for number in range(ITEMS):
        client("dynamodb").put_item(TableName=TABLE, Item=item(number))


def create_bucket(client: Client) -> None:
    client("s3").create_bucket(Bucket=BUCKET)
    client("s3").put_object(Bucket=BUCKET, Key="index.html", Body=BODY, ContentType="text/html")


def create_large_object(client: Client) -> None:
    client("s3").put_object(Bucket=BUCKET, Key="large", Body=bytes(LARGE))


def create_website(client: Client) -> None:
    """Public, as a site's bucket is."""
    s3 = client("s3")
    s3.put_bucket_website(Bucket=BUCKET, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.delete_public_access_block(Bucket=BUCKET)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def create_role(client: Client) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)["Role"]
    allowed = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    client("iam").put_role_policy(RoleName=ROLE, PolicyName="logs", PolicyDocument=policy)
    arn: str = role["Arn"]
    return arn


def create_function(client: Client, role: str, name: str, runtime: str, *, sdk: bool = False) -> None:
    client("lambda").create_function(
        FunctionName=name, Runtime=runtime, Handler=_HANDLERS.get(runtime, "handler.handler"), Role=role, Timeout=30,
        MemorySize=512,
        Code={"ZipFile": archive(runtime, _SOURCE_WITH_SDK if sdk else None)},
    )  # fmt: skip
    client("lambda").get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )


FUNCTIONS = {
    "Invoke": ("bench", "python3.12"),
    "Invoke Node.js": ("bench-node", "nodejs20.x"),
    "Invoke Java": ("bench-java", "java17"),
}
"""Warm invocations, by the function's name and its runtime."""


_COLD = "first invocations"


def set_up(contender: Contender, client: Client) -> dict[str, str]:
    """Makes what the contender's operations need. Answers what could not be made, by operation: why."""
    has = {*contender.operations, _COLD} if contender.runtimes else set(contender.operations)
    failed: dict[str, str] = {}

    def attempt(operations: tuple[str, ...], make: Callable[[], object]) -> None:
        if has & set(operations) and not failed.keys() & set(operations):
            try:
                make()
            except Exception as error:
                failed.update(dict.fromkeys(operations, f"{type(error).__name__}: {error}"))

    attempt(("GetItem", "PutItem", "Query"), lambda: create_table(client))
    attempt(("GetObject", "PutObject", "Website"), lambda: create_bucket(client))
    attempt(("GetObject 10 MB",), lambda: create_large_object(client))
    attempt(("Website",), lambda: create_website(client))
    if "Invoke" in has or contender.runtimes:
        attempt((*FUNCTIONS, _COLD), lambda: create_role(client))
        for operation, (name, runtime) in FUNCTIONS.items():
            attempt((operation,), functools.partial(_create_function, client, name, runtime))
    return failed


def _create_function(client: Client, name: str, runtime: str) -> None:
    create_function(client, client("iam").get_role(RoleName=ROLE)["Role"]["Arn"], name, runtime)


class Page(NamedTuple):
    """Where a contender shows the website's first page."""

    host: str
    path: str


def requests(operation: str, client: Client, page: Page) -> list[bytes]:
    """Signed now. What is sent in turn: one request, but for PutItem, which would write nothing new the second time."""
    if operation == "PutItem":
        return [client.sign("dynamodb", "put_item", TableName=TABLE, Item=changed) for changed in _changing_items()]
    return [_REQUESTS[operation](client, page)]


def _changing_items() -> list[dict[str, Any]]:
    """Sixteen items as they are and sixteen times changed: each differs from what stands under its key."""
    plain_items = [item(number) for number in range(16)]
    return plain_items + [{**one, "done": {"BOOL": True}} for one in plain_items]


def _invoke(name: str, client: Client, _page: Page) -> bytes:
    return client.sign("lambda", "invoke", FunctionName=name, Payload=b'{"a":1}')


_REQUESTS: dict[str, Callable[[Client, Page], bytes]] = {
    "Constant": lambda client, page: client.sign("dynamodb", "get_item", TableName=TABLE, Key=KEY),
    "GetItem": lambda client, page: client.sign("dynamodb", "get_item", TableName=TABLE, Key=KEY),
    "Query": lambda client, page: client.sign(
        "dynamodb", "query", TableName=TABLE, Limit=20, KeyConditionExpression="#u = :u and id > :i",
        ExpressionAttributeNames={"#u": "user"}, ExpressionAttributeValues={":u": KEY["user"], ":i": {"S": "000040"}},
    ),
    "GetObject": lambda client, page: client.sign("s3", "get_object", Bucket=BUCKET, Key="index.html"),
    "Constant 10 MB": lambda client, page: plain("GET", f"{client.endpoint}/large"),
    "GetObject 10 MB": lambda client, page: client.sign("s3", "get_object", Bucket=BUCKET, Key="large"),
    "PutObject": lambda client, page: client.sign("s3", "put_object", Bucket=BUCKET, Key="small", Body=BODY),
    "Website": lambda client, page: plain("GET", f"{client.endpoint}{page.path}", {"Host": page.host}),
    "GetCallerIdentity": lambda client, page: client.sign("sts", "get_caller_identity"),
    **{operation: functools.partial(_invoke, name) for operation, (name, _) in FUNCTIONS.items()},
}  # fmt: skip

EXPECTED = {
    "GetItem": b"buy milk", "Query": b"000041", "GetObject": BODY, "Website": BODY, "GetCallerIdentity": b"arn:aws:",
    "GetObject 10 MB": bytes(LARGE), "Invoke": b"true", "Invoke Node.js": b"true", "Invoke Java": b"true",
    "Login": b"AccessKeyId",
}  # fmt: skip
"""What an answer must hold, so that nobody is measured answering something else quickly."""
