import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.store.blobs import PIECE, Blobs, TooLargeError


class Claims:
    """As much of a transaction as claims need."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self.values[key] = value

    def delete(self, key: bytes) -> None:
        self.values.pop(key, None)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def collect(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in stream])


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


@pytest.fixture(params=["full", "relaxed"])
def blobs(tmp_path: Path, request: pytest.FixtureRequest) -> Blobs:
    return Blobs(tmp_path / "blobs", request.param)


def test_what_is_written_is_read_back(blobs: Blobs) -> None:
    async def run() -> None:
        data = os.urandom(3 * PIECE + 17)
        blob = await blobs.write(pieces(data[:5], b"", data[5:]))
        assert blob.size == len(data)
        assert await collect(blobs.read(blob.key)) == data
        assert await collect(blobs.read(blob.key, 10, 0)) == b""
        assert stat.S_IMODE(blobs.path(blob.key).stat().st_mode) == 0o600

    asyncio.run(run())


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_range_is_that_slice(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    blobs = Blobs(tmp_path_factory.mktemp("blobs"), "relaxed")
    content = os.urandom(PIECE + 100)
    start = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, len(content) - start))

    async def run() -> bytes:
        blob = await blobs.write(pieces(content))
        return await collect(blobs.read(blob.key, start, length))

    assert asyncio.run(run()) == content[start : start + length]


def test_a_body_that_breaks_leaves_nothing(blobs: Blobs) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (2 * 1024 * 1024)
        raise RuntimeError("the signature of a chunk does not hold")

    with pytest.raises(RuntimeError):
        asyncio.run(blobs.write(broken()))
    assert files(blobs.directory) == []


def test_a_body_over_its_limit_leaves_nothing(blobs: Blobs) -> None:
    with pytest.raises(TooLargeError):
        asyncio.run(blobs.write(pieces(b"12345", b"67890"), limit=9))
    assert files(blobs.directory) == []


def test_a_reader_keeps_what_is_deleted_meanwhile(blobs: Blobs) -> None:
    async def run() -> None:
        blob = await blobs.write(pieces(b"a" * (PIECE + 1)))
        reading = blobs.read(blob.key)
        first = await anext(reading)
        blobs.delete([blob.key, blob.key])
        assert first + await collect(reading) == b"a" * (PIECE + 1)
        with pytest.raises(FileNotFoundError):
            blobs.read(blob.key)

    asyncio.run(run())


def test_a_file_that_was_cut_short_is_an_error_not_a_short_answer(blobs: Blobs) -> None:
    async def run() -> None:
        blob = await blobs.write(pieces(b"abcdef"))
        os.truncate(blobs.path(blob.key), 3)
        with pytest.raises(OSError, match="shorter"):
            await collect(blobs.read(blob.key, 0, 6))

    asyncio.run(run())


def test_the_sweep_takes_what_nobody_claimed(blobs: Blobs) -> None:
    async def run() -> None:
        claims = Claims()
        area = blobs.area("s3")
        kept = await area.write(pieces(b"kept"))
        lost = await area.write(pieces(b"lost"))
        elsewhere = await blobs.write(pieces(b"another owner's"))
        area.claim(claims, kept.key)  # type: ignore[arg-type]
        (area.directory / "incoming" / "abandoned").write_bytes(b"half")
        assert await area.sweep(claims, age=3600) == 0  # type: ignore[arg-type]
        assert await area.sweep(claims, age=-1) == 2  # type: ignore[arg-type]
        assert area.path(kept.key).exists()
        assert not area.path(lost.key).exists()
        assert blobs.path(elsewhere.key).exists()
        area.release(claims, kept.key)  # type: ignore[arg-type]
        area.defer([kept.key])
        assert await area.sweep(claims, age=60) == 0  # type: ignore[arg-type]
        assert await area.sweep(claims, age=-1) == 1  # type: ignore[arg-type]

    asyncio.run(run())


def test_concurrent_writers_do_not_meet(blobs: Blobs) -> None:
    async def run() -> None:
        written = await asyncio.gather(*(blobs.write(pieces(bytes([n]) * 1000)) for n in range(20)))
        for n, blob in enumerate(written):
            assert await collect(blobs.read(blob.key)) == bytes([n]) * 1000

    asyncio.run(run())


def test_descriptors_are_closed(blobs: Blobs) -> None:
    async def run() -> int:
        blob = await blobs.write(pieces(b"x" * (PIECE * 2)))
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            with contextlib.closing(blobs.read(blob.key)) as reading:
                await anext(reading)
            abandoned = blobs.read(blob.key)
            del abandoned
        return len(os.listdir("/proc/self/fd")) - before

    assert asyncio.run(run()) == 0
