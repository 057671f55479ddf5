"""`pileus dev`: code that is saved answers."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: hello-dev
      Runtime: python3.11
      Handler: app.handler
      CodeUri: hello
"""


def answer(account: Any, wanted: str) -> float:
    """Seconds until the function answers `wanted`."""
    client = account.client("lambda")
    started = time.monotonic()
    while time.monotonic() < started + 20:
        if json.loads(client.invoke(FunctionName="hello-dev")["Payload"].read()) == wanted:
            return time.monotonic() - started
        time.sleep(0.01)
    raise AssertionError(f"the function never answered {wanted}")


def test_saved_code_answers(cloud: Any, account: Any, tmp_path: Path) -> None:
    (tmp_path / "hello").mkdir()
    code = tmp_path / "hello" / "app.py"
    code.write_text("def handler(event, context):\n    return 'one'\n")
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "pileus"), "dev", str(tmp_path / "template.yaml"), "--stack", "dev"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **account.env(), "PILEUS_DATA": str(cloud.data), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Watching"):
                break
        assert said and said[-1].startswith("Watching"), said
        answer(account, "one")
        code.write_text("def handler(event, context):\n    return 'two'\n")
        answer(account, "two")
        code.write_text("def handler(event, context):\n    return 'three'\n")
        answer(account, "three")
        assert "has the new code" in process.stdout.readline()
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
