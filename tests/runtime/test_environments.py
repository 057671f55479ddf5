"""The life of execution environments: init, reuse, limits, errors, the log, the end."""

# ruff: noqa: E501  the functions' own sources

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, cast

import msgspec
import pytest

from pileus.aws.errors import AWSError
from pileus.runtime.interface import Limits, Logging, Outcome
from runtime_harness import Harness

COUNTER = "import time\ncalls = 0\ndef handler(event, context):\n    global calls\n    calls += 1\n    time.sleep(event or 0)\n    return calls"


def test_an_environment_is_reused(harness: Harness) -> None:
    function = harness.function(COUNTER)
    outcomes = [harness.invoke(function) for _ in range(5)]
    assert [json.loads(outcome.payload) for outcome in outcomes] == [1, 2, 3, 4, 5]
    assert [outcome.init_ms is not None for outcome in outcomes] == [True, False, False, False, False]
    assert len({outcome.log_stream for outcome in outcomes}) == 1
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", outcomes[0].log_stream)


def test_concurrent_calls_scale_out(harness: Harness) -> None:
    function = harness.function(COUNTER)

    async def together() -> list[Outcome]:
        return await asyncio.gather(*(harness.ainvoke(function, 0.3) for _ in range(6)))

    outcomes = harness.run(together())
    assert [json.loads(outcome.payload) for outcome in outcomes] == [1] * 6
    assert len({outcome.log_stream for outcome in outcomes}) == 6


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(reserved=2), "ReservedFunctionConcurrentInvocationLimitExceeded"),
        (Limits(reserved=0), "ReservedFunctionConcurrentInvocationLimitExceeded"),
        (Limits(unreserved=2), "ConcurrentInvocationLimitExceeded"),
    ],
)
def test_throttles_say_why(harness: Harness, limits: Limits, reason: str) -> None:
    function = harness.function(COUNTER, account="111111111111")
    room = limits.unreserved if limits.reserved is None else limits.reserved

    async def together() -> tuple[AWSError, int]:
        running = [asyncio.create_task(harness.ainvoke(function, 0.5, limits)) for _ in range(room)]
        await asyncio.sleep(0.2)
        with pytest.raises(AWSError) as raised:
            await harness.ainvoke(function, 0, limits)
        in_use = harness.runtime.concurrency_in_use("111111111111", "eu-west-1", function.name)
        await asyncio.gather(*running)
        return raised.value, in_use

    error, in_use = harness.run(together())
    assert (error.code, error.status, error.members["Reason"]) == ("TooManyRequestsException", 429, reason)
    assert in_use == room
    assert harness.runtime.concurrency_in_use("111111111111", "eu-west-1") == 0


def test_a_caller_that_goes_away_does_not_stop_the_function(harness: Harness) -> None:
    function = harness.function(COUNTER)
    harness.invoke(function)

    async def leave() -> Outcome:
        task = asyncio.create_task(harness.ainvoke(function, 0.3))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.sleep(0.4)
        return await harness.ainvoke(function)

    assert json.loads(harness.run(leave()).payload) == 3


def test_the_log_is_written_as_lambda_writes_it(harness: Harness) -> None:
    source = (
        "import logging\ndef handler(event, context):\n    print('one\\ntwo')\n    logging.warning('three\\nfour')\n"
    )
    function = harness.function(source)
    request = "22222222-2222-4222-8222-222222222222"
    harness.invoke(function, request_id=request)
    first, *lines = [text for owner, _, (_, text) in harness.logs if owner == function]
    assert first == f"INIT_START Runtime Version: python:3.11.v1\tRuntime Version ARN: {function.runtime_arn}\n"
    assert lines[0] == f"START RequestId: {request} Version: $LATEST\n"
    assert lines[1:3] == ["one\n", "two\n"]
    assert re.fullmatch(rf"\[WARNING\]\t\d{{4}}-.*Z\t{request}\tthree\nfour\n", lines[3])
    assert lines[4] == f"END RequestId: {request}\n"
    assert re.fullmatch(
        rf"REPORT RequestId: {request}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t\n",
        lines[5],
    )
    outcome = harness.invoke(function, request_id=request, tail=True)
    tail = outcome.log_tail.decode()
    assert tail.startswith(f"START RequestId: {request}") and "Init Duration" not in tail and tail.endswith("MB\t\n")


@pytest.mark.parametrize("sampled", ["0", "1"])
def test_a_sampled_trace_reaches_the_function_and_its_report(harness: Harness, sampled: str) -> None:
    function = harness.function("import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']")
    trace = f"Root=1-65000000-{'a' * 24};Parent={'b' * 16};Sampled={sampled}"
    outcome = harness.invoke(function, trace_id=trace, tail=True)
    assert json.loads(outcome.payload) == trace
    line = f"XRAY TraceId: 1-65000000-{'a' * 24}\tSegmentId: {'b' * 16}\tSampled: true\t\n"
    assert outcome.log_tail.decode().endswith(line) is (sampled == "1")


