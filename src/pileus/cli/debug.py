"""`pileus invoke --debug`: runs a Python function beside the cloud, under debugpy, with the function's own role.

Sandboxes cannot be entered, not even by their owner; so the handler runs here, with the function's code, layers,
variables and credentials, and waits for a debugger as long as it takes.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from pileus.cli.ask import ask
from pileus.cli.errors import CommandError
from pileus.cli.running import variables

_PATIENCE_SECONDS = 30


def debug(
    data: Path, function: str, qualifier: str, event: bytes, *, port: int, code: Path | None, account: str
) -> int:
    """The exit code; the answer goes to standard output."""
    if importlib.util.find_spec("debugpy") is None:
        raise CommandError("Debugging needs debugpy: `pip install debugpy` beside Pileus.")
    known = ask(data, "debug", {"FunctionName": function, "Qualifier": qualifier}, account)
    if not known["Runtime"].startswith("python"):
        raise CommandError(f"{function} runs on {known['Runtime']}; only Python functions can be debugged.")
    with tempfile.TemporaryDirectory(prefix="pileus-debug-") as made:
        folder = Path(made)
        task = code.resolve() if code is not None else folder / "task"
        if code is None:
            _unpack(known["Code"], task)
        for layer in known["Layers"]:
            _unpack(layer, folder / "opt")
        answer = folder / "answer.json"
        print(f"Waiting for a debugger on 127.0.0.1:{port}; the code is in {task}.", file=sys.stderr, flush=True)
        command = [
            sys.executable, "-m", "debugpy", "--listen", f"127.0.0.1:{port}", "--wait-for-client",
            str(Path(__file__).with_name("debuggee.py")), known["Handler"], known["FunctionArn"], str(answer),
        ]  # fmt: skip
        environment = _environment(known["Environment"], variables(data, account)["AWS_ENDPOINT_URL"], folder)
        done = subprocess.run(command, input=event, stdout=sys.stderr, cwd=task, env=environment, check=False)  # noqa: S603
        if not answer.exists():
            raise CommandError(f"The function ended without an answer (exit code {done.returncode}).")
        print(json.dumps(json.loads(answer.read_text()), indent=2, ensure_ascii=False))
        return done.returncode


def _environment(own: dict[str, Any], endpoint: str, folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        **own,
        "AWS_ENDPOINT_URL": endpoint,
        "PYTHONPATH": str(folder / "opt" / "python"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _unpack(location: str, folder: Path) -> None:
    with urllib.request.urlopen(location, timeout=_PATIENCE_SECONDS) as response:  # noqa: S310 - the cloud's own
        content = response.read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
