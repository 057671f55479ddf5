"""What is left when Pileus is killed: nothing runs, nothing is mounted, and the next start removes control groups."""

# ruff: noqa: E501  the program's own source

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from runtime_harness import Harness, control_groups

PROGRAM = """
import asyncio, sys, uuid
from pathlib import Path
import uvloop
from pileus.runtime.interface import *
from pileus.runtime.runtime import open_runtime

async def main():
    async def credentials(function): return {}
    async def code(function): return Directories(Path(function.code))
    state = Path(sys.argv[1])
    runtime = open_runtime(Dependencies(credentials, code, lambda *_: None, ("127.0.0.1", 9), state))
    await runtime.start()
    function = FunctionVersion("0", "r", "f", "1", "arn", "python3.11", "app.handler", "role", sys.argv[2], "", Logging("g"))
    if len(sys.argv) > 3:
        await runtime.close()
        return
    busy = [asyncio.create_task(runtime.invoke(function, Invocation(str(uuid.uuid4()), b"600", "arn"))) for _ in range(2)]
    await runtime.invoke(function, Invocation(str(uuid.uuid4()), b"0", "arn"))  # one that is frozen afterwards
    await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.gather(*busy)

uvloop.run(main())
"""
HANDLER = """
import signal, subprocess, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
def handler(event, context):
    if event:
        subprocess.Popen(["sleep", "600"], start_new_session=True)
    time.sleep(event)
"""


def in_groups_of(name: str) -> list[int]:
    """Processes of this cloud's control groups, whoever their parents are."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if name in (entry / "cgroup").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_killed_without_warning(isolated: Harness, tmp_path: Path) -> None:
    program, code, state = tmp_path / "program.py", tmp_path / "code", tmp_path / "state"
    program.write_text(textwrap.dedent(PROGRAM))
    code.mkdir()
    (code / "app.py").write_text(HANDLER)
    command = [sys.executable, str(program), str(state), str(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, umask=0o077) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        name = "pileus-" + hashlib.blake2b(str(state.resolve()).encode(), digest_size=6).hexdigest()
        assert len(in_groups_of(name)) >= 8  # two a sandbox, and what they started
        process.send_signal(signal.SIGKILL)
    deadline = time.time() + 20
    while (left := in_groups_of(name)) and time.time() < deadline:
        time.sleep(0.05)
    assert left == []
    assert str(state) not in Path("/proc/self/mountinfo").read_text()
    subprocess.run([*command, "close"], check=True, timeout=60)
    assert control_groups(name) == []
    assert os.listdir(state / "root") == []


@pytest.mark.parametrize("times", [2])
def test_opened_and_closed_leaves_no_descriptor(harness: Harness, tmp_path: Path, times: int) -> None:
    function = harness.function("def handler(event, context):\n    return event")

    def cycle(number: int) -> int:
        before, harness.runtime = harness.runtime, harness.open(tmp_path / f"state-{number}")
        try:
            assert harness.invoke(function, number).payload == b"%d" % number
            harness.run(harness.runtime.close())
        finally:
            harness.runtime = before
        return len(os.listdir("/proc/self/fd"))

    counts = [cycle(number) for number in range(times + 1)]
    assert counts[-1] <= counts[0]
