"""One runtime for all tests of a process, without a gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime_harness import Harness


@pytest.fixture(scope="session")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    made = Harness(tmp_path_factory.mktemp("runtime"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def isolated(harness: Harness) -> Harness:
    """The same, for tests that are about barriers which not every machine has."""
    missing = harness.run(harness.runtime.isolation())["missing"]
    if missing:
        pytest.skip(" ".join(missing))
    return harness
