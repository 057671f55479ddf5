"""Machines that cannot isolate: what they say, and that functions run all the same."""

# ruff: noqa: E501  the functions' own sources

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pileus.runtime import isolation
from pileus.runtime.interface import IsolationUnavailableError
from runtime_harness import Harness, runnable

NODE = runnable("nodejs20.x", "nodejs22.x", "nodejs18.x", "nodejs24.x")


@pytest.fixture
def bare(harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Harness]:
    """A runtime on a machine that lets Pileus do nothing, as some containers do."""
    monkeypatch.setattr(isolation, "_ask_the_kernel", lambda state: {})
    usual, harness.runtime = harness.runtime, harness.open(tmp_path / "state")
    yield harness
    harness.run(harness.runtime.close())
    harness.runtime = usual


def test_what_is_missing_is_said_with_its_consequence(bare: Harness, caplog: pytest.LogCaptureFixture) -> None:
    report = bare.run(bare.runtime.isolation())
    warned = [record.getMessage() for record in caplog.get_records("setup")]
    assert warned == report["missing"]  # at start, once
    assert report["complete"] is False and not any(report["barriers"].values())
    said = " ".join(report["missing"])
    for consequence in ("see this machine's files, the data directory among them", "see other processes",
                        "reach every service on this machine", "between invocations only"):  # fmt: skip
        assert consequence in said


def test_isolation_may_be_required(harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(isolation, "_ask_the_kernel", lambda state: {"mount": True})
    with pytest.raises(IsolationUnavailableError, match=r"No isolation of net: functions reach every service"):
        harness.open(tmp_path / "state", require_isolation=True)


def test_python_without_isolation(bare: Harness) -> None:
    layer = bare.directory({"python/shared.py": "NAME = 'layer'"})
    source = "import os, boto3, shared\ndef handler(event, context):\n    print('hello')\n    return [event, os.getcwd(), shared.NAME]"
    function = bare.function(source, layers=(layer,), timeout_s=20)
    for number in (1, 2):
        assert json.loads(bare.invoke(function, number).payload) == [number, function.code, "layer"]
    assert "hello" in bare.log_of(function)
    slow = bare.function("import time\ndef handler(event, context):\n    time.sleep(60)", timeout_s=1)
    assert json.loads(bare.invoke(slow).payload)["errorType"] == "Sandbox.Timedout"


@pytest.mark.skipif(not NODE, reason="no Node.js on this machine")
def test_node_without_isolation(bare: Harness) -> None:
    files = {"index.mjs": "export const handler = async (event) => [event, process.cwd()];"}
    function = bare.function(files, runtime=NODE, handler="index.handler", timeout_s=20, memory_mb=1024)
    assert json.loads(bare.invoke(function, 1).payload) == [1, function.code]


def test_users_are_taken_from_what_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = isolation.find("pileus-test", tmp_path)
    narrow = replace(machine, uids=range(40_000, 60_000))
    drawn = {narrow.guest_uid() for _ in range(200)}
    assert min(drawn) > 40_000 and max(drawn) < 60_000 and all(uid % 2 for uid in drawn)
