"""A short run of `scripts/fuzz.py` over all that reads a stranger's bytes, the same one each time; and what longer runs
have found."""

from __future__ import annotations

import asyncio
import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.security.keyring import Sealer, put_sealing_key
from pileus.store.sqlite import SQLiteStore

_SPEC = importlib.util.spec_from_file_location("fuzz_script", Path(__file__).parents[2] / "scripts/fuzz.py")
assert _SPEC and _SPEC.loader
fuzz = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fuzz)

INPUTS = 400
NAMES = [
    "policies", "signatures", "session-tokens", "authorization-messages", "openid-tokens", "forms", "form-policies",
    "chunked-bodies",
]  # fmt: skip


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    store = SQLiteStore(tmp_path_factory.mktemp("fuzz") / "store", "relaxed")
    asyncio.run(store.transact(lambda tx: put_sealing_key(tx, 1.0)))
    found = fuzz.targets(Sealer(store))
    assert sorted(found) == sorted(NAMES)
    yield found
    store.close()


@pytest.mark.parametrize("name", NAMES)
def test_damaged_input_is_refused_as_documented(targets: dict[str, Any], name: str) -> None:
    target = targets[name]
    chance = random.Random(name)

    async def run() -> None:
        for seed in target.seeds:
            await target.run(seed)
        for _ in range(INPUTS):
            data = fuzz.damage(chance, chance.choice(target.seeds), target.seeds)
            try:
                await target.run(data)
            except target.allowed:
                continue
            assert not target.accepts_seeds_only or data in target.seeds, data

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("signatures", b"us-east-1%2Fsqs", b"us%east-1%2Fsqs"),
        ("signatures", b"X-Amz-Expires=", b"X-Amz-Expires=\xb3"),
        ("signatures", b"X-Amz-Expires=", b"X-Amz-Expires=--"),
        ("session-tokens", b"=", b""),
        ("form-policies", b"range", b"range\", 1, 1e999], [\"content-length-range"),
    ],
)  # fmt: skip
def test_what_longer_runs_found(targets: dict[str, Any], name: str, old: bytes, new: bytes) -> None:
    target = targets[name]
    changed = [seed.replace(old, new) for seed in target.seeds if old in seed]
    for data in changed:
        try:
            asyncio.run(target.run(data))
        except target.allowed:
            continue
        assert not target.accepts_seeds_only
