"""What happens when the machinery itself breaks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from pileus.aws.errors import AWSError
from runtime_harness import Harness

ECHO = "def handler(event, context):\n    return event"


def test_a_launcher_that_dies_is_replaced(harness: Harness, tmp_path: Path) -> None:
    usual, harness.runtime = harness.runtime, harness.open(tmp_path / "state")
    try:
        function = harness.function(ECHO)
        assert harness.invoke(function, 1).payload == b"1"
        (launcher,) = harness.runtime._launchers.values()
        assert launcher._process is not None
        children = Path(f"/proc/{launcher._process.pid}/task/{launcher._process.pid}/children").read_text().split()
        for pid in [*map(int, children), launcher._process.pid]:
            os.kill(pid, signal.SIGKILL)
        deadline = time.time() + 10
        while launcher._connection is not None and time.time() < deadline:
            time.sleep(0.01)
        assert json.loads(harness.invoke(function, 2).payload) == 2
        assert harness.runtime.concurrency_in_use(function.account, function.region) == 0
        harness.run(harness.runtime.close())
    finally:
        harness.runtime = usual


def test_a_sandbox_that_dies_in_stock_is_replaced(harness: Harness, tmp_path: Path) -> None:
    usual, harness.runtime = harness.runtime, harness.open(tmp_path / "state")
    try:
        assert harness.invoke(harness.function(ECHO), 1).payload == b"1"
        (launcher,) = harness.runtime._launchers.values()
        deadline = time.time() + 20
        while len(launcher._ready) < launcher.plan.stock and time.time() < deadline:
            time.sleep(0.01)
        doomed = list(launcher._ready)
        for sandbox in doomed:
            signal.pidfd_send_signal(sandbox.guest_pidfd, signal.SIGKILL)
        while set(doomed) & set(launcher._ready) and time.time() < deadline:
            time.sleep(0.01)
        assert harness.invoke(harness.function(ECHO), 2).payload == b"2"
        harness.run(harness.runtime.close())
    finally:
        harness.runtime = usual


def test_code_that_is_not_there_is_our_fault_and_said_so(isolated: Harness) -> None:
    function = isolated.function(ECHO)
    shutil.rmtree(function.code)
    with pytest.raises(AWSError) as raised:
        isolated.invoke(function)
    assert raised.value.code == "ServiceException"
    assert isolated.call(ECHO, 3) == 3


def test_a_machine_without_room_refuses_instead_of_waiting(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usual, harness.runtime = harness.runtime, harness.open(tmp_path / "state")
    try:
        function = harness.function(ECHO)
        assert harness.invoke(function, 1).payload == b"1"
        (launcher,) = harness.runtime._launchers.values()

        def no_room(connection: object) -> None:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patch:
            patch.setattr(launcher, "_make", no_room)
            launcher.plan = type(launcher.plan)(
                **{**{n: getattr(launcher.plan, n) for n in launcher.plan.__slots__}, "stock": 0}
            )
            refused = 0
            for _ in range(6):
                try:
                    harness.invoke(harness.function(ECHO), 1)
                except AWSError as error:
                    assert error.code == "ServiceException" and "Too many open files" in error.message
                    refused += 1
            assert refused >= 1
        assert harness.invoke(harness.function(ECHO), 2).payload == b"2"
        harness.run(harness.runtime.close())
    finally:
        harness.runtime = usual
