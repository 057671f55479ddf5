"""`pileus invoke --debug`, with a debugger that speaks the Debug Adapter Protocol."""

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("debugpy")

SOURCE = """import os, boto3
def handler(event, context):
    word = event["word"] + os.environ["MORE"]
    return [word, boto3.client("sts").get_caller_identity()["Arn"], context.get_remaining_time_in_millis() > 3_600_000]
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Debugger:
    def __init__(self, port: int) -> None:
        end = time.monotonic() + 30
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
                break
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self._file = self._socket.makefile("rb")
        self._number = 0

    def ask(self, command: str, **arguments: Any) -> None:
        self._number += 1
        body = json.dumps({"seq": self._number, "type": "request", "command": command, "arguments": arguments}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def wait(self, kind: str, name: str) -> dict[str, Any]:
        while True:
            length = 0
            while line := self._file.readline().strip():
                length = int(line.rpartition(b" ")[2])
            message: dict[str, Any] = json.loads(self._file.read(length))
            if message["type"] == kind and message.get("event", message.get("command")) == name:
                return message

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def test_a_breakpoint_stops_the_handler(cloud: Any, account: Any, tmp_path: Path) -> None:
    role = account.client("iam").create_role(RoleName="r1", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", SOURCE)
    account.client("lambda").create_function(
        FunctionName="stops",
        Role=role,
        Runtime="python3.11",
        Handler="app.handler",
        Code={"ZipFile": buffer.getvalue()},
        Environment={"Variables": {"MORE": "!"}},
    )
    (tmp_path / "app.py").write_text(SOURCE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "pileus"), "invoke", "stops", '{"word": "hello"}', "--debug",
            "--debug-port", str(port), "--code", str(tmp_path), "--account", account.id,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **account.env(), "PILEUS_DATA": str(cloud.data)},
    )  # fmt: skip
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        debugger = Debugger(port)
        debugger.ask("initialize", adapterID="test", linesStartAt1=True, pathFormat="path")
        debugger.ask("attach", justMyCode=False)
        debugger.wait("event", "initialized")
        debugger.ask(
            "setBreakpoints", source={"path": str(tmp_path / "app.py")}, breakpoints=[{"line": 4}]
        )  # fmt: skip
        debugger.wait("response", "setBreakpoints")
        debugger.ask("configurationDone")
        stopped = debugger.wait("event", "stopped")["body"]
        assert stopped["reason"] == "breakpoint"
        debugger.ask("stackTrace", threadId=stopped["threadId"], levels=1)
        frame = debugger.wait("response", "stackTrace")["body"]["stackFrames"][0]["id"]
        debugger.ask("evaluate", expression="word", frameId=frame)
        assert debugger.wait("response", "evaluate")["body"]["result"] == "'hello!'"
        debugger.ask("continue", threadId=stopped["threadId"])
        debugger.wait("event", "terminated")
        debugger.close()
        output, errors = process.communicate(timeout=40)
        assert process.returncode == 0, errors
        assert json.loads(output) == ["hello!", f"arn:aws:sts::{account.id}:assumed-role/r1/stops", True]
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
