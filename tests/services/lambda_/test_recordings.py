"""Invocations that are kept to be run again: by any process, not for ever, not in the clear."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.aws.clock import Clock
from pileus.aws.errors import AWSError
from pileus.gateway.cloud import open_cloud
from pileus.runtime.interface import Invocation
from pileus.security.keyring import has_sealing_key, put_sealing_key
from pileus.services.context import Settings
from pileus.services.lambda_ import recordings
from pileus.services.lambda_.names import FunctionName
from pileus.services.lambda_.recordings import Recordings

NAME = FunctionName("123456789012", "us-east-1", "f")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A cloud in this process, whose clock goes on by a second whenever it is looked at."""
    moments = itertools.count(1_000_000)
    cloud = open_cloud(Settings(data=path, durability="relaxed"), Clock(lambda: float(next(moments))))
    if not has_sealing_key(cloud.store):
        asyncio.run(cloud.store.transact(lambda tx: put_sealing_key(tx, 0.0)))
    try:
        yield cloud
    finally:
        cloud.store.close()


def invocation(identifier: str, payload: bytes = b"{}") -> Invocation:
    return Invocation(identifier, payload, NAME.arn)


async def identifiers(recorded: Recordings, *wanted: str) -> list[str]:
    found = []
    for identifier in wanted:
        with contextlib.suppress(AWSError):
            found.append((await recorded.find(NAME.account, identifier)).invocation.request_id)
    return found


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "_FLUSH_SECONDS", 0.01)


def test_they_outlive_the_process_and_are_sealed(tmp_path: Path) -> None:
    async def record(cloud: Any) -> None:
        recorded = Recordings(cloud)
        recorded.add(NAME, invocation("one", b'"correct horse battery staple"'))
        await recorded.flush()

    async def find(cloud: Any) -> None:
        found = await Recordings(cloud).find(NAME.account, "one")
        assert (found.name, found.invocation.payload) == (NAME, b'"correct horse battery staple"')
        with pytest.raises(AWSError):
            await Recordings(cloud).find("999999999999", "one")

    for work in (record, find):
        with opened(tmp_path) as cloud:
            asyncio.run(work(cloud))
    assert not any(b"battery" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_another_process_finds_what_was_recorded_just_now(tmp_path: Path) -> None:
    async def main(cloud: Any) -> None:
        here, there = Recordings(cloud), Recordings(cloud)
        here.add(NAME, invocation("one"))
        assert (await there.find(NAME.account, "one")).invocation.request_id == "one"

    with opened(tmp_path) as cloud:
        asyncio.run(main(cloud))


def test_only_the_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "_MOST", 4)
    monkeypatch.setattr(recordings, "_MOST_BYTES", 160)

    async def main(cloud: Any) -> None:
        recorded = Recordings(cloud)
        for number in range(6):
            recorded.add(NAME, invocation(f"{number}"))
            if number % 2:
                await recorded.flush()
        assert await identifiers(recorded, *map(str, range(6))) == ["2", "3", "4", "5"]
        recorded.add(NAME, invocation("long", bytes(11)))
        assert await identifiers(recorded, "long") == []
        for number in range(4):
            recorded.add(NAME, invocation(f"middle {number}", bytes(10)))
        assert await identifiers(recorded, "4", "middle 0") == ["middle 0"]

    with opened(tmp_path) as cloud:
        asyncio.run(main(cloud))


def test_old_ones_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "_KEEP_SECONDS", 1.5)

    async def main(cloud: Any) -> None:
        recorded = Recordings(cloud)
        recorded.add(NAME, invocation("old"))
        await recorded.flush()
        recorded.add(NAME, invocation("new"))
        await recorded.flush()
        await recordings.forget(cloud)
        assert await identifiers(recorded, "old", "new") == ["new"]

    with opened(tmp_path) as cloud:
        asyncio.run(main(cloud))
