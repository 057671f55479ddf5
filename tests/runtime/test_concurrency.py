"""Counting in several workers: two of them in one process, over the same file."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from pileus.aws.errors import AWSError
from pileus.runtime.concurrency import Concurrency, take_number
from pileus.runtime.interface import FunctionVersion, Limits, Logging

FUNCTION = FunctionVersion("1", "r", "f", "1", "arn", "python3.11", "h", "role", "", "", Logging("g"))
OTHER = msgspec.structs.replace(FUNCTION, name="other")


def pair(state: Path) -> tuple[Concurrency, Concurrency]:
    return Concurrency(state, 2, 0, alone=False), Concurrency(state, 2, 1, alone=False)


def test_workers_count_together(tmp_path: Path) -> None:
    first, second = pair(tmp_path)
    limits = Limits(reserved=2)
    counted = first.enter(FUNCTION, limits)
    second.enter(FUNCTION, limits)
    for worker in (first, second):
        with pytest.raises(AWSError, match="Rate Exceeded"):
            worker.enter(FUNCTION, limits)
        assert worker.in_use("1", "r", "f") == worker.in_use("1", "r", None) == 2
    first.leave(counted)
    second.enter(FUNCTION, limits)
    assert first.in_use("1", "r", "f") == 2 and first.in_use("1", "elsewhere", None) == 0


def test_reservations_do_not_use_the_shared_pool(tmp_path: Path) -> None:
    first, second = pair(tmp_path)
    for _ in range(3):
        first.enter(FUNCTION, Limits(reserved=5))
    second.enter(OTHER, Limits(unreserved=1))
    with pytest.raises(AWSError) as raised:
        first.enter(OTHER, Limits(unreserved=1))
    assert raised.value.members["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert first.in_use("1", "r", None) == 4


def test_what_is_provisioned_of_a_reservation_is_its_versions_alone(tmp_path: Path) -> None:
    first, second = pair(tmp_path)
    other = msgspec.structs.replace(FUNCTION, version="2")
    its, others = Limits(reserved=3, provisioned=2, kept=2), Limits(reserved=3, kept=2)
    spare = first.enter(other, others)
    with pytest.raises(AWSError, match="Rate Exceeded"):
        second.enter(other, others)
    counted = first.enter(FUNCTION, its)
    second.enter(FUNCTION, its)
    with pytest.raises(AWSError, match="Rate Exceeded"):
        first.enter(FUNCTION, its)
    assert first.in_use("1", "r", "f") == first.in_use("1", "r", None) == 3
    first.leave(spare)
    more = second.enter(FUNCTION, its)  # beyond what is provisioned it takes what all may take
    with pytest.raises(AWSError, match="Rate Exceeded"):
        first.enter(other, others)
    for rows, worker in ((counted, first), (more, second)):
        worker.leave(rows)
    first.enter(other, others)
    assert first.in_use("1", "r", "f") == 2


def test_a_killed_workers_count_is_forgotten_when_its_number_is_taken_again(tmp_path: Path) -> None:
    first, second = pair(tmp_path)
    first.enter(FUNCTION, Limits())
    second.enter(FUNCTION, Limits())
    again = Concurrency(tmp_path, 2, 0, alone=False)
    assert again.in_use("1", "r", "f") == 1
    alone = Concurrency(tmp_path, 2, 0, alone=True)
    assert alone.in_use("1", "r", "f") == 0
    first.enter(FUNCTION, Limits())  # who still had the old file has it still
    assert alone.in_use("1", "r", "f") == 0


def test_numbers_are_taken_once(tmp_path: Path) -> None:
    taken = [take_number(tmp_path, 3) for _ in range(3)]
    assert [number for number, _ in taken] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="3 processes already run functions"):
        take_number(tmp_path, 3)
    os.close(taken[1][1])
    assert take_number(tmp_path, 3)[0] == 1
