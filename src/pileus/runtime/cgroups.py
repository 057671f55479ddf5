"""Control groups: memory, processes, CPU and freezing of one sandbox, in either version of the kernel's interface.

https://docs.kernel.org/admin-guide/cgroup-v1/ and https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Protocol

VCPU_MB = 1769
"""Memory that comes with one vCPU (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""
_V1_CONTROLLERS = ("memory", "pids", "cpu", "freezer")
_V2_CONTROLLERS = ("memory", "pids", "cpu")
_PERIOD_US = 100_000
PROCESSORS = os.cpu_count() or 1


class Group(Protocol):
    """One sandbox's. `entrances` are open files into which a process writes "0" to come in."""

    entrances: list[int]

    def enter(self) -> None:
        """Called once the processes are inside: closes the entrances."""
        ...

    def limit(self, memory_mb: int, ephemeral_storage_mb: int, processes: int) -> None:
        """The kernel's own limit must leave room for /tmp, which it counts as memory: that the rest stays within
        `memory_mb` is watched (`Environment.watch`)."""
        ...

    def throttle(self, memory_mb: int) -> None:
        """The share of the processors, and the number of them, that this much memory brings; initialisation runs
        without, as on Lambda."""
        ...

    def freeze(self) -> bool:
        """False where it cannot."""
        ...

    def thaw(self) -> bool: ...
    def used_bytes(self) -> int:
        """All that is charged to it, files' pages included."""
        ...

    def held_bytes(self) -> int:
        """What the kernel cannot take back: anonymous and shared memory, /tmp's part of the latter."""
        ...

    def peak_bytes(self) -> int: ...
    def remove(self) -> bool:
        """False while a process is still on its way out: try again."""
        ...


class Groups(Protocol):
    """Where a cloud's groups are made. `controllers` in force."""

    controllers: frozenset[str]
    freezer: str
    """The directory below which frozen groups must be thawed before their processes can die; empty for none."""

    def make(self, name: str) -> Group: ...
    def sweep(self) -> int:
        """Kills what still runs in groups of this cloud and removes them: what a killed predecessor left."""
        ...


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _statistics(path: Path, *names: str) -> int:
    """The sum of those of a memory.stat file."""
    total = 0
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in names:
                total += int(value)
    return total


def _vcpus(memory_mb: int) -> int:
    return -(-memory_mb // VCPU_MB)


class _V1Group:
    def __init__(self, directories: dict[str, Path]) -> None:
        self._directories = directories
        for directory in directories.values():
            directory.mkdir()
        self.entrances = [os.open(d / "cgroup.procs", os.O_WRONLY) for d in directories.values()]
        self._state = os.open(directories["freezer"] / "freezer.state", os.O_WRONLY) if "freezer" in directories else -1
        memory = directories.get("memory")
        self._peak = os.open(memory / "memory.max_usage_in_bytes", os.O_RDONLY) if memory else -1
        self._used = os.open(memory / "memory.usage_in_bytes", os.O_RDONLY) if memory else -1

    def enter(self) -> None:
        for entrance in self.entrances:
            os.close(entrance)
        self.entrances = []

    def limit(self, memory_mb: int, ephemeral_storage_mb: int, processes: int) -> None:
        memory, pids = self._directories.get("memory"), self._directories.get("pids")
        if memory:
            most = str((memory_mb + ephemeral_storage_mb) << 20)
            _write(memory / "memory.limit_in_bytes", most)
            with contextlib.suppress(OSError):  # where swap is not accounted
                _write(memory / "memory.memsw.limit_in_bytes", most)
        if pids:
            _write(pids / "pids.max", str(processes))

    def throttle(self, memory_mb: int) -> None:
        cpu = self._directories.get("cpu")
        if cpu is None:
            return
        _write(cpu / "cpu.shares", str(max(2, 1024 * memory_mb // VCPU_MB)))
        if _vcpus(memory_mb) < PROCESSORS:
            _write(cpu / "cpu.cfs_quota_us", str(_PERIOD_US * _vcpus(memory_mb)))

    def freeze(self) -> bool:
        return self._state >= 0 and os.write(self._state, b"FROZEN") > 0

    def thaw(self) -> bool:
        return self._state >= 0 and os.write(self._state, b"THAWED") > 0

    def used_bytes(self) -> int:
        return int(os.pread(self._used, 32, 0)) if self._used >= 0 else 0

    def held_bytes(self) -> int:
        memory = self._directories.get("memory")
        return _statistics(memory / "memory.stat", "rss", "shmem") if memory else 0

    def peak_bytes(self) -> int:
        return int(os.pread(self._peak, 32, 0)) if self._peak >= 0 else 0

    def remove(self) -> bool:
        self.enter()
        for descriptor in (self._state, self._peak, self._used):
            if descriptor >= 0:
                os.close(descriptor)
        self._state = self._peak = self._used = -1
        memory = self._directories.get("memory")
        if memory:
            with contextlib.suppress(OSError):  # pages of files that it read: else they keep the group's ghost
                _write(memory / "memory.force_empty", "0")
        removed = [_remove(directory) for directory in self._directories.values()]
        return all(removed)


class _V1Groups:
    def __init__(self, name: str, roots: dict[str, Path]) -> None:
        self.controllers = frozenset(roots)
        self._parents = {controller: root / name for controller, root in roots.items()}
        self.freezer = str(self._parents.get("freezer", ""))

    def make(self, name: str) -> Group:
        for controller, parent in self._parents.items():
            if not parent.exists():
                parent.mkdir()
                if controller == "cpu":  # all functions together: as much as a busy process on every processor
                    _write(parent / "cpu.shares", str(1024 * PROCESSORS))
        return _V1Group({controller: parent / name for controller, parent in self._parents.items()})

    def sweep(self) -> int:
        for parent in self._parents.values():
            for state in parent.glob("*/freezer.state"):
                _write(state, "THAWED")  # a frozen process does not die
        return sum(_kill_and_remove(parent) for parent in self._parents.values())


class _V2Group:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir()
        self.entrances = [os.open(directory / "cgroup.procs", os.O_WRONLY)]
        self._state = os.open(directory / "cgroup.freeze", os.O_WRONLY)

    def enter(self) -> None:
        for entrance in self.entrances:
            os.close(entrance)
        self.entrances = []

    def limit(self, memory_mb: int, ephemeral_storage_mb: int, processes: int) -> None:
        for name, value in (
            ("memory.max", str((memory_mb + ephemeral_storage_mb) << 20)),
            ("memory.swap.max", "0"),
            ("memory.oom.group", "0"),
            ("pids.max", str(processes)),
        ):
            if (self._directory / name).exists():
                _write(self._directory / name, value)

    def throttle(self, memory_mb: int) -> None:
        limit, weight = self._directory / "cpu.max", self._directory / "cpu.weight"
        if weight.exists():
            _write(weight, str(min(10_000, max(1, 100 * memory_mb // VCPU_MB))))
        if _vcpus(memory_mb) < PROCESSORS and limit.exists():
            _write(limit, f"{_PERIOD_US * _vcpus(memory_mb)} {_PERIOD_US}")

    def freeze(self) -> bool:
        return os.write(self._state, b"1") > 0

    def thaw(self) -> bool:
        return os.write(self._state, b"0") > 0

    def used_bytes(self) -> int:
        with contextlib.suppress(OSError):
            return int((self._directory / "memory.current").read_text())
        return 0

    def held_bytes(self) -> int:
        return _statistics(self._directory / "memory.stat", "anon", "shmem")

    def peak_bytes(self) -> int:
        for name in ("memory.peak", "memory.current"):
            with contextlib.suppress(OSError):
                return int((self._directory / name).read_text())
        return 0

    def remove(self) -> bool:
        self.enter()
        if self._state >= 0:
            os.close(self._state)
        self._state = -1
        return _remove(self._directory)


class _V2Groups:
    freezer = ""

    def __init__(self, name: str, root: Path) -> None:
        self._parent = root / name
        self._parent.mkdir(exist_ok=True)
        for controller in _V2_CONTROLLERS:
            for directory in (root, self._parent):
                with contextlib.suppress(OSError):  # not delegated to us
                    _write(directory / "cgroup.subtree_control", f"+{controller}")
        if (self._parent / "cpu.weight").exists():  # all functions together: a busy process on every processor
            _write(self._parent / "cpu.weight", str(min(10_000, 100 * PROCESSORS)))
        enabled = (self._parent / "cgroup.subtree_control").read_text().split()
        self.controllers = frozenset({*enabled, "freezer"})

    def make(self, name: str) -> Group:
        self._parent.mkdir(exist_ok=True)
        return _V2Group(self._parent / name)

    def sweep(self) -> int:
        return _kill_and_remove(self._parent)


def _remove(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _kill_and_remove(parent: Path) -> int:
    killed = 0
    for directory in list(parent.glob("*/")):
        with contextlib.suppress(OSError):
            for pid in (directory / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
                    killed += 1
        for _ in range(100):
            if _remove(directory):
                break
            time.sleep(0.01)
    with contextlib.suppress(OSError):
        parent.rmdir()
    return killed


def find(name: str) -> Groups | None:
    """The machine's control groups where this process may make some, below `name`; None where it may not."""
    try:
        own = Path("/proc/self/cgroup").read_text()
    except OSError:
        return None
    return _find_v1(name, own) or _find_v2(name, own)


def _find_v1(name: str, own: str) -> Groups | None:
    paths: dict[str, str] = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update((controller, path) for controller in controllers.split(",") if controller)
    roots: dict[str, Path] = {}
    for controller in _V1_CONTROLLERS:
        if controller in paths:
            root = Path(f"/sys/fs/cgroup/{controller}{paths[controller]}")
            if os.access(root, os.W_OK) and (root / "cgroup.procs").exists():
                roots[controller] = root
    return _V1Groups(name, roots) if "memory" in roots else None


def _find_v2(name: str, own: str, mount: Path = Path("/sys/fs/cgroup")) -> Groups | None:
    """A group with processes in it cannot have controllers for its children ("no internal process constraint"): so it
    is the one above that has ours, or else this process leaves the own group for one below."""
    path = next((line[3:] for line in own.splitlines() if line.startswith("0::")), None)
    if path is None:
        return None
    root = mount / path.lstrip("/")
    for candidate in (root, root.parent) if root != mount else (root,):
        groups = _usable(name, candidate)
        if groups is not None:
            return groups
    return _usable(name, root) if _vacate(root) else None


def _usable(name: str, root: Path) -> Groups | None:
    if not (root / "cgroup.controllers").exists() or not os.access(root, os.W_OK):
        return None
    with contextlib.suppress(OSError):
        groups = _V2Groups(name, root)
        if "memory" in groups.controllers:
            return groups
        _remove(root / name)
    return None


def _vacate(root: Path) -> bool:
    """Whether all processes of a group could be moved into one below it: where it was made for Pileus, as a service's
    (`Delegate=yes`) or a container's is, and nobody of another session is in it."""
    with contextlib.suppress(OSError):
        processes = (root / "cgroup.procs").read_text().split()
        if not processes or any(os.getsid(int(process) or 1) != os.getsid(0) for process in processes):
            return False
        below = root / "pileus-main"
        below.mkdir(exist_ok=True)
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                _write(below / "cgroup.procs", process)
        return True
    return False
