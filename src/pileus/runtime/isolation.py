"""What this machine can isolate, found out by trying, and what follows where it cannot. See docs/isolation.md."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pileus.runtime import cgroups, internet
from pileus.runtime.interface import Directories
from pileus.runtime.languages.language import LAYERS, RUNTIME, TASK, Language
from pileus.runtime.launchers import Plan

_SOURCE = Path(__file__).resolve().parents[2]
_PROBE = "import sys; sys.path.insert(0, {!r}); from pileus.runtime.sandbox.probe import main; main()"

_NAMESPACES = {
    "mount": "functions see this machine's files, the data directory among them",
    "pid": "functions see other processes",
    "net": "functions reach every service on this machine, and each other's Runtime API",
    "ipc": "functions share System V and POSIX IPC with this machine",
    "uts": "functions see this machine's host name",
    "files": "functions see this machine's files, the data directory among them",
}
_CONTROLLERS = {
    "memory": "a function's memory is limited by process (RLIMIT_DATA), not as a whole",
    "pids": "processes are not limited by function",
    "cpu": "a function's share of the processors does not follow its memory",
    "freezer": "between invocations only a function's main process is stopped, not what it started",
}


@dataclass(frozen=True, slots=True)
class Machine:
    isolated: bool
    user_namespace: bool
    """The launcher makes one, because Pileus is not root."""
    guest_user_namespace: bool
    groups: cgroups.Groups | None
    barriers: dict[str, bool]
    missing: list[str]
    libraries: Path
    """What /var/runtime is where there is none."""
    internet: list[str]
    """The command that leads a sandbox's network out, empty for none."""
    uids: range
    """Users that nobody else is: each sandbox has two of them, one for its process 1 and one for its guest."""

    def guest_uid(self) -> int:
        return self.uids.start + 1 + 2 * secrets.randbelow(len(self.uids) // 2)

    def plan(self, language: Language, state: Path, ports: list[int], *, ahead: bool) -> Plan:
        """`ahead` starts the language's program while the sandbox is in stock."""
        configuration = {
            "isolated": self.isolated,
            "user_namespace": self.user_namespace,
            "guest_user_namespace": self.guest_user_namespace,
            "mountpoint": str(state / "root"),
            "system": language.paths,
            "runtime": language.provides(),
            "resolver": internet.RESOLVER if self.internet else "",
            "internet": self.internet,
            "unreachable": internet.unreachable() if self.isolated else [],
            "ports": ports,
            "freezer": self.groups.freezer if self.groups else "",
            "prestart": list(language.prestart) if ahead and self.isolated else [],
        }
        if not self.isolated:
            _link(language.provides(), self.libraries)
            ahead = False
        name, stock = (language.launcher, language.stock) if ahead else (f"{language.launcher}-exec", 0)
        return Plan(name, language.python or _own_python(), language.preload and ahead, stock, configuration)

    def limits(self, memory_mb: int) -> dict[str, int]:
        """Resource limits, for what no control group sees to."""
        limits = {}
        if not self.barriers["memory"]:
            limits["DATA"] = memory_mb << 20
        if not self.barriers["pids"] and self.barriers["user"]:  # counted within the guest's user namespace
            limits["NPROC"] = 1024
        return limits

    def place(self, text: str, directories: Directories) -> str:
        """Without a mount namespace there is no /var/task, /opt and /var/runtime: what names them names the directories
        themselves."""
        if self.isolated:
            return text
        layers = str(directories.layers[0]) if directories.layers else "/nonexistent"
        return text.replace(TASK, str(directories.task)).replace(LAYERS, layers).replace(RUNTIME, str(self.libraries))

    def report(self) -> dict[str, Any]:
        way_out = "as from Lambda without a VPC" if self.internet else "none: install pasta (Debian's passt)"
        if not self.isolated:
            way_out = "this machine's own"
        return {
            "complete": not self.missing,
            "barriers": self.barriers,
            "missing": self.missing,
            "outbound": way_out,
        }


def _link(entries: dict[str, str], folder: Path) -> None:
    folder.mkdir(exist_ok=True, mode=0o755)
    for name, source in entries.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(source)


def _own_python() -> str:
    """Outside of the virtual environment: what it imports is chosen by the launcher alone."""
    return getattr(sys, "_base_executable", "") or sys.executable


def _uids() -> range:
    """Far above what machines give out; in a container with fewer, the upper half of what it has."""
    most, first = range(0), range(2_000_000_000, 3_000_000_000)
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/uid_map").read_text().splitlines():
            start, _, count = map(int, line.split())
            if start <= first.start and start + count >= first.stop:
                return first
            if count > len(most):
                most = range(start + count // 2, start + count)
    return most


def _ask_the_kernel(state: Path) -> dict[str, bool]:
    """See sandbox.probe."""
    if sys.platform != "linux":
        return {}
    command = [_own_python(), "-I", "-c", _PROBE.format(str(_SOURCE)), str(state / "root")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    found: dict[str, bool] = json.loads(answer.stdout) if answer.returncode == 0 else {}
    return found


def find(name: str, state: Path) -> Machine:
    """`name` is that of this cloud's control groups. Takes a tenth of a second: call it off the event loop."""
    found = _ask_the_kernel(state)
    groups = cgroups.find(name) if found else None
    controllers = groups.controllers if groups else frozenset()
    isolated = all(found.get(barrier) for barrier in _NAMESPACES)
    barriers = {barrier: bool(found.get(barrier)) and isolated for barrier in _NAMESPACES}
    barriers |= {controller: controller in controllers for controller in _CONTROLLERS}
    barriers |= {"user": isolated and bool(found.get("user")), "seccomp": bool(found.get("seccomp"))}
    missing = []
    if not isolated:
        lacking = [barrier for barrier in _NAMESPACES if not found.get(barrier)]
        missing = [f"No isolation of {barrier}: {_NAMESPACES[barrier]}." for barrier in lacking]
        missing.append("Functions run as this user, with all that this user may do.")
    missing += [f"No {name} control group: {what}." for name, what in _CONTROLLERS.items() if name not in controllers]
    if not barriers["seccomp"]:
        missing.append("No system call filter: functions reach all of the kernel's surface.")
    if isolated and not barriers["user"]:
        missing.append("No user namespaces: a function's user is an ordinary one of this machine, without privileges.")
    return Machine(
        isolated,
        not found.get("root"),
        bool(found.get("user")),
        groups,
        barriers,
        missing,
        state / "libraries",
        internet.program() if isolated else [],
        _uids(),
    )
