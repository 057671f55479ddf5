"""Asynchronous invocations: retries, ages, destinations, and what survives a crash."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pileus.aws.clock import Clock
from pileus.aws.errors import AWSError
from pileus.gateway.cloud import open_cloud
from pileus.runtime.interface import Invocation, Outcome
from pileus.services.context import Settings
from pileus.services.lambda_ import destinations
from pileus.services.lambda_.events import CLAIMS, EVENTS, Event, EventQueue
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.names import FunctionName
from pileus.services.lambda_.records import EVENT_INVOKE_CONFIGS, EventInvokeConfig

NAME = FunctionName("123456789012", "us-east-1", "f")
FAILED = Outcome(payload=b'{"errorMessage": "no"}', function_error="Unhandled", executed_version="$LATEST")
THROTTLED = AWSError("TooManyRequestsException", "Rate Exceeded.")


class Scripted:
    """An execution that does what it is told, and writes down when."""

    def __init__(self, time_of: Any, *script: Outcome | AWSError) -> None:
        self.script = list(script)
        self.time_of = time_of
        self.runs: list[tuple[float, str]] = []

    def resolve(self, name: FunctionName) -> Any:
        return name

    async def run(self, name: FunctionName, version: Any, invocation: Invocation) -> Outcome:
        self.runs.append((self.time_of(), invocation.request_id))
        what = self.script.pop(0) if self.script else Outcome(payload=b"null", executed_version="$LATEST")
        if isinstance(what, AWSError):
            raise what
        return what


class Bench:
    """A cloud in this process with a clock that the test turns."""

    def __init__(self, data: Path, *script: Outcome | AWSError) -> None:
        self.now = 1_000_000.0
        self.cloud = open_cloud(Settings(data=data, durability="relaxed"), Clock(lambda: self.now))
        self.execution = Scripted(lambda: self.now, *script)
        self.cloud._parts[Execution] = self.execution
        self.queue = self.cloud.part(EventQueue)

    async def accept(self, identifier: str = "one") -> None:
        await self.queue.accept(Event(identifier, *NAME, b'{"n": 1}', self.now))
        await self.settle()

    async def settle(self) -> None:
        while self.queue._tasks:
            await asyncio.gather(*self.queue._tasks)

    async def at(self, seconds: float) -> None:
        """Turns the clock, takes what is due, and lets it run."""
        self.now = 1_000_000.0 + seconds
        for key, event in await self.queue._claim():
            self.queue._run(key, event)
        await self.settle()

    @property
    def waiting(self) -> list[Event]:
        return [event for _, event in EVENTS.scan(self.cloud.store)]

    @property
    def times(self) -> list[float]:
        return [moment - 1_000_000.0 for moment, _ in self.execution.runs]

    async def configure(self, config: EventInvokeConfig) -> None:
        await self.cloud.store.transact(
            lambda tx: EVENT_INVOKE_CONFIGS.put(tx, *NAME.key, "$LATEST", value=config)
        )  # fmt: skip


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    records: list[tuple[str, dict[str, Any]]] = []

    async def send(cloud: Any, function: FunctionName, target: str, about: dict[str, Any], *, folder: str) -> None:
        records.append((target, about))

    monkeypatch.setattr(destinations, "send", send)
    return records


def test_a_failing_function_is_tried_again_after_one_and_two_minutes(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, FAILED, FAILED, FAILED)
        await bench.accept()
        for moment in (59, 60, 120, 179, 180, 300, 1000):
            await bench.at(moment)
        assert bench.times == [0, 60, 180]
        assert {identifier for _, identifier in bench.execution.runs} == {"one"}
        assert bench.waiting == []
        assert list(CLAIMS.scan(bench.cloud.store)) == []

    asyncio.run(main())


def test_a_throttled_event_backs_off_without_losing_its_retries(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, THROTTLED, THROTTLED, FAILED)
        await bench.accept()
        for moment in (0.5, 1, 2, 3, 62, 63, 100):
            await bench.at(moment)
        assert bench.times == [0, 1, 3, 63]
        assert bench.waiting == []

    asyncio.run(main())


def test_settings_limit_retries_and_age(tmp_path: Path, sent: list[tuple[str, dict[str, Any]]]) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, FAILED, FAILED, FAILED)
        target = "arn:aws:lambda:us-east-1:123456789012:function:told"
        await bench.configure(EventInvokeConfig(0.0, maximum_retry_attempts=0, on_failure=target))
        await bench.accept("no-retry")
        assert (bench.waiting, len(bench.execution.runs)) == ([], 1)
        await bench.configure(EventInvokeConfig(0.0, maximum_event_age=60, on_failure=target))
        bench.now += 1
        await bench.accept("too-old")
        assert (bench.waiting, len(bench.execution.runs)) == ([], 2)

    asyncio.run(main())
    assert [(about["requestContext"]["requestId"], about["requestContext"]["condition"]) for _, about in sent] == [
        ("no-retry", "RetriesExhausted"),
        ("too-old", "EventAgeExceeded"),
    ]
    assert sent[0][1]["requestContext"] == {
        "requestId": "no-retry",
        "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 1,
    }
    assert sent[0][1]["responseContext"] == {
        "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
    }  # fmt: skip


def test_an_event_whose_runner_died_is_taken_by_another(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path)
        key = (*NAME.key, 1_000_000_000, "lost")
        event = Event("lost", *NAME, b"{}", bench.now)

        def claimed(tx: Any) -> None:
            EVENTS.put(tx, *key, value=event)
            CLAIMS.put(tx, "lost", value=1_000_010_000)

        await bench.cloud.store.transact(claimed)
        await bench.at(9)
        assert bench.execution.runs == []
        await bench.at(10.5)
        assert [identifier for _, identifier in bench.execution.runs] == ["lost"]
        assert bench.waiting == []

    asyncio.run(main())


def test_one_function_does_not_keep_another_waiting(tmp_path: Path) -> None:
    async def main() -> None:
        bench = Bench(tmp_path)

        def many(tx: Any) -> None:
            for number in range(300):
                name = "busy" if number < 299 else "quiet"
                event = Event(f"{number:03d}", NAME.account, NAME.region, name, "", b"{}", bench.now)
                EVENTS.put(tx, NAME.account, NAME.region, name, 1_000_000_000, event.id, value=event)

        await bench.cloud.store.transact(many)
        taken = await bench.queue._claim()
        assert [event.name for _, event in taken].count("quiet") == 1
        assert [event.name for _, event in taken].count("busy") == 50

    asyncio.run(main())


TOLD = "def handler(event, context):\n    import json\n    print('told', json.dumps(event))\n"


def test_outcomes_go_to_their_destinations(functions: Any) -> None:
    functions.create("told", TOLD)
    functions.create(
        "working", "def handler(e, c):\n    if e == 'bad': raise ValueError('no')\n    return {'done': e}\n"
    )
    target = f"arn:aws:lambda:us-east-1:{functions.account.id}:function:told"
    put = functions.client.put_function_event_invoke_config(
        FunctionName="working",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": target}, "OnFailure": {"Destination": target}},
    )
    assert put["DestinationConfig"] == {"OnSuccess": {"Destination": target}, "OnFailure": {"Destination": target}}
    for payload in (b'"good"', b'"bad"'):
        assert (
            functions.client.invoke(FunctionName="working", InvocationType="Event", Payload=payload)["StatusCode"]
            == 202
        )
    functions.logged("told", "RetriesExhausted")
    messages = functions.logged("told", '"Success"')
    records = [json.loads(message[5:]) for message in messages if message.startswith("told ")]
    by_condition = {record["requestContext"]["condition"]: record for record in records}
    good, bad = by_condition["Success"], by_condition["RetriesExhausted"]
    assert (good["requestPayload"], good["responsePayload"]) == ("good", {"done": "good"})
    assert good["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert bad["requestPayload"] == "bad"
    assert bad["responsePayload"]["errorMessage"] == "no"
    assert bad["responseContext"]["functionError"] == "Unhandled"


def test_what_failed_is_kept_in_a_bucket(functions: Any) -> None:
    s3, bucket = functions.account.client("s3"), f"failures-{functions.account.id}"
    s3.create_bucket(Bucket=bucket)
    role = functions.role(
        "keeps", {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    )
    functions.create("failing", "def handler(e, c):\n    raise ValueError('no')\n", Role=role)
    target = {"Destination": f"arn:aws:s3:::{bucket}"}
    with pytest.raises(ClientError) as error:
        functions.client.put_function_event_invoke_config(
            FunctionName="failing", DestinationConfig={"OnSuccess": target}
        )
    assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"
    functions.client.put_function_event_invoke_config(
        FunctionName="failing", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": target}
    )
    asked = functions.client.invoke(FunctionName="failing", InvocationType="Event", Payload=b'{"n": 1}')
    s3.get_waiter("bucket_exists").wait(Bucket=bucket)
    key = wait_for_key(s3, bucket)
    assert re.fullmatch(r"aws/lambda/async/failing/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d-[0-9a-f-]{36}", key)
    about = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    assert about["requestContext"]["requestId"] == asked["ResponseMetadata"]["RequestId"]
    assert about["requestContext"]["condition"] == "RetriesExhausted"
    assert about["requestPayload"] == {"n": 1}
    assert about["responsePayload"]["errorMessage"] == "no"


def wait_for_key(s3: Any, bucket: str) -> str:
    for _ in range(400):
        for found in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            return str(found["Key"])
        time.sleep(0.05)
    raise AssertionError("nothing was put into the bucket")


def test_destinations_that_cannot_be_are_refused(functions: Any) -> None:
    functions.create("working")
    own = f"arn:aws:lambda:us-east-1:{functions.account.id}:function:working"
    for target, code, message in (
        (own, "InvalidParameterValueException", "You can't specify the function as a destination for itself."),
        (f"{own}-none", "InvalidParameterValueException", f"The destination ARN {own}-none is invalid."),
        (
            "arn:aws:iam:us-east-1:123456789012:function:f",
            "InvalidParameterValueException",
            "The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure("
            "destination=arn:aws:iam:us-east-1:123456789012:function:f)) is invalid.",
        ),
        ("arn:aws:sqs:us-east-1:123456789012:queue", "NotImplemented", "Pileus does not implement destinations of"),
    ):
        with pytest.raises(ClientError) as error:
            functions.client.put_function_event_invoke_config(
                FunctionName="working", DestinationConfig={"OnFailure": {"Destination": target}}
            )
        assert error.value.response["Error"]["Code"] == code
        assert error.value.response["Error"]["Message"].startswith(message)


@pytest.mark.slow
def test_an_accepted_event_survives_a_kill(fresh_cloud: Any, zipped: Any) -> None:
    """The process dies while the event runs; the next one runs it again once the claim has run out."""
    root = fresh_cloud.root
    client, iam, logs = root.client("lambda"), root.client("iam"), root.client("logs")
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}  # fmt: skip
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
    role = iam.create_role(RoleName="r1", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="r1", PolicyName="p", PolicyDocument=json.dumps(policy))
    client.create_function(
        FunctionName="slow",
        Role=role,
        Runtime="python3.11",
        Handler="app.handler",
        Timeout=10,
        Code={
            "ZipFile": zipped({"app.py": "import time\ndef handler(e, c):\n    time.sleep(2)\n    print('ran', e)\n"})
        },
    )
    identifier = client.invoke(FunctionName="slow", InvocationType="Event", Payload=b'"once"')["ResponseMetadata"][
        "RequestId"
    ]
    time.sleep(0.5)
    fresh_cloud.kill()
    fresh_cloud.start()
    end = time.monotonic() + 40
    found: list[str] = []
    while time.monotonic() < end and not found:
        time.sleep(0.5)
        try:
            answer = logs.filter_log_events(logGroupName="/aws/lambda/slow")["events"]
        except logs.exceptions.ResourceNotFoundException:
            continue
        found = [event["message"] for event in answer if event["message"].startswith(("ran", "REPORT"))]
    assert any("ran once" in message for message in found)
    assert any(identifier in message for message in found if message.startswith("REPORT"))
