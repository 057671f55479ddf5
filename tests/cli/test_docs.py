"""The documentation of commands and of deploying is that of the code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pileus.cli.main import COMMANDS
from pileus.services.cloudformation.resources import TYPES

_ROOT = Path(__file__).parents[2]


def test_the_page_of_commands_is_what_the_script_writes() -> None:
    """In an environment of its own: defaults that come from the environment would be told as they are here."""
    program = "import runpy; print(runpy.run_path('scripts/cli.py')['page'](), end='')"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, env={"PATH": os.defpath}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert (_ROOT / "docs" / "cli.md").read_text() == done.stdout, "run scripts/cli.py"


def test_every_option_has_a_help_text() -> None:
    page = (_ROOT / "docs" / "cli.md").read_text()
    bare = [line for line in page.splitlines() if line.startswith("  --") and len(line.split(">", 1)[-1].strip()) < 4]
    assert bare == []
    assert all(f"## pileus {name}\n" in page for name in COMMANDS)


def test_every_resource_type_is_on_the_page_about_deploying() -> None:
    page = (_ROOT / "docs" / "deploy.md").read_text()
    assert [name for name in TYPES if f"`{name}`" not in page] == []
