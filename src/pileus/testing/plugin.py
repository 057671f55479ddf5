"""Fixtures for pytest, there wherever Pileus is installed: `pileus_cloud` and `pileus_account`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pileus.testing import Account, Cloud


@pytest.fixture(scope="session")
def pileus_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A running cloud, one for all tests of a worker process. Everything is enforced as it always is."""
    from pileus.testing import Cloud

    with Cloud(tmp_path_factory.mktemp("pileus") / "data", "--durability", "relaxed") as cloud:
        yield cloud


@pytest.fixture
def pileus_account(pileus_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account of the test's own. The environment points at it, so that code under test which makes its clients by
    itself (`boto3.client("dynamodb")`) reaches it too."""
    import boto3

    account = pileus_cloud.create_account()
    # boto3's own session has read the environment of the test before.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name, value in account.env().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return account
