"""The AWS CLI, as it comes from PyPI, does what the page does, and what an operator does."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AWS = Path(sys.executable).with_name("aws")
PASSWORD = "correct horse battery"


class CommandLine:
    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.environment = {**environment, "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
        self.folder = folder

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AWS, "--output", "json", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def __call__(self, *words: str) -> Any:
        """What the command prints, read as JSON where it is."""
        result = self.run(*words)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout) if result.stdout.startswith(("{", "[")) else result.stdout

    def denied(self, *words: str) -> str:
        result = self.run(*words)
        assert result.returncode == 255, result.stdout
        return result.stderr

    def invoke(self, function: str, **payload: Any) -> Any:
        text = json.dumps(payload)
        self("lambda", "invoke", "--function-name", function, "--payload", text, "answer.json")
        return json.loads((self.folder / "answer.json").read_text())

    def using(self, key: str, secret: str, token: str) -> CommandLine:
        credentials = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
        return CommandLine({**self.environment, **credentials}, self.folder)


@pytest.fixture
def root(todo: Any, tmp_path: Path) -> CommandLine:
    return CommandLine(todo.root.env(), tmp_path)


def test_a_person_registers_logs_in_and_keeps_todos(todo: Any, root: CommandLine, tmp_path: Path) -> None:
    out = todo.outputs
    nobody = CommandLine({**root.environment, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, tmp_path)
    cognito = ("--no-sign-request", "cognito-identity")
    identity = nobody(*cognito, "get-id", "--identity-pool-id", out["IdentityPoolId"])["IdentityId"]
    given = nobody(*cognito, "get-credentials-for-identity", "--identity-id", identity)["Credentials"]
    guest = root.using(given["AccessKeyId"], given["SecretKey"], given["SessionToken"])

    username = f"cli-{secrets.token_hex(6)}"
    assert guest.invoke(out["RegisterUser"], username=username, password=PASSWORD) == {"username": username}
    taken = guest.invoke(out["RegisterUser"], username=username, password=PASSWORD)
    assert taken["error"]["code"] == "NameTaken"
    denied = guest.denied("lambda", "invoke", "--function-name", out["ListTodos"], "answer.json")
    assert "(AccessDeniedException)" in denied and "not authorized to perform: lambda:InvokeFunction" in denied

    session = guest.invoke(out["LoginUser"], username=username, password=PASSWORD)["credentials"]
    user = root.using(session["accessKeyId"], session["secretAccessKey"], session["sessionToken"])
    caller = user("sts", "get-caller-identity")
    assert caller["Arn"].endswith(f"/{username}_authenticated") and ":assumed-role/" in caller["Arn"]
    user.invoke(out["AddTodo"], id="1", title="Write the letter")
    assert user.invoke(out["UpdateTodo"], id="1", done=True)["todo"]["done"] is True
    assert [todo["title"] for todo in user.invoke(out["ListTodos"])["todos"]] == ["Write the letter"]
    assert "(AccessDeniedException)" in user.denied("dynamodb", "scan", "--table-name", out["TodosTable"])


def test_an_operator_looks_after_the_application(todo: Any, root: CommandLine, tmp_path: Path) -> None:
    out = todo.outputs
    stack = root("cloudformation", "describe-stacks", "--stack-name", "todo")["Stacks"][0]
    assert stack["StackStatus"].endswith("_COMPLETE")
    assert len(root("dynamodb", "scan", "--table-name", out["UsersTable"])["Items"]) >= 0
    assert "index.html" in root("s3", "ls", f"s3://{out['SiteBucket']}/")
    (tmp_path / "robots.txt").write_text("User-agent: *\n")
    root("s3", "cp", "robots.txt", f"s3://{out['SiteBucket']}/robots.txt")
    assert todo.get("robots.txt") == b"User-agent: *\n"
    root("s3", "rm", f"s3://{out['SiteBucket']}/robots.txt")
    todo.guest().invoke("RegisterUser", {"username": "?", "password": "?"})
    tail = root("lambda", "invoke", "--function-name", out["RegisterUser"], "--log-type", "Tail", "answer.json")
    assert tail["StatusCode"] == 200 and tail["LogResult"]
    assert root("logs", "filter-log-events", "--log-group-name", f"/aws/lambda/{out['RegisterUser']}")["events"]
