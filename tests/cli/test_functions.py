"""`pileus invoke`, `logs` and `replay` against a running cloud."""

import io
import json
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

SOURCE = """
def handler(event, context):
    print("got", event)
    if event == "bad":
        raise ValueError("no")
    return {"event": event, "id": context.aws_request_id}
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}


@pytest.fixture
def run(cloud: Any, account: Any) -> Any:
    """Runs a command as the account's root, on an account that has the function `told`."""
    iam = account.client("iam")
    role = iam.create_role(RoleName="r1", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="r1", PolicyName="p", PolicyDocument=json.dumps(POLICY))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", SOURCE)
    account.client("lambda").create_function(
        FunctionName="told", Role=role, Runtime="python3.11", Handler="app.handler", Code={"ZipFile": buffer.getvalue()}
    )

    def command(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        found: subprocess.CompletedProcess[str] = cloud.pileus(*words, env=account.env(), **options)
        return found

    return command


def test_a_function_is_called_logged_and_called_again(run: Any, account: Any, tmp_path: Path) -> None:
    called = run("invoke", "told", '{"a": 1}')
    assert called.returncode == 0, called.stderr
    said = json.loads(called.stdout)
    assert said["event"] == {"a": 1}
    assert "got {'a': 1}" in called.stderr
    assert f"REPORT RequestId: {said['id']}" in called.stderr

    again = run("replay", said["id"], "--account", account.id)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["event"] == {"a": 1}
    assert json.loads(again.stdout)["id"] != said["id"]
    missing = run("replay", "00000000-0000-4000-8000-000000000000", "--account", account.id)
    assert missing.returncode == 1
    assert missing.stderr.startswith("pileus: No such invocation")

    event = tmp_path / "event.json"
    event.write_text('"bad"')
    failed = run("invoke", "told", f"@{event}")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["errorType"] == "ValueError"
    assert run("invoke", "told", "{no json").returncode == 1
    assert "Function not found" in run("invoke", "absent").stderr

    deadline = time.monotonic() + 15
    while "got bad" not in (shown := run("logs", "told").stdout) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} got \{'a': 1\}$", shown, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} told got bad$", run("logs").stdout, re.MULTILINE), "all functions, named"
    assert run("logs", "told", "--filter", '"got bad"').stdout.count("\n") == 1
    assert run("logs", "told", "--since", "soon").returncode == 1
    unknown = run("logs", "absent")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("pileus: There is no function absent")


def test_logs_are_followed(cloud: Any, run: Any, account: Any) -> None:
    following = subprocess.Popen(
        [str(Path(sys.executable).parent / "pileus"), "logs", "-f", "told"],
        stdout=subprocess.PIPE,
        text=True,
        env={**account.env(), "PILEUS_DATA": str(cloud.data), "PYTHONUNBUFFERED": "1"},
    )
    assert following.stdout is not None
    try:
        account.client("lambda").invoke(FunctionName="told", Payload=b'"one"')
        account.client("lambda").invoke(FunctionName="told", Payload=b'"two"')
        lines: list[str] = []
        for line in following.stdout:
            lines.append(line.strip())
            if line.rstrip().endswith("got two"):
                break
        assert sum(line.endswith("got one") for line in lines) == 1
    finally:
        following.kill()
        following.wait()
        following.stdout.close()
