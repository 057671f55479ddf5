"""A pytest plugin for ceph/s3-tests: failures with a known reason are told from new ones."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

_FOUND = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
_REASONS = {name: f"{why}: {reason}" for why, tests in _FOUND.items() for name, reason in tests.items()}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        reason = _REASONS.get(item.name)
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
