"""Extensions that subscribe to the Telemetry API, with real sandboxes."""

import asyncio
import json
import socket
import time
from typing import Any

import pytest

from pileus.runtime import telemetry
from pileus.runtime.interface import FunctionVersion, Logging
from pileus.runtime.platform_log import Report
from runtime_harness import Harness

EXTENSION = """#!/usr/bin/env python3
import http.client, http.server, json, os, threading
class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("/tmp/events", "ab") as kept:
            kept.write(body + b"\\n")
        self.send_response(200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
server = http.server.HTTPServer(("sandbox.localdomain", 8080), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, headers, body=None):
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer, answer.read()
answer, _ = call("POST", "/2020-01-01/extension/register", {"Lambda-Extension-Name": os.path.basename(__file__)},
                 json.dumps({"events": ["INVOKE"]}))
identity = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}
def subscribe(uri, **more):
    request = {"schemaVersion": "2022-12-13", "types": ["platform", "function"],
               "destination": {"protocol": "HTTP", "URI": uri}, **more}
    answer, body = call("PUT", "/2022-07-01/telemetry", identity, json.dumps(request))
    with open("/tmp/answers", "a") as kept:
        kept.write(json.dumps([answer.status, json.loads(body)]) + "\\n")
subscribe("http://127.0.0.1:4566/")
subscribe("http://sandbox.localdomain:8080/", buffering={"timeoutMs": 1})
subscribe("http://sandbox.localdomain:8080/here", buffering={"timeoutMs": 25, "maxItems": 1000, "maxBytes": 262144})
while True:
    call("GET", "/2020-01-01/extension/event/next", identity)
    if not os.path.exists("/tmp/late"):
        open("/tmp/late", "w").close()
        subscribe("http://sandbox.localdomain:8080/late")
"""
SOURCE = """
import json, os
print("while it is imported")
def handler(event, context):
    print("called with", event)
    if event == "answers":
        return [json.loads(line) for line in open("/tmp/answers")]
    found = [json.loads(line) for line in open("/tmp/events")] if os.path.exists("/tmp/events") else []
    return [event for batch in found for event in batch]
"""


@pytest.fixture
def watched(isolated: Harness) -> Any:
    layer = isolated.directory({"extensions/watcher": EXTENSION})
    return isolated.function(SOURCE, layers=(layer,), memory_mb=512)


def test_an_extension_is_sent_what_happens(isolated: Harness, watched: Any) -> None:
    first = "11111111-1111-4111-8111-111111111111"
    isolated.invoke(watched, "first", request_id=first)
    for _ in range(100):
        events = json.loads(isolated.invoke(watched).payload)
        if any(event["type"] == "platform.report" and event["record"]["requestId"] == first for event in events):
            break
        time.sleep(0.05)
    kinds = [event["type"] for event in events]
    assert kinds[0] == "platform.initStart"
    of = {kind: next(event["record"] for event in events if event["type"] == kind) for kind in kinds}
    assert of["platform.initStart"]["functionName"] == watched.name
    assert of["platform.telemetrySubscription"] == {
        "name": "watcher", "state": "Subscribed", "types": ["platform", "function"],
    }  # fmt: skip
    assert of["platform.initReport"]["metrics"]["durationMs"] > 0
    assert of["platform.start"]["requestId"] == first
    assert of["platform.runtimeDone"]["status"] == "success"
    assert of["platform.report"]["metrics"]["memorySizeMB"] == 512
    printed = [event["record"] for event in events if event["type"] == "function"]
    assert printed[:2] == ["while it is imported\n", "called with first\n"]
    assert kinds.index("platform.initRuntimeDone") < kinds.index("platform.start") < kinds.index("platform.report")


def test_subscriptions_that_cannot_be_are_refused(isolated: Harness, watched: Any) -> None:
    isolated.invoke(watched, "first")
    for _ in range(100):
        answers = json.loads(isolated.invoke(watched, "answers").payload)
        if len(answers) == 4:
            break
        time.sleep(0.05)
    assert [status for status, _ in answers] == [403, 400, 200, 403]
    assert answers[0][1] == {
        "errorType": "Telemetry.AccessDenied", "errorMessage": "Only 'sandbox.localdomain' hostname is supported.",
    }  # fmt: skip
    assert answers[1][1] == {
        "errorType": "Telemetry.ValidationError", "errorMessage": "timeoutMs should be between 25 and 30000",
    }  # fmt: skip
    assert answers[2][1] == "OK"
    assert answers[3][1]["errorType"] == "Telemetry.SubscriptionClosed"


