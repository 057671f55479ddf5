"""Events as Lambda would get them, in a cloud whose client to Lambda is the test's."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pileus.aws.body import Bytes
from pileus.aws.clock import Clock
from pileus.aws.errors import AWSError
from pileus.gateway.cloud import open_cloud, prepare
from pileus.security import principals
from pileus.services.context import Settings
from pileus.services.s3 import notifications

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"


class Lambda:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.error: AWSError | None = None

    async def call(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        assert (service, operation) == ("lambda", "Invoke")
        if self.error is not None:
            raise self.error
        if request["InvocationType"] == "Event":
            assert request["FunctionName"] == FUNCTION
            self.events += json.loads(request["Payload"])["Records"]
        return {"StatusCode": 202}


Test = Callable[[Any, Lambda], Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Test], None]:
    function = Lambda()
    monkeypatch.setattr(notifications, "_client", lambda cloud, bucket: function)

    def start(test: Test) -> None:
        async def with_cloud() -> None:
            cloud = open_cloud(Settings(tmp_path / "data", durability="relaxed"), Clock())
            await prepare(cloud.store, cloud.clock)  # type: ignore[arg-type]
            client = cloud.client(principals.root("000000000000"))

            async def call(operation: str, **request: Any) -> Any:
                answer = await client.call("s3", operation, {"Bucket": "bucket", **request})
                await cloud.part(notifications.Deliveries).finish()
                return answer

            call.cloud = cloud  # type: ignore[attr-defined]
            await call("CreateBucket")
            await test(call, function)
            cloud.store.close()

        asyncio.run(with_cloud())

    return start


def wanted(*events: str, **rules: str) -> dict[str, Any]:
    filtered = [{"Name": name, "Value": value} for name, value in rules.items()]
    own: dict[str, Any] = {"LambdaFunctionArn": FUNCTION, "Events": list(events)}
    if filtered:
        own["Filter"] = {"Key": {"FilterRules": filtered}}
    return {"LambdaFunctionConfigurations": [own]}


def test_events_are_told_as_s3_tells_them(run: Any) -> None:
    async def test(call: Any, function: Lambda) -> None:
        configuration = wanted("s3:ObjectCreated:*", "s3:ObjectRemoved:Delete", prefix="in/", suffix=".txt")
        await call("PutBucketNotificationConfiguration", NotificationConfiguration=configuration)
        await call("PutObject", Key="in/a b.txt", Body=Bytes(b"hello"))
        await call("PutObject", Key="out/a.txt", Body=Bytes(b"hello"))
        await call("PutObject", Key="in/a.png", Body=Bytes(b"hello"))
        await call("CopyObject", Key="in/c.txt", CopySource="bucket/in/a%20b.txt")
        await call("DeleteObject", Key="in/c.txt")
        names = [event["eventName"] for event in function.events]
        assert names == ["ObjectCreated:Put", "ObjectCreated:Copy", "ObjectRemoved:Delete"]
        told = function.events[0]["s3"]
        assert told["bucket"]["arn"] == "arn:aws:s3:::bucket"
        assert told["object"]["key"] == "in/a+b.txt"
        assert (told["object"]["size"], told["object"]["eTag"]) == (5, "5d41402abc4b2a76b9719d911017c592")
        # Later writes sort after earlier ones.
        assert function.events[1]["s3"]["object"]["sequencer"] > told["object"]["sequencer"]
        shown = await call("GetBucketNotificationConfiguration")
        assert (
            shown["LambdaFunctionConfigurations"][0]["Events"]
            == configuration["LambdaFunctionConfigurations"][0]["Events"]
        )

    run(test)


def test_a_function_that_fails_does_not_hinder_the_write(run: Any) -> None:
    async def test(call: Any, function: Lambda) -> None:
        await call("PutBucketNotificationConfiguration", NotificationConfiguration=wanted("s3:ObjectCreated:*"))
        function.error = AWSError("ResourceNotFoundException", "gone", status=404)
        await call("PutObject", Key="k", Body=Bytes(b"x"))
        assert (await call("HeadObject", Key="k"))["ContentLength"] == 1

    run(test)


def test_what_could_not_be_delivered_is_delivered_later(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "_AGAIN_SECONDS", -1.0)

    async def test(call: Any, function: Lambda) -> None:
        await call("PutBucketNotificationConfiguration", NotificationConfiguration=wanted("s3:ObjectCreated:*"))
        function.error = AWSError("TooManyRequestsException", "busy", status=429)
        await call("PutObject", Key="k", Body=Bytes(b"x"))
        assert function.events == []
        function.error = None
        await notifications.deliver_again(call.cloud)
        assert [event["s3"]["object"]["key"] for event in function.events] == ["k"]
        await notifications.deliver_again(call.cloud)
        assert len(function.events) == 1

    run(test)


def test_destinations_must_be_there_and_allow_it(run: Any) -> None:
    async def test(call: Any, function: Lambda) -> None:
        function.error = AWSError("AccessDeniedException", "no", status=403)
        with pytest.raises(AWSError, match="Unable to validate the following destination configurations"):
            await call("PutBucketNotificationConfiguration", NotificationConfiguration=wanted("s3:ObjectCreated:*"))

    run(test)


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        (wanted("s3:Replication:*"), "InvalidArgument"),
        (wanted("s3:ObjectCreated:*", infix="x"), "InvalidArgument"),
        (
            {"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:::q", "Events": ["s3:ObjectCreated:*"]}]},
            "NotImplemented",
        ),
        ({"EventBridgeConfiguration": {}}, "NotImplemented"),
        (
            {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": "function", "Events": ["s3:ObjectCreated:*"]}]},
            "InvalidArgument",
        ),
    ],
)
def test_configurations_that_cannot_be(run: Any, configuration: dict[str, Any], code: str) -> None:
    async def test(call: Any, function: Lambda) -> None:
        with pytest.raises(AWSError) as caught:
            await call("PutBucketNotificationConfiguration", NotificationConfiguration=configuration)
        assert caught.value.code == code

    run(test)


def told(event: str, prefix: str = "", suffix: str = "") -> dict[str, Any]:
    (found,) = wanted(event, prefix=prefix, suffix=suffix)["LambdaFunctionConfigurations"]
    return dict(found)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (told("s3:ObjectCreated:*"), told("s3:ObjectCreated:Put"), True),
        (told("s3:ObjectCreated:Put"), told("s3:ObjectCreated:Copy"), False),
        (told("s3:ObjectCreated:*"), told("s3:ObjectRemoved:*"), False),
        (told("s3:ObjectCreated:*", "in/"), told("s3:ObjectCreated:*", "out/"), False),
        (told("s3:ObjectCreated:*", "in/"), told("s3:ObjectCreated:*", "in/a"), True),
        (told("s3:ObjectCreated:*", "", ".jpg"), told("s3:ObjectCreated:*", "", ".png"), False),
        (told("s3:ObjectCreated:*", "in/", ".jpg"), told("s3:ObjectCreated:*"), True),
    ],
)
def test_nobody_is_told_twice(run: Any, one: dict[str, Any], other: dict[str, Any], overlap: bool) -> None:
    async def test(call: Any, function: Lambda) -> None:
        both = {"LambdaFunctionConfigurations": [one, other]}
        if overlap:
            with pytest.raises(AWSError, match="Configurations overlap"):
                await call("PutBucketNotificationConfiguration", NotificationConfiguration=both)
        else:
            await call("PutBucketNotificationConfiguration", NotificationConfiguration=both)

    run(test)
