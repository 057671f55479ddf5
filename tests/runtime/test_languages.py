"""One function of each kind in each language that this machine has."""

# ruff: noqa: E501  the functions' own sources

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pileus.runtime import extensions
from pileus.runtime.interface import Invocation, Outcome
from pileus.runtime.languages import python
from runtime_harness import Harness, runnable

NODE = runnable("nodejs20.x", "nodejs22.x", "nodejs18.x", "nodejs24.x")
JAVA = runnable("java17", "java21")
needs_node = pytest.mark.skipif(not NODE, reason="no Node.js on this machine")
needs_java = pytest.mark.skipif(not JAVA, reason="no JDK on this machine")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on this machine")


@pytest.mark.parametrize("runtime", [name for name in python.IDENTIFIERS if runnable(name)])
def test_every_python_of_the_machine(harness: Harness, runtime: str) -> None:
    source = """
import sys, boto3
def handler(event, context):
    return [context.get_remaining_time_in_millis() > 0, "%d.%d" % sys.version_info[:2]][event]
"""
    function = harness.function(source, runtime=runtime)
    assert json.loads(harness.invoke(function, 1).payload) == runtime.removeprefix("python")
    assert harness.invoke(function, 0).payload == b"true"
    error = json.loads(harness.invoke(function, 2).payload)
    assert (error["errorType"], error["errorMessage"]) == ("IndexError", "list index out of range")


@needs_node
@pytest.mark.parametrize(
    ("files", "handler", "expected"),
    [
        ({"index.mjs": "export const handler = async (event) => ({ event, esm: import.meta.url });"}, "index.handler",
         {"event": [1], "esm": "file:///var/task/index.mjs"}),
        ({"index.js": "export const handler = async (event) => event;", "package.json": '{"type": "module"}'}, "index.handler", [1]),
        ({"index.js": "const os = require('os'); exports.handler = async (event) => [typeof os.cpus, process.cwd()];"},
         "index.handler", ["function", "/var/task"]),
        ({"src/app.js": "exports.a = { b: (event, context, callback) => setTimeout(() => callback(null, event), 10) };"}, "src/app.a.b", [1]),
        ({"index.js": "exports.handler = (event, context) => context.succeed(context.functionName.length > 0);"}, "index.handler", True),
        ({"index.js": "exports.handler = async () => {};"}, "index.handler", None),
    ],
)  # fmt: skip
def test_node_handlers(harness: Harness, files: dict[str, str], handler: str, expected: Any) -> None:
    function = harness.function(files, runtime=NODE, handler=handler)
    outcome = harness.invoke(function, [1])
    assert outcome.function_error is None, outcome.payload
    assert json.loads(outcome.payload) == expected


@needs_node
@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("exports.handler = async () => { throw new TypeError('no'); }", "TypeError", "no"),
        ("exports.handler = (event, context, callback) => callback('text')", "string", "text"),
        ("exports.handler = async () => { setTimeout(() => { throw new Error('late') }, 1); await new Promise(() => setInterval(() => 1, 9)); }", "Error", "late"),
        ("exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise(() => setInterval(() => 1, 9)); }",
         "Runtime.UnhandledPromiseRejection", "Error: lost"),
        ("exports.handler = async () => process.exit(7)", "Runtime.ExitError", "Runtime exited with error: exit status 7"),
        ("exports.other = 1", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        ("require('nothing-here')", "Runtime.ImportModuleError", "Error: Cannot find module 'nothing-here'"),
        ("exports.handler = (", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ("throw new RangeError('at init')", "RangeError", "at init"),
    ],
)  # fmt: skip
def test_node_errors(harness: Harness, source: str, kind: str, message: str) -> None:
    outcome = harness.invoke(harness.function({"index.js": source}, runtime=NODE, handler="index.handler"))
    error = json.loads(outcome.payload)
    assert (outcome.function_error, error["errorType"]) == ("Unhandled", kind)
    assert message in error["errorMessage"]


