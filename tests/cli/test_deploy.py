"""`pileus new`, `deploy`, `status` and `destroy` against a running cloud."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from conftest import Account, Cloud
from pileus.cli.main import run


@pytest.fixture
def pileus(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs commands in this process, as the root of an account of its own."""
    for name, value in account.env().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> int:
        return run(list(words))

    return call


def _get(account: Account, host: str, path: str) -> bytes:
    request = urllib.request.Request(account.endpoint + path, headers={"Host": host})
    with urllib.request.urlopen(request, timeout=10) as response:
        return bytes(response.read())


def test_a_new_application_works_is_changed_and_goes(
    pileus: Any, account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"book-{account.id}"
    assert pileus("new", name) == 0
    monkeypatch.chdir(name)
    assert pileus("deploy", "--stack", name) == 0
    printed = capsys.readouterr().out
    assert f"{name}.localhost" in printed and "GuestBook" in printed
    assert b"Leave a note" in _get(account, f"{name}.localhost", "/")
    config = json.loads(_get(account, f"{name}.localhost", "/config.json"))
    assert config["endpoint"] == account.endpoint and config["region"] == "us-east-1"

    guest = _guest(account, config["IdentityPoolId"])
    notes = _invoke(guest, config["GuestBook"], {"text": "hello"})
    assert [note["text"] for note in notes] == ["hello"]
    with pytest.raises(Exception, match="AccessDenied"):
        guest.client("dynamodb").scan(TableName="x")

    assert pileus("deploy", "--stack", name) == 0
    assert "is up to date" in capsys.readouterr().out
    code = Path("functions/guest_book.py")
    code.write_text(code.read_text().replace('"text": note["text"]', '"text": note["text"].upper()'))
    page = Path("site/index.html")
    page.write_text(page.read_text().replace("Leave a note", "Write a note"))
    assert pileus("deploy", "--stack", name) == 0
    printed = capsys.readouterr().out
    changed = [line.split()[1] for line in printed.splitlines() if line.startswith("✓") and "changed" in line]
    assert changed == ["GuestBook"] and "1 of 5 files uploaded" in printed
    assert [note["text"] for note in _invoke(guest, config["GuestBook"], {})] == ["HELLO"]
    assert b"Write a note" in _get(account, f"{name}.localhost", "/")

    assert pileus("destroy", "--stack", name) == 1
    assert "not empty" in capsys.readouterr().err
    assert pileus("destroy", "--stack", name, "--empty") == 0
    assert pileus("destroy", "--stack", name) == 1
    assert f"There is no stack {name}." in capsys.readouterr().err


def _guest(account: Account, pool: str) -> Account:
    cognito = account.client("cognito-identity")
    identity = cognito.get_id(IdentityPoolId=pool)["IdentityId"]
    return account.using(cognito.get_credentials_for_identity(IdentityId=identity)["Credentials"])


def _invoke(caller: Account, name: str, payload: Any) -> Any:
    answer = caller.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload))
    return json.load(answer["Payload"])


_FAILING = """
Parameters: {Name: {Type: String, Default: taken}}
Resources:
  Good: {Type: AWS::Logs::LogGroup}
  Bad:
    Type: AWS::Logs::LogGroup
    DependsOn: Good
    Properties: {LogGroupName: !Ref Name}
"""


def test_a_failure_names_the_line_and_can_be_mended(
    pileus: Any, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.client("logs").create_log_group(logGroupName="taken")
    Path("template.yaml").write_text(_FAILING)
    assert pileus("deploy", "--stack", "one") == 1
    told = capsys.readouterr().err
    assert told.startswith("pileus: template.yaml:5: Bad: ") and told.count("\n") == 1
    assert "already exists" in told and "ROLLBACK_COMPLETE" in told
    assert pileus("deploy", "--stack", "one", "--parameter", "Name=free", "--tag", "team=blue") == 0
    stack = account.client("cloudformation").describe_stacks(StackName="one")["Stacks"][0]
    assert (stack["StackStatus"], stack["Tags"]) == ("CREATE_COMPLETE", [{"Key": "team", "Value": "blue"}])
    # A parameter that is not given again keeps its value.
    Path("template.yaml").write_text(
        _FAILING.replace("DependsOn: Good", "DependsOn: [Good]") + "  More: {Type: AWS::Logs::LogGroup}\n"
    )
    assert pileus("deploy", "--stack", "one") == 0
    assert pileus("deploy", "--stack", "one", "--parameter", "Oops=1") == 2
    assert "no parameter Oops" in capsys.readouterr().err
    assert pileus("deploy", "--stack", "one", "--parameter", "Oops") == 2


def test_large_templates_go_through_the_bucket(pileus: Any, account: Account) -> None:
    groups = "".join(
        f"  G{n}:\n    Type: AWS::Logs::LogGroup\n    Metadata: {{Text: {'x' * 6000}}}\n" for n in range(10)
    )
    Path("template.yaml").write_text("Resources:\n" + groups)
    assert pileus("deploy", "--stack", "large") == 0
    assert len(account.client("logs").describe_log_groups()["logGroups"]) == 10


def test_status_tells_what_runs(cloud: Cloud) -> None:
    done = cloud.pileus("status")
    assert done.returncode == 0, done.stderr
    told = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert told["address"] == cloud.endpoint and told["region"] == "us-east-1"
    assert {"version", "isolation", "functions", "tables", "stacks"} <= set(told)


@pytest.mark.parametrize("name", ["Book", "a", "under_score", "-x"])
def test_a_name_that_no_site_can_have(pileus: Any, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert pileus("new", "--", name) == 2
    assert "cannot name a site" in capsys.readouterr().err


def test_new_writes_over_nothing(pileus: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("book").mkdir()
    Path("book/precious").write_text("x")
    assert pileus("new", "book") == 1
    assert "not empty" in capsys.readouterr().err and list(Path("book").iterdir()) == [Path("book/precious")]


def test_aws_is_not_reached_through_another_endpoint(pileus: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("template.yaml").write_text("Resources: {A: {Type: AWS::Logs::LogGroup}}")
    assert pileus("deploy", "--stack", "one", "--target", "aws") == 1
    assert "AWS_ENDPOINT_URL" in capsys.readouterr().err
