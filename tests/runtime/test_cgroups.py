"""Both versions of the kernel's interface: the one that this machine has for real, the other on plain files."""

from __future__ import annotations

import os
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
