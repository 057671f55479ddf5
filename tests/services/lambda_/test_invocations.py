"""Invoking functions: what callers get, what functions see, what lands in the logs."""

import base64
import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

ABOUT = """
import os
def handler(event, context):
    return {
        "event": event,
        "arn": context.invoked_function_arn,
        "version": context.function_version,
        "request": context.aws_request_id,
        "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
        "client": context.client_context and context.client_context.custom,
        "role": os.environ["AWS_ACCESS_KEY_ID"][:4],
    }
"""


@pytest.fixture(scope="module")
def about(shared: Any) -> Any:
    shared.create("about", ABOUT)
    return shared


def test_an_invocation_answers_what_the_function_returned(about: Any) -> None:
    answer = about.client.invoke(FunctionName="about", Payload=b'{"n": 12345678901234567890}', LogType="Tail")
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    said = json.loads(answer["Payload"].read())
    assert said["event"] == {"n": 12345678901234567890}
    assert said["request"] == answer["ResponseMetadata"]["RequestId"]
    assert said["arn"] == f"arn:aws:lambda:us-east-1:{about.account.id}:function:about"
    assert said["identity"] == [None, None]
    assert said["role"] == "ASIA"
    log = base64.b64decode(answer["LogResult"]).decode()
    assert re.fullmatch(
        rf"START RequestId: {said['request']} Version: \$LATEST\n"
        rf"END RequestId: {said['request']}\n"
        rf"REPORT RequestId: {said['request']}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: \d+ MB\t(Init Duration: [\d.]+ ms\t)?\n",
        log,
    )


def test_the_arn_is_the_one_that_the_caller_named(about: Any) -> None:
    assert about.invoke("about:$LATEST")["arn"].endswith(":function:about:$LATEST")
    assert about.invoke("about", Qualifier="$LATEST")["arn"].endswith(":function:about:$LATEST")


def test_a_client_context_reaches_the_function(about: Any) -> None:
    context = base64.b64encode(b'{"custom": {"a": "b"}}').decode()
    assert about.invoke("about", ClientContext=context)["client"] == {"a": "b"}
    with pytest.raises(ClientError) as error:
        about.client.invoke(FunctionName="about", ClientContext="{no base64}")
    assert error.value.response["Error"]["Code"] == "InvalidRequestContentException"


def test_no_payload_is_an_empty_event(about: Any) -> None:
    assert json.loads(about.client.invoke(FunctionName="about")["Payload"].read())["event"] == {}


def test_a_dry_run_runs_nothing(about: Any) -> None:
    answer = about.client.invoke(FunctionName="about", InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert answer["Payload"].read() == b""


@pytest.mark.parametrize(
    ("payload", "code", "message"),
    [
        (
            b"{no json",
            "InvalidRequestContentException",
            "Could not parse request body into json: Could not parse payload",
        ),
        (
            b'"\x87"',
            "InvalidRequestContentException",
            "Could not parse request body into json: Could not parse payload",
        ),
        (
            b'"' + b"x" * 6_291_455 + b'"',
            "RequestTooLargeException",
            "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
        ),
    ],
)
def test_bad_payloads_never_reach_the_function(about: Any, payload: bytes, code: str, message: str) -> None:
    with pytest.raises(ClientError) as error:
        about.client.invoke(FunctionName="about", Payload=payload)
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["Error"]["Message"].startswith(message)


def test_a_function_that_is_not_there(about: Any) -> None:
    with pytest.raises(ClientError) as error:
        about.client.invoke(FunctionName="absent")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_an_error_of_the_function_is_an_answer(shared: Any) -> None:
    shared.create("raising", "def handler(e, c):\n    raise ValueError('no')\n")
    answer = shared.client.invoke(FunctionName="raising")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    said = json.loads(answer["Payload"].read())
    assert (said["errorType"], said["errorMessage"]) == ("ValueError", "no")


def test_the_role_is_what_a_function_may_do(functions: Any) -> None:
    source = """
import boto3, botocore
def handler(event, context):
    sts = boto3.client("sts").get_caller_identity()["Arn"]
    try:
        boto3.client("s3").list_buckets()
        return [sts, "allowed"]
    except botocore.exceptions.ClientError as error:
        return [sts, error.response["Error"]["Code"]]
"""
    functions.create("limited", source, Timeout=30)
    arn, outcome = functions.invoke("limited")
    assert arn == f"arn:aws:sts::{functions.account.id}:assumed-role/execution/limited"
    assert outcome == "AccessDenied"


def test_output_lands_in_the_log_group(functions: Any) -> None:
    functions.create("talking", "def handler(e, c):\n    print('hello', e)\n    print('two')\n")
    functions.invoke("talking", "you")
    messages = functions.logged("talking", "REPORT")
    words = [message.split(" ")[0].strip() for message in messages]
    assert words == ["INIT_START", "START", "hello", "two", "END", "REPORT"]
    assert re.search(r"Version: python:3.11.v1\tRuntime Version ARN: arn:aws:lambda:us-east-1::runtime:", messages[0])
    streams = functions.account.client("logs").describe_log_streams(logGroupName="/aws/lambda/talking")["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", streams[0]["logStreamName"])


def test_a_role_that_may_not_log_logs_nothing(functions: Any) -> None:
    functions.create("silent", "def handler(e, c): print('secret')\n", Role=functions.role("mute"))
    functions.create("loud", "def handler(e, c): print('told')\n")
    functions.invoke("silent")
    functions.invoke("loud")
    functions.logged("loud", "told")
    logs = functions.account.client("logs")
    assert logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/silent")["logGroups"] == []


def test_a_response_stream_ends_with_what_became_of_it(about: Any, shared: Any) -> None:
    answer = about.client.invoke_with_response_stream(FunctionName="about", Payload=b'{"s": 1}', LogType="Tail")
    events = list(answer["EventStream"])
    payload = b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)
    assert json.loads(payload)["event"] == {"s": 1}
    assert b"REPORT" in base64.b64decode(events[-1]["InvokeComplete"]["LogResult"])
    shared.create("failing", "def handler(e, c):\n    raise KeyError('gone')\n")
    events = list(shared.client.invoke_with_response_stream(FunctionName="failing")["EventStream"])
    assert events[-1]["InvokeComplete"] == {"ErrorCode": "KeyError", "ErrorDetails": "'gone'"}


def test_a_loop_of_invocations_is_stopped(functions: Any) -> None:
    source = """
import boto3, json
def handler(event, context):
    client = boto3.client("lambda")
    try:
        answer = client.invoke(FunctionName=context.function_name, Payload=json.dumps(event + 1))
        return json.loads(answer["Payload"].read())
    except client.exceptions.RecursiveInvocationException:
        return ["stopped", event]
"""
    functions.create("looping", source, Timeout=60, MemorySize=1024)
    assert functions.invoke("looping", 1) == ["stopped", 16]


def test_the_old_way_to_invoke_asynchronously(functions: Any) -> None:
    functions.create("old", "def handler(e, c): print('got', e)\n")
    assert functions.client.invoke_async(FunctionName="old", InvokeArgs=b'{"a": 1}')["Status"] == 202
    functions.logged("old", "got {'a': 1}")