def test_whoever_wants_lines_over_tcp_is_sent_them() -> None:
    """A destination of the TCP protocol, at a socket that is really listened at."""

    async def main() -> list[dict[str, Any]]:
        got = bytearray()
        done = asyncio.Event()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.extend(await reader.read())
            writer.close()
            if b"platform.report" in got:
                done.set()

        async def opened() -> socket.socket:
            connection = socket.socket()
            connection.setblocking(False)
            return connection

        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        function = FunctionVersion("1", "r", "f", "1", "arn", "python3.11", "h", "role", "", "", Logging("g"))
        telling = telemetry.Telemetry(function, opened, provisioned=False)
        telling.initialising()
        request = {
            "schemaVersion": "2025-01-29", "types": ["platform", "function"],
            "destination": {"protocol": "TCP", "port": port}, "buffering": {"timeoutMs": 25},
        }  # fmt: skip
        assert telling.subscribe("watcher", json.dumps(request).encode()) == (200, "OK")
        telling.initialised(12.5)
        telling.invoked("id", "trace")
        telling.printed([(0, "printed\n")])
        telling.answered(Report("id", 3.0, 3, 128, 20), 2)
        async with asyncio.timeout(20):
            await done.wait()
        telling.close()
        server.close()
        return [json.loads(line) for line in got.splitlines()]

    kinds = [event["type"] for event in asyncio.run(main())]
    assert kinds[0] == "platform.initStart" and kinds[-1] == "platform.report"
    assert {"platform.telemetrySubscription", "platform.initReport", "platform.start", "function"} < set(kinds)


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"destination": {"protocol": "TCP", "port": 8080}}, 200, ""),
        ({"destination": {"protocol": "TCP", "URI": "tcp://sandbox.localdomain:8080"}}, 200, ""),
        ({"destination": {"protocol": "TCP"}}, 400, "Telemetry.ValidationError"),
        ({"destination": {"protocol": "HTTP", "port": 8080}}, 400, "Telemetry.ValidationError"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain"}}, 400, "Telemetry.ValidationError"),
        ({"destination": {"protocol": "TCP", "port": 9001}}, 400, "Telemetry.ValidationError"),
        ({"destination": {"protocol": "HTTP", "URI": "http://other:80/"}}, 403, "Telemetry.AccessDenied"),
        ({"destination": {"protocol": "UDP", "port": 8080}}, 400, "Telemetry.DeserializationError"),
        ({"types": []}, 400, "Telemetry.ValidationError"),
        ({"types": ["nothing"]}, 400, "Telemetry.DeserializationError"),
        ({"schemaVersion": "2020-08-15"}, 400, "Telemetry.DeserializationError"),
        ({"buffering": {"maxItems": 1}}, 400, "Telemetry.ValidationError"),
    ],
)
def test_a_subscription_is_what_lambda_takes_for_one(change: dict[str, Any], status: int, kind: str) -> None:
    async def main() -> tuple[int, Any]:
        function = FunctionVersion("1", "r", "f", "1", "arn", "python3.11", "h", "role", "", "", Logging("g"))
        telling = telemetry.Telemetry(function, lambda: asyncio.Future(), provisioned=False)
        request = {"schemaVersion": "2022-12-13", "types": ["platform"], **change}
        request.setdefault("destination", {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"})
        answer = telling.subscribe("watcher", json.dumps(request).encode())
        telling.close()
        return answer

    found, body = asyncio.run(main())
    assert (found, body["errorType"] if kind else body) == (status, kind or "OK")


def test_a_sandbox_without_a_network_has_no_telemetry() -> None:
    async def main() -> tuple[int, Any]:
        function = FunctionVersion("1", "r", "f", "1", "arn", "python3.11", "h", "role", "", "", Logging("g"))
        return telemetry.Telemetry(function, None, provisioned=False).subscribe("watcher", b"{}")

    assert asyncio.run(main())[0] == 202


def test_a_flood_is_bounded_and_reported() -> None:
    """Nobody listens: what is held stays small, and the next who is reached learns what was lost."""

    async def main() -> list[bytes]:
        sent: list[bytes] = []
        blocked = asyncio.Event()

        class Silent(telemetry._Subscriber):
            async def _post(self, events: list[bytes]) -> None:
                await blocked.wait()
                sent.extend(events)

        request = telemetry._decode(
            b'{"schemaVersion":"2022-12-13","types":["function"],"destination":{"protocol":"TCP","URI":"tcp://x:1"}}'
        )
        subscriber = Silent(request, 1, "/", lambda: asyncio.Future())
        subscriber.take(b"first")
        subscriber.flush()
        await asyncio.sleep(0)
        for _ in range(100):
            subscriber.take(b"x" * 100_000)
        assert subscriber._size <= telemetry._HELD_BYTES
        blocked.set()
        assert subscriber._sending is not None
        await subscriber._sending
        return sent

    sent = asyncio.run(main())
    assert len(sent) == 12
    assert json.loads(sent[-1])["record"]["droppedRecords"] == 90
