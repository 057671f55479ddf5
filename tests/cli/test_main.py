"""The command line itself: what it lists, what it imports, how it fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ProfileNotFound

from pileus.cli.errors import explain
from pileus.cli.main import COMMANDS, GROUPS, load, run
from pileus.cli.running import find


def _modules(words: list[str], names: tuple[str, ...]) -> tuple[str, list[str]]:
    """What a command prints, and which of these modules it has imported at its end."""
    program = (
        "import sys\nfrom pileus.cli.main import run\n"
        f"try: run({words!r})\nexcept SystemExit: pass\n"
        f"print('imported', *[name for name in {names!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    return "\n".join(lines[:-1]), lines[-1].split()[1:]


_HEAVY = ("boto3", "botocore", "rich", "samtranslator", "pydantic", "yaml", "watchfiles", "cryptography")


def test_the_list_costs_nothing_but_itself() -> None:
    printed, imported = _modules(["--help"], _HEAVY)
    assert imported == []
    for name, command in COMMANDS.items():
        *group, word = name.split()
        if not group:
            assert f"  {word}" in printed and command.summary in printed
    assert all(text in printed for text in GROUPS.values())


def test_starting_the_cloud_imports_what_it_needs() -> None:
    unwanted = ("boto3", "rich", "samtranslator")
    assert _modules(["up", "--help"], unwanted)[1] == []
    program = f"import sys, pileus.gateway.serve\nprint([name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_says_what_it_is_for(name: str) -> None:
    function = load(COMMANDS[name])
    assert function.__doc__, name
    assert COMMANDS[name].summary.endswith(".")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "No such command 'frobnicate'. `pileus --help` lists what there is."),
        (["up", "--frobnicate"], "No such option: --frobnicate"),
        (["up", "--port", "many"], "--port"),
        (["up", "--port", "70000"], "less than or equal to 65535. `pileus up --help`"),
        (["up", "--durability", "maybe"], "'--durability': 'maybe' is not one of 'full', 'relaxed'. `pileus"),
        (["deploy"], "Missing option '--stack'"),
        (["deploy", "--stack", "x", "--target", "moon"], "moon"),
        (["account", "create", " "], "An account needs a name"),
        (["account", "frobnicate"], "No such command 'frobnicate'. `pileus account --help` lists what there is."),
    ],
)
def test_a_mistyped_line_is_answered_by_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and told.out == ""


def test_without_a_cloud_commands_say_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["env"], ["status"], ["destroy", "--stack", "x"]):
        assert run([*words, "--data", str(tmp_path)]) == 1
        told = capsys.readouterr()
        assert "pileus up" in told.err and told.err.count("\n") == 1


def test_an_address_costs_little() -> None:
    unwanted = ("botocore", "boto3", "rich", "cryptography", "pileus.gateway.cloud")
    assert _modules(["env", "--data", "/nonexistent"], unwanted)[1] == []


def test_the_data_directory_is_found_from_inside_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "guests" / "site"
    inner.mkdir(parents=True)
    (tmp_path / ".pileus").mkdir()
    (tmp_path / ".pileus" / "running.json").write_text("{}")
    monkeypatch.chdir(inner)
    monkeypatch.setattr("pileus.cli.running.DEFAULT_DATA", Path(".pileus"))
    assert find(Path(".pileus")) == tmp_path / ".pileus"
    assert find(Path("other")) == Path("other")
    with monkeypatch.context() as another:
        another.setattr("os.getuid", lambda: 12345)
        assert find(Path(".pileus")) == Path(".pileus"), "another user's says where our calls go"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("pileus ")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EndpointConnectionError(endpoint_url="http://localhost:1"), "Start it with `pileus up`."),
        (NoCredentialsError(), "Set AWS_ACCESS_KEY_ID"),
        (
            ProfileNotFound(profile="nope"),
            "(nope) could not be found. Choose another by AWS_PROFILE",
        ),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(error: Exception, said: str) -> None:
    assert said in explain(error)
    assert "Unexpected" not in explain(error)
