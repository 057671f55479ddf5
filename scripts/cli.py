"""Writes docs/cli.md: every command with its options, from the code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from pileus.cli.main import COMMANDS, application

TARGET = Path(__file__).parent.parent / "docs" / "cli.md"
_WIDTH = 100


def page() -> str:
    group = typer.main.get_command(application())
    assert isinstance(group, TyperGroup)  # noqa: S101 - several commands make a group
    lines = [
        "# Commands",
        "",
        "Written by `scripts/cli.py` from the code. Every command that fails says what and what to do next, in one",
        "line on stderr, and exits with 1; a mistyped command line exits with 2. `PILEUS_TRACEBACK=1` shows where an",
        "unexpected error comes from.",
        "",
        "| command | what it does |",
        "| --- | --- |",
        *(
            f"| [`pileus {name}`](#pileus-{name.replace(' ', '-')}) | {command.summary} |"
            for name, command in COMMANDS.items()
        ),
    ]
    for name in COMMANDS:
        lines += ["", f"## pileus {name}", "", "```", _help(group, name), "```"]
    return "\n".join(lines) + "\n"


def _help(group: TyperGroup, name: str) -> str:
    context: Any = typer.Context(group, info_name="pileus")
    command: Any = group
    for word in name.split():
        command = command.commands[word]
        context = typer.Context(command, info_name=word, parent=context, terminal_width=_WIDTH)
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


if __name__ == "__main__":
    TARGET.write_text(page())
    print(TARGET, file=sys.stderr)
