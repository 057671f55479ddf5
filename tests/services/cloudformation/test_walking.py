"""Steps beside each other, in the order that they need."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.services.cloudformation.walking import LIMIT, walk


class StopError(Exception):
    pass


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from("abcdefgh"))))
def test_every_step_runs_once_and_after_those_it_requires(wanted: dict[str, set[str]]) -> None:
    requirements = {name: {need for need in needs if need < name} for name, needs in wanted.items()}
    began: list[str] = []
    ended: list[str] = []

    async def step(name: str) -> None:
        began.append(name)
        assert requirements[name] & requirements.keys() <= set(ended)
        await asyncio.sleep(0)
        ended.append(name)

    assert asyncio.run(walk(requirements, step, StopError)) == []
    assert sorted(began) == sorted(ended) == sorted(requirements)


def test_what_is_free_of_each_other_runs_at_once_up_to_a_limit() -> None:
    under_way = most = 0

    async def story() -> None:
        together = asyncio.Barrier(LIMIT)

        async def step(name: str) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await together.wait()
            under_way -= 1

        await walk({str(number): () for number in range(2 * LIMIT)}, step, StopError)

    asyncio.run(story())
    assert most == LIMIT


def test_a_failure_lets_others_end_and_none_begin() -> None:
    began: list[str] = []

    async def story() -> list[Exception]:
        halted = asyncio.Event()

        async def step(name: str) -> None:
            began.append(name)
            if name == "slow":
                await halted.wait()
                raise StopError(name)
            raise StopError(name)

        return await walk({"slow": (), "bad": (), "later": ("bad",)}, step, StopError, halted.set)

    assert [str(error) for error in asyncio.run(story())] == ["bad", "slow"]
    assert began == ["slow", "bad"]


def test_what_is_no_failure_ends_everything() -> None:
    async def story() -> bool:
        cut_off = False

        async def step(name: str) -> None:
            nonlocal cut_off
            if name == "bad":
                raise KeyError(name)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cut_off = True
                raise

        with pytest.raises(KeyError):
            await walk({"waits": (), "bad": ()}, step, StopError)
        return cut_off

    assert asyncio.run(story())


def test_circles_are_gone_through_in_the_order_given() -> None:
    began: list[str] = []

    async def step(name: str) -> None:
        began.append(name)

    asyncio.run(walk({"a": ("b",), "b": ("a",), "c": ("a",)}, step, StopError))
    assert began == ["a", "b", "c"]
