"""The suite's own clouds: one for all tests of a worker process, one of a test's own to be killed or filled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from pileus.testing import Account, Cloud

pytest_plugins = ["todo_application"]

__all__ = ["Account", "Cloud"]

# The same cases every time, so that a change is what makes a test fail; `--hypothesis-profile exploring` looks further.
settings.register_profile("repeating", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("exploring", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("repeating")


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all tests of a worker process, durability relaxed: tests of durability start their own."""
    with Cloud(tmp_path_factory.mktemp("cloud") / "data", "--durability", "relaxed") as running:
        yield running


@pytest.fixture
def fresh_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """One of the test's own, to be killed, filled or looked into; durability full."""
    running = Cloud(tmp_path / "data")
    yield running
    if running.process.poll() is None:
        running.kill()
    running.close()


@pytest.fixture
def account(cloud: Cloud) -> Account:
    """An account that no other test has."""
    wait_until_ready(cloud)
    return cloud.create_account()


def wait_until_ready(cloud: Cloud) -> None:
    for _ in range(100):
        try:
            cloud.get("/_pileus/health")
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the cloud does not answer")
