"""The `pileus` command: a table of what there is, each imported only when it is asked for.

`pileus up` has to answer in well under a second, so no command pays for the libraries of another.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import typer

from pileus.cli.errors import CommandError, explain, traceback_wanted


class Command(NamedTuple):
    """Where a command's function is, and its line in the list. The function's parameters are the options."""

    module: str
    function: str
    summary: str


COMMANDS: dict[str, Command] = {
    "up": Command("up", "up", "Run the cloud in the foreground."),
    "env": Command("env", "env", "Print shell lines that point AWS tools at the running cloud."),
    "status": Command("status", "status", "Say what the running cloud is and holds."),
    "new": Command("new", "new", "Make a small working application to start from."),
    "deploy": Command("deploy", "deploy", "Deploy a SAM or CloudFormation template."),
    "destroy": Command("deploy", "destroy", "Delete a stack and what it made."),
    "dev": Command("dev", "dev", "Deploy, and swap the code of functions as it is saved."),
    "invoke": Command("functions", "invoke", "Call a function and print its answer."),
    "logs": Command("functions", "logs", "Print a function's logs."),
    "replay": Command("functions", "replay", "Call a function again with an earlier event."),
    "cost": Command("cost", "cost", "Print the month's bill for what was really used."),
    "why": Command("security", "why", "Explain why a request was allowed or denied."),
    "denied": Command("security", "denied", "List the requests that were denied."),
    "access": Command("security", "access", "Say who may do what."),
    "policy suggest": Command("security", "suggest", "Write the least policy for what a principal really did."),
    "keys rotate": Command("security", "rotate", "Make new keys for session tokens and OpenID tokens."),
    "account create": Command("account", "create", "Make another account and print its root key."),
    "table export": Command("table", "export", "Write a table's items to a file."),
    "table import": Command("table", "import_", "Read a table's items from a file."),
    "site sync": Command("site", "sync", "Upload a folder to a bucket's website."),
}

GROUPS = {
    "account": "The accounts of this cloud.",
    "keys": "The cloud's own keys.",
    "policy": "Policies from what was recorded.",
    "site": "Websites in buckets.",
    "table": "Tables in and out of files.",
}


def load(command: Command) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(importlib.import_module(f"pileus.cli.{command.module}"), command.function)
    return function


def application(words: Sequence[str] | None = None) -> typer.Typer:
    """The command line. Commands that are not among `words` stand there by name and summary only."""
    app = typer.Typer(
        name="pileus",
        help="A small, real cloud that you own.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
    )
    groups = {
        name: typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None) for name, text in GROUPS.items()
    }
    for name, group in groups.items():
        app.add_typer(group, name=name)
    for name, command in COMMANDS.items():
        *parents, word = name.split()
        wanted = words is None or word in words
        function = load(command) if wanted else _absent
        parent = groups[parents[0]] if parents else app
        parent.command(word, short_help=command.summary, help=None if wanted else command.summary)(function)
    return app


def _absent() -> None:
    """Stands in the list for a command that was not asked for."""


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """The exit code of one command line: 0, 1 for a failure, 2 for a mistyped command line."""
    if list(words) == ["--version"]:
        from importlib.metadata import version

        print(f"pileus {version('pileus')}")
        return 0
    try:
        result = typer.main.get_command(application(words)).main(list(words), "pileus", standalone_mode=False)
    except typer.Abort:
        return 130
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)
            return error.exit_code
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "pileus"
        said = error.format_message().replace("Value error, ", "").rstrip(".")
        print(f"{path}: {said}. `{path} --help` lists what there is.", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if traceback_wanted():
            raise
        print(f"pileus: {explain(error)}", file=sys.stderr)
        return error.exit_code if isinstance(error, CommandError) else 1
    return result if isinstance(result, int) else 0
