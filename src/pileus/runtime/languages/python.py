"""Python, through the official runtime client (`awslambdaric`), forked from an interpreter with boto3 imported."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import sys
from pathlib import Path

from pileus.runtime.interface import Directories, FunctionVersion
from pileus.runtime.languages.language import RUNTIME, Language, ask, candidates

IDENTIFIERS = tuple(f"python3.{minor}" for minor in range(11, 15))
_LIBRARIES = (
    "awslambdaric", "boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3", "simplejson",
    "snapshot_restore_py",
)  # fmt: skip
_QUESTION = (
    "import sys, json;"
    "print(json.dumps([sys.version_info[:3], sys.base_prefix, sys._base_executable or sys.executable]))"
)


@functools.cache
def find(runtime: str) -> Language | None:
    if runtime not in IDENTIFIERS:
        return None
    version = runtime.removeprefix("python")
    found = _interpreter(version)
    if found is None:
        return Language(
            runtime, missing=f"no Python {version} on this machine: install python{version} and put it on PATH"
        )
    executable, prefix = found
    return Language(
        runtime,
        launcher=runtime,
        python=executable,
        preload=True,
        stock=3,
        system=(prefix,),
        provides=_libraries,
        program=functools.partial(_program, executable),
        variables=_variables,
    )


def _interpreter(version: str) -> tuple[str, str] | None:
    """The executable outside of virtual environments, and its installation's directory."""
    own = ".".join(map(str, sys.version_info[:2]))
    for path in [sys.executable] if version == own else candidates(
        f"python{version}", f"~/.pyenv/versions/{version}.*/bin/python3", f"/opt/python*/bin/python{version}",
        f"~/.local/share/uv/python/cpython-{version}.*/bin/python3",
    ):  # fmt: skip
        answer = ask(path, "-I", "-c", _QUESTION)
        if answer:
            number, prefix, executable = json.loads(answer)
            if re.match(re.escape(version) + r"\.\d", ".".join(map(str, number))):
                return executable, prefix
    return None


def _libraries() -> dict[str, str]:
    """Just what Lambda's own Python runtimes bring: a function that needs more must bring it, here as there."""
    entries = {}
    for name in _LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            origin = Path(spec.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            entries[source.name] = str(source)
    entries["runtime_client.py"] = str(Path(__file__).with_name("runtime_client.py"))
    return entries


def _program(executable: str, function: FunctionVersion, directories: Directories) -> list[str]:
    """Nothing: the launcher's fork becomes the function, but where a wrapper wants a command to start."""
    if "AWS_LAMBDA_EXEC_WRAPPER" not in dict(function.environment):
        return []
    return [executable, "-m", "awslambdaric", function.handler]


def _variables(function: FunctionVersion) -> dict[str, str]:
    return {"PYTHONPATH": RUNTIME}