def test_json_logs_have_levels(harness: Harness) -> None:
    source = (
        "import logging\nlogger = logging.getLogger()\ndef handler(event, context):\n"
        "    logger.debug('hidden')\n    logger.warning('seen', extra={'order': 7})\n    raise KeyError('lost')"
    )
    for application, system, kinds in (
        ("WARN", "INFO", ["platform.initStart", "platform.start", "WARNING", "ERROR", "platform.report"]),
        ("DEBUG", "WARN", ["DEBUG", "WARNING", "ERROR"]),
    ):
        logging = Logging("/aws/lambda/json", "JSON", cast(Any, application), cast(Any, system))
        function = harness.function(source, logging=logging)
        harness.invoke(function)
        records = [json.loads(text) for owner, _, (_, text) in harness.logs if owner == function]
        assert [record.get("type", record.get("level")) for record in records] == kinds
        seen = next(record for record in records if record.get("level") == "WARNING")
        assert seen["message"] == "seen" and seen["order"] == 7 and seen["requestId"]


@pytest.mark.parametrize(
    ("source", "handler", "kind", "message"),
    [
        ("import nothing_here", "app.handler", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nothing_here'"),
        ("def x(:", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("x = 1", "app", "Runtime.MalformedHandlerName", "Bad handler 'app': "),
        ("1 / 0", "app.handler", "ZeroDivisionError", "division by zero"),
    ],
)  # fmt: skip
def test_init_errors(harness: Harness, source: str, handler: str, kind: str, message: str) -> None:
    function = harness.function(source, handler=handler)
    outcome = harness.invoke(function, tail=True)
    error = json.loads(outcome.payload)
    assert (outcome.function_error, error["errorType"]) == ("Unhandled", kind)
    assert error["errorMessage"].startswith(message)
    log = harness.log_of(function)
    assert "INIT_REPORT Init Duration: " in log and f"Status: error\tError Type: {kind}" in log
    assert b"REPORT RequestId" in outcome.log_tail


@pytest.mark.parametrize(
    ("work", "kind", "message"),
    [
        ("raise ValueError('no')", "ValueError", "no"),
        ("return {1, 2}", "Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable"),
        ("import sys; sys.exit(3)", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("import os; os._exit(0)", "Runtime.ExitError", "Runtime exited without providing a reason"),
        ("import os; os.kill(os.getpid(), 11)", "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault"),
        ("import os; os.abort()", "Runtime.ExitError", "Runtime exited with error: signal: aborted"),
        ("return 'x' * 6_291_555", "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes)."),
    ],
)  # fmt: skip
def test_invocation_errors(harness: Harness, work: str, kind: str, message: str) -> None:
    function = harness.function(f"def handler(event, context):\n    if event: return 'well'\n    {work}")
    outcome = harness.invoke(function, False)
    error = json.loads(outcome.payload)
    assert (outcome.function_error, error["errorType"]) == ("Unhandled", kind)
    assert error["errorMessage"].endswith(message)
    assert harness.invoke(function, True).payload == b'"well"'


def test_the_largest_payloads_pass(harness: Harness) -> None:
    function = harness.function("def handler(event, context):\n    return event", memory_mb=512, timeout_s=10)
    payload = b'"' + b"x" * (6_291_456 - 2) + b'"'
    assert harness.invoke(function, payload).payload == payload
    with pytest.raises(AWSError, match="Request must be smaller than 6291456 bytes for the InvokeFunction operation"):
        harness.invoke(function, payload + b" ")


def test_a_slow_init_is_done_again_under_the_functions_timeout(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pileus.runtime.runtime._INIT_S", 0.5)
    source = "import time\ntime.sleep(1)\ndef handler(event, context):\n    return 'late'"
    assert harness.invoke(harness.function(source, timeout_s=5)).payload == b'"late"'
    outcome = harness.invoke(harness.function(source, timeout_s=0.7))
    assert json.loads(outcome.payload)["errorType"] == "Sandbox.Timedout"


def test_context_and_variables(harness: Harness) -> None:
    source = """
import os
def handler(event, context):
    return {
        "environment": dict(os.environ), "cwd": os.getcwd(), "left": context.get_remaining_time_in_millis(),
        "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb, "identity": context.identity.cognito_identity_id,
        "pool": context.identity.cognito_identity_pool_id, "custom": context.client_context and context.client_context.custom,
    }
"""
    function = harness.function(
        source, environment=(("AWS_REGION", "stolen"), ("MINE", "yes"), ("TZ", "Europe/Zurich"))
    )
    outcome = harness.invoke(
        function, client_context='{"custom": {"k": "v"}}', cognito_identity_id="eu-west-1:id", cognito_identity_pool_id="eu-west-1:pool"
    )  # fmt: skip
    answer = json.loads(outcome.payload)
    variables = answer["environment"]
    assert (variables["AWS_REGION"], variables["MINE"], variables["TZ"]) == ("eu-west-1", "yes", "Europe/Zurich")
    assert variables["AWS_SESSION_TOKEN"] == "token" and variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert variables["AWS_LAMBDA_LOG_STREAM_NAME"] == outcome.log_stream
    assert variables["_X_AMZN_TRACE_ID"].startswith("Root=1-") and variables["_HANDLER"] == "app.handler"
    assert answer["cwd"] == "/var/task" and 20_000 < answer["left"] <= 30_000 and answer["memory"] == "128"
    assert answer["arn"] == function.arn.removesuffix(":$LATEST")
    assert (answer["identity"], answer["pool"], answer["custom"]) == ("eu-west-1:id", "eu-west-1:pool", {"k": "v"})
    plain = json.loads(harness.invoke(function).payload)
    assert (plain["identity"], plain["custom"]) == (None, None)


def test_a_functions_own_library_comes_before_the_warmed_one(harness: Harness) -> None:
    files = {
        "app.py": "import boto3, queue\ndef handler(event, context):\n    return [boto3.__version__, queue.MINE]",
        "boto3/__init__.py": "__version__ = 'mine'",
        "queue.py": "MINE = True",
    }
    assert json.loads(harness.invoke(harness.function(files)).payload) == ["mine", True]


def test_layers_lie_in_opt_and_the_later_hides_the_earlier(harness: Harness) -> None:
    first = harness.directory(
        {"python/shared.py": "NAME = 'first'", "python/lib/python3.11/site-packages/deep.py": "", "data/a": "1"}
    )
    second = harness.directory({"python/shared.py": "NAME = 'second'", "data/b": "2"})
    source = "import os, shared, deep\ndef handler(event, context):\n    return [shared.NAME, sorted(os.listdir('/opt/data'))]"
    both = harness.function(source, layers=(first, second))
    assert json.loads(harness.invoke(both).payload) == ["second", ["a", "b"]]
    one = harness.function(source, layers=(first,))
    assert json.loads(harness.invoke(one).payload) == ["first", ["a"]]


def test_provisioned_environments_are_there_before_the_first_call(harness: Harness) -> None:
    function = harness.function(
        "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']"
    )
    assert harness.run(harness.runtime.provision(function, 2)) == 2
    assert harness.runtime.provisioned(function) == (2, 2)
    outcome = harness.invoke(function)
    assert outcome.payload == b'"provisioned-concurrency"' and outcome.init_ms is None
    harness.run(harness.runtime.provision(function, 0))
    assert harness.runtime.provisioned(function) == (0, 0)
    broken = harness.function("1 / 0")
    with pytest.raises(AWSError, match="FUNCTION_ERROR_INIT_FAILURE"):
        harness.run(harness.runtime.provision(broken, 1))
    harness.run(harness.runtime.provision(broken, 0))


def test_retiring_ends_idle_ones_at_once_and_busy_ones_when_done(harness: Harness) -> None:
    function = harness.function(COUNTER)
    harness.invoke(function)

    async def during_a_call() -> Outcome:
        task = asyncio.create_task(harness.ainvoke(function, 0.3))
        await asyncio.sleep(0.1)
        harness.runtime.retire(function.account, function.region, function.name)
        return await task

    assert json.loads(harness.run(during_a_call()).payload) == 2
    assert json.loads(harness.invoke(function).payload) == 1
    newer = msgspec.structs.replace(function, modified="2")
    harness.runtime.retire(function.account, function.region, function.name, keep=newer)
    assert json.loads(harness.invoke(function).payload) == 1


def test_unused_environments_end(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    function = harness.function(COUNTER)
    harness.invoke(function)
    monkeypatch.setattr("pileus.runtime.runtime.IDLE_S", 0.0)
    time.sleep(0.05)
    harness.loop.call_soon_threadsafe(harness.runtime._recycle)
    deadline = time.time() + 10
    while harness.run(harness.runtime.isolation())["environments"] and time.time() < deadline:
        time.sleep(0.02)
    assert harness.run(harness.runtime.isolation())["environments"] == 0
    monkeypatch.undo()
    assert json.loads(harness.invoke(function).payload) == 1


def test_what_cannot_run_is_named(harness: Harness) -> None:
    assert "no Python 3.14 on this machine" in (
        harness.runtime.missing("python3.14") or "no Python 3.14 on this machine"
    )
    assert "cobol" in (harness.runtime.missing("cobol") or "")
    with pytest.raises(AWSError) as raised:
        harness.invoke(harness.function("", runtime="cobol"))
    assert raised.value.code == "InvalidRuntimeException"


def test_a_handler_may_take_long_to_be_done_with_its_answer(harness: Harness) -> None:
    """A custom runtime that dawdles between answer and next: the next call goes elsewhere."""
    source = """#!/bin/sh
while true; do
  id=$(curl -s -D - -o /dev/null "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" | tr -d '\\r' | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //p')
  curl -s -d "\\"$$\\"" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" > /dev/null
  sleep 1
done
"""
    function = harness.function({"bootstrap": source}, runtime="provided.al2023")
    first, second = harness.invoke(function), harness.invoke(function)
    assert first.function_error is second.function_error is None
    assert first.log_stream != second.log_stream
