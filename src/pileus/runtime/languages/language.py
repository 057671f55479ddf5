"""What the runtime must know of a language."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pileus.runtime.interface import Directories, FunctionVersion

TASK, LAYERS, RUNTIME = "/var/task", "/opt", "/var/runtime"
_SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin")


@dataclass(frozen=True, slots=True)
class Language:
    runtime: str
    missing: str | None = None
    """Why it cannot run here."""
    launcher: str = "plain"
    """Functions of one launcher start from the same fork server."""
    python: str = ""
    """The interpreter of the launcher; Pileus's own where empty."""
    preload: bool = False
    prestart: tuple[str, ...] = ()
    """What to execute in a sandbox in stock, ahead of its function; it reads the assignment from descriptor 3."""
    stock: int = 2
    system: tuple[str, ...] = ()
    """Directories of the machine that it needs besides the usual ones."""
    provides: Callable[[], dict[str, str]] = dict
    """Entries of /var/runtime: name to where it lies on the machine."""
    program: Callable[[FunctionVersion, Directories], list[str]] = lambda function, directories: []
    """What to execute; nothing where the launcher itself becomes the function."""
    variables: Callable[[FunctionVersion], dict[str, str]] = lambda function: {}
    prepare: Callable[[], None] | None = None
    """Makes ready what need be made only once on a machine (compiles, archives). May take seconds."""

    @property
    def paths(self) -> list[str]:
        return [*_SYSTEM, *(path for path in self.system if path and not path.startswith("/usr/"))]


def candidates(name: str, *places: str) -> list[str]:
    """Programs called `name`, on PATH first, then where version managers put them."""
    found = [
        path for directory in os.environ.get("PATH", "").split(":") if (path := shutil.which(name, path=directory))
    ]
    for place in places:
        pattern = str(Path(place).expanduser())[1:]
        found += sorted(map(str, Path("/").glob(pattern)), reverse=True)
    return list(dict.fromkeys(found))


@functools.cache
def ask(*command: str) -> str:
    """What a program says of itself, empty where it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=20, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return (answer.stdout or answer.stderr).strip()


def prefix_of(executable: str) -> str:
    """The directory to show to guests so that a program outside /usr works: its installation's."""
    real = Path(executable).resolve()
    return "" if real.is_relative_to("/usr") else str(real.parent.parent)
