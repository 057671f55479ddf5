"""Both versions of the kernel's interface: the one that this machine has for real, the other on plain files."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from pileus.runtime import cgroups
from runtime_harness import control_groups

FILES = (
    "cgroup.procs", "cgroup.freeze", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.weight",
    "cpu.max",
)  # fmt: skip


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A group of version 2 as the kernel would make it."""
    usual = Path.mkdir

    def mkdir(self: Path) -> None:
        usual(self)
        for name in FILES:
            (self / name).touch()

    monkeypatch.setattr(Path, "mkdir", mkdir)
    return tmp_path / "group"


def test_limits_in_version_2(second: Path) -> None:
    group = cgroups._V2Group(second)
    group.enter()
    group.limit(512, 1024, 1024)
    group.throttle(512)
    assert (second / "memory.max").read_text() == str(1536 << 20)
    assert (second / "memory.swap.max").read_text() == "0" and (second / "pids.max").read_text() == "1024"
    assert (second / "cpu.weight").read_text() == "28"
    ceiling = "100000 100000" if cgroups.PROCESSORS > 1 else ""
    assert (second / "cpu.max").read_text() == ceiling
    assert group.freeze() and (second / "cgroup.freeze").read_text() == "1"
    (second / "memory.current").write_text("4096\n")
    (second / "memory.stat").write_text("anon 100\nfile 900\nshmem 23\n")
    assert (group.used_bytes(), group.peak_bytes(), group.held_bytes()) == (4096, 4096, 123)
    assert group.remove() is False  # its files are still there: a real one's would not be


class Kernel:
    """What version 2 does when its files are written to: as its documentation says, on plain files."""

    def __init__(self, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.top = top
        self._mkdir = Path.mkdir
        monkeypatch.setattr(Path, "mkdir", lambda path, exist_ok=False: self.make(path))
        monkeypatch.setattr(cgroups, "_write", self.write)
        monkeypatch.setattr(cgroups, "_remove", shutil.rmtree)

    def make(self, path: Path) -> Path:
        if not path.exists():
            self._mkdir(path)
            for name in (*FILES, "cgroup.subtree_control"):
                (path / name).touch()
            above = path.parent / "cgroup.subtree_control"
            (path / "cgroup.controllers").write_text(above.read_text() if above.exists() else "cpu memory pids")
        return path

    def write(self, path: Path, text: str) -> None:
        if path.name == "cgroup.procs":
            for other in self.top.rglob("cgroup.procs"):
                other.write_text("".join(f"{pid}\n" for pid in other.read_text().split() if pid != text))
            text = path.read_text() + text + "\n"
        elif path.name == "cgroup.subtree_control":
            controller = text.removeprefix("+")
            if controller not in (path.parent / "cgroup.controllers").read_text().split():
                raise OSError(errno.ENOENT, "not there")
            if path.parent != self.top and (path.parent / "cgroup.procs").read_text().strip():
                raise OSError(errno.EBUSY, "processes are in it")
            text = f"{path.read_text()} {controller}"
            for below in path.parent.glob("*/cgroup.controllers"):
                below.write_text(text)
        path.write_text(text)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel(tmp_path / "cgroup", monkeypatch)
    kernel.make(kernel.top)
    return kernel


def enter(kernel: Kernel, *names: str) -> Path:
    """Groups below each other, the last with this process in it, controllers handed down to it."""
    place = kernel.top
    for name in names:
        for controller in ("cpu", "memory", "pids"):
            kernel.write(place / "cgroup.subtree_control", f"+{controller}")
        place = kernel.make(place / name)
    kernel.write(place / "cgroup.procs", str(os.getpid()))
    return place


def test_beside_a_session_in_version_2(kernel: Kernel) -> None:
    """Started in a shell: what is above has no processes and may have groups for others."""
    own = enter(kernel, "user.slice", "session")
    groups = cgroups._find_v2("mine", "0::/user.slice/session\n", kernel.top)
    assert groups is not None and groups.controllers == {"memory", "pids", "cpu", "freezer"}
    assert (kernel.top / "user.slice" / "mine").is_dir() and not (own / "mine").exists()
    assert (own / "cgroup.procs").read_text() == f"{os.getpid()}\n"
    group = groups.make("one")
    group.limit(128, 512, 1024)
    group.throttle(128)
    made = kernel.top / "user.slice" / "mine" / "one"
    assert (made / "memory.max").read_text() == str(640 << 20) and (made / "cpu.weight").read_text() == "7"
    group.remove()


def test_a_group_of_its_own_is_left_for_one_below(kernel: Kernel) -> None:
    """In a container's group, which has nothing above: this process makes room for others."""
    own = enter(kernel, "container")
    groups = cgroups._find_v2("mine", "0::/\n", own)
    assert groups is not None and "memory" in groups.controllers
    assert (own / "pileus-main" / "cgroup.procs").read_text().split() == [str(os.getpid())]
    assert (own / "cgroup.procs").read_text().strip() == "" and (own / "mine").is_dir()
    # Another worker finds itself below, and the group above ready.
    again = cgroups._find_v2("mine", "0::/pileus-main\n", own)
    assert again is not None and again.controllers == groups.controllers


def test_others_are_not_moved(kernel: Kernel) -> None:
    own = enter(kernel, "container")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        try:
            kernel.write(own / "cgroup.procs", str(other.pid))
            assert cgroups._find_v2("mine", "0::/\n", own) is None
            assert not (own / "pileus-main").exists() and not (own / "mine").exists()
        finally:
            other.kill()


def test_without_controllers_there_are_no_groups_in_version_2(kernel: Kernel) -> None:
    (kernel.top / "cgroup.controllers").write_text("cpu")
    assert cgroups._find_v2("mine", "0::/\n", kernel.top) is None
    assert cgroups._find_v2("mine", "1:memory:/\n", kernel.top) is None


def test_a_real_group_freezes_thaws_and_is_swept() -> None:
    groups = cgroups.find(f"pileus-test-{os.getpid()}")
    if groups is None or "freezer" not in groups.controllers:
        pytest.skip("no control groups may be made here")
    group = groups.make("one")
    with subprocess.Popen(["sh", "-c", "read go; while true; do :; done"], stdin=subprocess.PIPE) as process:
        try:
            for entrance in group.entrances:
                os.write(entrance, str(process.pid).encode())
            group.enter()
            group.limit(64, 0, 10)
            group.throttle(64)
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()

            def used() -> int:
                fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
                return int(fields[11]) + int(fields[12])

            def wait(condition: bool) -> int:
                """Until the process has used time, or while it does not."""
                before, deadline = used(), time.time() + (10 if condition else 0.3)
                while time.time() < deadline and (used() == before) == condition:
                    time.sleep(0.01)
                return used() - before

            assert wait(True) > 0
            assert group.freeze()
            time.sleep(0.1)
            assert wait(False) == 0
            assert group.thaw() and wait(True) > 0
            assert group.freeze()
            assert groups.sweep() == 1  # a frozen one, too
        finally:
            groups.sweep()
            process.kill()
    assert control_groups(f"pileus-test-{os.getpid()}") == []
