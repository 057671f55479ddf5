"""The AWS SDK for JavaScript, version 3, from npm: the story is in javascript/story.mjs."""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).with_name("javascript")


@pytest.fixture(scope="session")
def story() -> Path:
    """The story beside its packages, which are installed once for all test processes and for the runs to come."""
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"pileus-javascript-{wanted}"
    folder.mkdir(exist_ok=True)
    with (folder / ".installing").open("w") as installing:
        fcntl.flock(installing, fcntl.LOCK_EX)
        for name in ("package.json", "package-lock.json", "story.mjs"):
            shutil.copy(FOLDER / name, folder / name)
        if not (folder / ".installed").exists():
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True, timeout=100)
            (folder / ".installed").touch()
    return folder / "story.mjs"


def test_the_javascript_sdk_lives_the_whole_story(todo: Any, story: Path) -> None:
    told = subprocess.run(
        ["node", story, json.dumps(todo.outputs), f"js-{secrets.token_hex(6)}"],
        env=todo.root.env(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (told.returncode, told.stdout) == (0, "done\n"), told.stderr