@needs_node
def test_node_context_log_and_variables(harness: Harness) -> None:
    source = """
exports.handler = async (event, context) => {
  console.log("hello %s", "you"); console.error(new Error("seen"));
  return { ...context, left: context.getRemainingTimeInMillis(), mine: process.env.MINE, key: process.env.AWS_ACCESS_KEY_ID };
};"""
    function = harness.function(
        {"index.js": source}, runtime=NODE, handler="index.handler", environment=(("MINE", "yes"),)
    )
    outcome = harness.invoke(
        function, cognito_identity_id="id", cognito_identity_pool_id="pool", client_context='{"custom": {"é": 1}}'
    )
    answer = json.loads(outcome.payload)
    assert answer["identity"] == {"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}
    assert answer["clientContext"] == {"custom": {"é": 1}}
    assert answer["memoryLimitInMB"] == "128" and 20_000 < answer["left"] <= 30_000 and answer["mine"] == "yes"
    assert answer["logStreamName"] == outcome.log_stream and answer["key"] == "ASIAEXAMPLE"
    log = harness.log_of(function)
    assert f"\t{answer['awsRequestId']}\tINFO\thello you\n" in log and "\tERROR\tError: seen\n    at " in log
    plain = json.loads(harness.invoke(function).payload)
    assert "identity" not in plain and "clientContext" not in plain


@needs_node
def test_node_options_are_honoured(harness: Harness) -> None:
    environment = (("NODE_OPTIONS", "--stack-trace-limit=1"),)
    source = "exports.handler = async () => Error.stackTraceLimit"
    function = harness.function({"index.js": source}, runtime=NODE, handler="index.handler", environment=environment)
    assert harness.invoke(function).payload == b"1"


STREAMING = """
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event.early) throw new Error("early");
  if (event.http) stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: "b" } });
  for (let count = 0; count < (event.count ?? 3); count++) {
    if (!stream.write(`${count};` + "x".repeat(event.size ?? 0))) await new Promise((resolve) => stream.once("drain", resolve));
    if (event.late) throw new RangeError("late");
  }
  stream.end();
});"""


@needs_node
def test_node_streams(harness: Harness) -> None:
    function = harness.function(
        {"index.js": STREAMING}, runtime=NODE, handler="index.handler", timeout_s=20, memory_mb=512
    )

    async def stream(event: Any) -> tuple[Outcome, bytes]:
        invocation = Invocation(
            "33333333-3333-4333-8333-333333333333", msgspec.json.encode(event), function.arn, tail=True
        )
        outcome = await harness.runtime.invoke_streaming(function, invocation)
        assert outcome.stream is not None
        pieces = [piece async for piece in outcome.stream]
        return outcome, b"".join(pieces)

    outcome, body = harness.run(stream({}))
    assert body == b"0;1;2;" and outcome.function_error is None and b"REPORT" in outcome.log_tail
    outcome, body = harness.run(stream({"http": 1, "count": 1}))
    assert body == b'{"statusCode":201,"headers":{"a":"b"}}' + bytes(8) + b"0;"
    assert outcome.content_type == "application/vnd.awslambda.http-integration-response"
    outcome, body = harness.run(stream({"count": 100, "size": 200_000}))
    assert len(body) > 20_000_000 and outcome.function_error is None
    outcome, body = harness.run(stream({"late": 1}))
    assert body == b"0;" and (outcome.function_error, outcome.error_type, outcome.error_message) == (
        "Unhandled",
        "RangeError",
        "late",
    )
    outcome, body = harness.run(stream({"early": 1}))
    assert json.loads(body)["errorMessage"] == "early" and outcome.function_error == "Unhandled"
    assert harness.invoke(function, {}).payload == b"0;1;2;"


JAVA_SOURCE = """
package example;
import java.io.*;
import java.util.*;
public class App {
  public static class Order { private String name; private List<Integer> counts; public double price; public Kind kind;
    public void setName(String name) { this.name = name; } public void setCounts(List<Integer> counts) { this.counts = counts; } }
  public enum Kind { BIG, SMALL }
  public record Receipt(String name, int total, Kind kind, Map<String, Object> more) {}
  public Receipt order(Order order) {
    System.out.println("ordered " + order.name);
    return new Receipt(order.name, order.counts.stream().mapToInt(Integer::intValue).sum(), order.kind, Map.of("price", order.price));
  }
  public Map<String, Object> map(Map<String, Object> event) { return event; }
  public static String text(String event) { return event + System.getenv("MINE"); }
  public void stream(InputStream input, OutputStream output) throws IOException { input.transferTo(output); }
  public void fail(Object event) { throw new IllegalStateException("no", new RuntimeException("because")); }
  public Long nothing() { return null; }
}
"""


@pytest.fixture(scope="session")
def java_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("java")
    (folder / "App.java").write_text(JAVA_SOURCE)
    # The interfaces as AWS's library has them, as far as the handler below needs them.
    core = folder / "com/amazonaws/services/lambda/runtime"
    core.mkdir(parents=True)
    package = "package com.amazonaws.services.lambda.runtime;\n"
    (core / "Context.java").write_text(
        package
        + "public interface Context { String getAwsRequestId(); int getRemainingTimeInMillis(); int getMemoryLimitInMB(); CognitoIdentity getIdentity(); LambdaLogger getLogger(); }"
    )
    (core / "CognitoIdentity.java").write_text(package + "public interface CognitoIdentity { String getIdentityId(); }")
    (core / "LambdaLogger.java").write_text(package + "public interface LambdaLogger { void log(String message); }")
    (core / "RequestHandler.java").write_text(
        package + "public interface RequestHandler<I, O> { O handleRequest(I input, Context context); }"
    )
    (folder / "Handler.java").write_text(
        "package example; import com.amazonaws.services.lambda.runtime.*; import java.util.*;\n"
        "public class Handler implements RequestHandler<List<App.Order>, String> {\n"
        "  public String handleRequest(List<App.Order> orders, Context context) {\n"
        "    context.getLogger().log(\"logged\\ntogether\");\n"
        "    return orders.get(0).price + context.getIdentity().getIdentityId() + context.getMemoryLimitInMB(); } }"
    )  # fmt: skip
    sources = [str(path) for path in folder.rglob("*.java")]
    subprocess.run(["javac", "-d", str(folder / "task"), *sources], check=True, timeout=60)
    return folder / "task"


@needs_java
def test_java_handlers(harness: Harness, java_classes: Path) -> None:
    order = {"name": "tea", "counts": [1, 2], "price": 2.5, "kind": "BIG"}
    receipt = {"name": "tea", "total": 3, "kind": "BIG", "more": {"price": 2.5}}
    for handler, event, expected in (
        ("example.App::order", order, receipt),
        ("example.App::map", {"a": [1, None, "é", 2**60, 1.5, True]}, {"a": [1, None, "é", 2**60, 1.5, True]}),
        ("example.App::text", "mine: ", "mine: yes"),
        ("example.App::stream", [1], [1]),
        ("example.App::nothing", 1, None),
        ("example.Handler", [order], "2.5id512"),
    ):
        function = harness.function(
            {}, runtime=JAVA, handler=handler, code=str(java_classes), memory_mb=512, timeout_s=10, environment=(("MINE", "yes"),)
        )  # fmt: skip
        outcome = harness.invoke(function, event, cognito_identity_id="id", cognito_identity_pool_id="pool")
        assert outcome.function_error is None, outcome.payload
        assert json.loads(outcome.payload) == expected
        if handler == "example.Handler":
            assert "logged\ntogether" in [text for owner, _, (_, text) in harness.logs if owner == function]


@needs_java
def test_java_errors(harness: Harness, java_classes: Path) -> None:
    def fail(handler: str) -> Any:
        function = harness.function(
            {}, runtime=JAVA, handler=handler, code=str(java_classes), memory_mb=512, timeout_s=10
        )
        return json.loads(harness.invoke(function).payload)

    error = fail("example.App::fail")
    assert (error["errorMessage"], error["errorType"]) == ("no", "java.lang.IllegalStateException")
    assert (
        error["stackTrace"][0].startswith("example.App.fail(App.java:") and error["cause"]["errorMessage"] == "because"
    )
    assert fail("example.Missing")["errorMessage"] == "Class not found: example.Missing"
    assert fail("example.App::missing")["errorType"] == "java.lang.NoSuchMethodException"


PROGRAM = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static int dial(void) {
  int one = socket(AF_INET, SOCK_STREAM, 0);
  char *port = strchr(getenv("AWS_LAMBDA_RUNTIME_API"), ':') + 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  connect(one, (struct sockaddr *)&address, sizeof address);
  return one;
}
int main(void) {
  static char buffer[65536], id[64];
  for (;;) {
    int one = dial();
    dprintf(one, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n");
    long size = read(one, buffer, sizeof buffer - 1);
    close(one);
    if (size <= 0) return 1;
    buffer[size] = 0;
    sscanf(strstr(buffer, "Lambda-Runtime-Aws-Request-Id: "), "Lambda-Runtime-Aws-Request-Id: %63s", id);
    char *event = strstr(buffer, "\r\n\r\n") + 4;
    one = dial();
    dprintf(one, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n{\"echo\":%s}", id, strlen(event) + 9, event);
    read(one, buffer, sizeof buffer);
    close(one);
  }
}
"""


@needs_compiler
def test_a_compiled_program_is_a_custom_runtime(harness: Harness) -> None:
    function = harness.function({"main.c": PROGRAM}, runtime="provided.al2023", handler="none")
    program = Path(function.code, "bootstrap")
    subprocess.run(["cc", "-o", str(program), str(program.with_name("main.c"))], check=True, timeout=60)
    assert [harness.invoke(function, event).payload for event in (1, "two")] == [b'{"echo":1}', b'{"echo":"two"}']


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
        ("#!/no/such/interpreter\n", "fork/exec /var/task/bootstrap: no such file or directory"),
        ("not executable", "fork/exec /var/task/bootstrap: permission denied"),
    ],
)
def test_a_bootstrap_that_cannot_start(harness: Harness, source: str, message: str) -> None:
    files = {"bootstrap": source} if source else {"other": ""}
    outcome = harness.invoke(harness.function(files, runtime="provided.al2023"), request_id="r")
    expected = {"errorType": "Runtime.InvalidEntrypoint", "errorMessage": f"RequestId: r Error: {message}"}
    assert json.loads(outcome.payload) == expected


EXTENSION = """#!/usr/bin/env python3
import http.client, json, os
def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2020-01-01/extension/" + path, body, headers)
    response = connection.getresponse()
    return response, json.loads(response.read())
response, answer = call("POST", "register", json.dumps({"events": ["INVOKE", "SHUTDOWN"]}), **{"Lambda-Extension-Name": "watcher"})
print("extension of", answer["functionName"], flush=True)
me = {"Lambda-Extension-Identifier": response.headers["Lambda-Extension-Identifier"]}
while True:
    _, event = call("GET", "event/next", **me)
    print("extension saw", event["eventType"], event.get("shutdownReason", event.get("requestId")), flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
"""


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may not get round to an extension within Lambda's two seconds."""
    monkeypatch.setattr(extensions, "SHUTDOWN_EXTERNAL_S", 60.0)


@pytest.mark.usefixtures("patient")
def test_an_extension_that_is_at_work_does_not_end_with_the_runtime(harness: Harness) -> None:
    slow = EXTENSION.replace("import http", "import time, http").replace(
        '    print("extension saw"', '    time.sleep(0.5)\n    print("extension saw"'
    )
    function = harness.function(
        "def handler(event, context):\n    return event",
        layers=(harness.directory({"extensions/watcher": slow}),),
        timeout_s=10,
    )
    assert harness.invoke(function, 5).payload == b"5"
    harness.loop.call_soon_threadsafe(harness.runtime.retire, function.account, function.region, function.name)
    deadline = time.time() + 60
    while "SHUTDOWN" not in harness.log_of(function) and time.time() < deadline:
        time.sleep(0.02)
    log = harness.log_of(function)
    assert log.count("extension saw INVOKE") == 1 and "extension saw SHUTDOWN SPINDOWN" in log


@pytest.mark.usefixtures("patient")
def test_an_external_extension_sees_every_phase(harness: Harness) -> None:
    layer = harness.directory({"extensions/watcher": EXTENSION})
    function = harness.function("def handler(event, context):\n    return event", layers=(layer,), timeout_s=10)
    assert harness.invoke(function, 5, request_id="44444444-4444-4444-8444-444444444444").payload == b"5"
    assert harness.invoke(function, 6).payload == b"6"
    harness.loop.call_soon_threadsafe(harness.runtime.retire, function.account, function.region, function.name)
    deadline = time.time() + 60
    while "SHUTDOWN" not in harness.log_of(function) and time.time() < deadline:
        time.sleep(0.02)
    log = harness.log_of(function)
    assert f"extension of {function.name}" in log
    assert "extension saw INVOKE 44444444-4444-4444-8444-444444444444" in log
    assert log.count("extension saw INVOKE") == 2 and "extension saw SHUTDOWN SPINDOWN" in log


LEAVING = """
import signal, sys
def leave(number, frame):
    print("the function leaves", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
def handler(event, context):
    return event
"""


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("runtime", ["python3.11", "python3.12", "python3.13"])
def test_a_function_sees_the_signal_to_end_while_it_waits(harness: Harness, runtime: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown"""
    if not runnable(runtime):
        pytest.skip(f"no {runtime} here")
    layer = harness.directory({"extensions/watcher": EXTENSION})
    function = harness.function(LEAVING, layers=(layer,), timeout_s=10, runtime=runtime)
    assert harness.invoke(function, 5).payload == b"5"
    harness.loop.call_soon_threadsafe(harness.runtime.retire, function.account, function.region, function.name)
    deadline = time.time() + 60
    while "the function leaves" not in harness.log_of(function) and time.time() < deadline:
        time.sleep(0.02)
    assert "the function leaves" in harness.log_of(function)


def test_a_wrapper_starts_the_runtime(harness: Harness) -> None:
    wrapper = '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n'
    files = {"wrapper": wrapper, "app.py": "import os\ndef handler(event, context):\n    return os.environ['WRAPPED']"}
    function = harness.function(files, environment=(("AWS_LAMBDA_EXEC_WRAPPER", "/var/task/wrapper"),))
    assert harness.invoke(function).payload == b'"yes"'


def test_a_wrapper_that_is_not_there_is_the_end_of_the_shell_that_wants_it(harness: Harness) -> None:
    function = harness.function("", environment=(("AWS_LAMBDA_EXEC_WRAPPER", "/not/there"),))
    error = json.loads(harness.invoke(function).payload)
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Error: Runtime exited with error: exit status 127")


@needs_node
def test_node_finds_modules_of_the_function_by_their_names(harness: Harness) -> None:
    files = {
        "source/index.js": "const own = require('own'); exports.handler = async () => own;",
        "own.js": "module.exports = 'found';",
    }
    function = harness.function(files, runtime=NODE, handler="source/index.handler")
    assert harness.invoke(function).payload == b'"found"'


@needs_node
def test_node_takes_and_gives_what_comes_in_many_pieces(harness: Harness) -> None:
    function = harness.function(
        {"index.js": "exports.handler = async (event) => event;"}, runtime=NODE, handler="index.handler"
    )
    for payload in ('"' + "é€😀" * 200_000 + '"', "[]", '"' + "x" * 70_000 + '"'):
        assert harness.invoke(function, json.loads(payload)).payload.decode() == payload


@needs_node
def test_node_dies_of_what_it_left_behind(harness: Harness) -> None:
    """An error that nobody catches, while the next invocation is awaited: the one after it is served by another."""
    source = """
let count = 0;
exports.handler = async (event) => {
  if (event === "late") setTimeout(() => { throw new Error("late"); }, 20);
  return ++count;
};"""
    function = harness.function({"index.js": source}, runtime=NODE, handler="index.handler")
    assert harness.invoke(function, "late").payload == b"1"
    answers = []
    for _ in range(100):
        outcome = harness.invoke(function, "")
        if outcome.function_error is None:
            answers.append(int(outcome.payload))
            if answers[-1] == 1:
                break
        time.sleep(0.02)
    assert answers[-1] == 1, answers


@needs_node
def test_node_goes_on_after_an_answer_that_was_refused(harness: Harness) -> None:
    source = "let count = 0; exports.handler = async (size) => { count++; return size ? 'x'.repeat(size) : count; };"
    function = harness.function({"index.js": source}, runtime=NODE, handler="index.handler")
    outcome = harness.invoke(function, 6_300_000)
    assert json.loads(outcome.payload)["errorType"] == "Function.ResponseSizeTooLarge"
    outcome = harness.invoke(function, 6_200_000)
    assert outcome.function_error is None and len(outcome.payload) == 6_200_002
    assert harness.invoke(function, 0).payload in (b"2", b"3")
