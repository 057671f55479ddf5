"""What is true of every example: its template is one for AWS as it stands, and its page builds from a lock file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
TEMPLATES = sorted(EXAMPLES.glob("*/template.yaml"))
LOCK_FILES = sorted(path for path in EXAMPLES.glob("**/package-lock.json") if "node_modules" not in path.parts)


def test_cfn_lint_has_nothing_to_say() -> None:
    lint = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *TEMPLATES], capture_output=True, text=True, timeout=100
    )
    assert (lint.returncode, lint.stdout) == (0, ""), lint.stdout


@pytest.mark.parametrize("lock_file", LOCK_FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_the_lock_file_pins_every_package_and_no_registry(lock_file: Path) -> None:
    packages = json.loads(lock_file.read_text())["packages"]
    packages.pop("")  # The page itself.
    assert packages
    assert all("integrity" in package and "resolved" not in package for package in packages.values())
