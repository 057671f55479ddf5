"""What Pileus set out to reach, as a table, and what became of each goal in a run.

    .venv/bin/python bench/goals.py [RESULT]

Ratios are of requests a second in the same run; beside stands what the same ratio is by processor time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import scale
from contenders import HERE
from results import Figure, Results, read
from table import aligned

_ONE, _TWO, _FULL = "pileus relaxed ×1", "pileus relaxed ×2", "pileus full ×1"
_READS = ("GetItem", "Query", "GetObject", "Website", "GetCallerIdentity")
_AT = 16
_GROUP = 16
"""Writes that share an fsync, where 16 callers wait for it."""

Measure = Callable[[Results], float | None]


@dataclass(frozen=True)
class Goal:
    """`reached` answers None where the run did not measure it. `beside` is the same by processor time."""

    area: str
    what: str
    target: float
    unit: str
    reached: Measure
    beside: Measure | None = None
    at_least: bool = True

    def met(self, value: float) -> bool:
        return value >= self.target if self.at_least else value <= self.target


@dataclass(frozen=True)
class Elsewhere:
    """A goal that takes too long for this run."""

    area: str
    what: str
    command: str


@dataclass(frozen=True)
class Outcome:
    area: str
    what: str
    reached: str
    beside: str
    verdict: str


def _figure(results: Results, contender: str, operation: str, connections: int = _AT) -> Figure | None:
    return results.medians().get((contender, operation, connections))


def _times(operation: str, other: str, *, own: str = _ONE, others: str = "") -> tuple[Measure, Measure]:
    """How many times as many requests as `other` serves, by the clock and by processor time (on two cores, where
    Pileus has two workers)."""

    def rate(results: Results) -> float | None:
        ours, theirs = _figure(results, own, operation), _figure(results, other, others or operation)
        return ours.rate / theirs.rate if ours and theirs else None

    def cpu(results: Results) -> float | None:
        ours, theirs = _figure(results, own, operation), _figure(results, other, others or operation)
        return (2 if own == _TWO else 1) * theirs.cpu / ours.cpu if ours and theirs else None

    return rate, cpu


def _over_floor(operation: str, floor: str = "Constant", server: str = "constant") -> tuple[Measure, Measure]:
    """How many times as long as the constant, by the clock and by processor time."""
    rate, cpu = _times(operation, server, others=floor)

    def turned(measure: Measure) -> Measure:
        return lambda results: 1 / value if (value := measure(results)) else None

    return turned(rate), turned(cpu)


def _slower(operation: str, other: str) -> Measure:
    def measure(results: Results) -> float | None:
        ours, theirs = (_figure(results, name, operation, 1) for name in (_ONE, other))
        return ours.p50 / theirs.p50 if ours and theirs else None

    return measure


def _scaling(operation: str) -> Measure:
    def measure(results: Results) -> float | None:
        one, two = (_figure(results, name, operation) for name in (_ONE, _TWO))
        return 2 * one.cpu / two.cpu if one and two else None

    return measure


def _of_group_commits(results: Results) -> float | None:
    """Percent of what would be written if nothing but one fsync for each 16 writes were added to the relaxed ones."""
    relaxed, full = (_figure(results, name, "PutItem") for name in (_ONE, _FULL))
    fsync = results.limits.get("fsync")
    if relaxed is None or full is None or fsync is None:
        return None
    return 100 * full.rate * (_GROUP / relaxed.rate + fsync / 1000) / _GROUP


def _p50(contender: str, operation: str) -> Measure:
    return lambda results: one.p50 if (one := _figure(results, contender, operation, 1)) else None


def _most(operation: str) -> tuple[Measure, Measure]:
    """Requests a second with as many workers as cores, beside them what two cores would serve that do nothing else."""
    return (
        lambda results: one.rate if (one := _figure(results, _TWO, operation)) else None,
        lambda results: 2e6 / one.cpu if (one := _figure(results, _TWO, operation)) else None,
    )


def _cold(function: str) -> Measure:
    return lambda results: next(
        (one.median for one in results.cold if one.contender == _FULL and one.function == function), None
    )


def _started(results: Results) -> float | None:
    return one.seconds if (one := results.starts.get(_ONE)) else None


def _idle(results: Results) -> float | None:
    return one.idle_bytes / 2**20 if (one := results.starts.get(_ONE)) else None


def _growth(kind: str, what: str) -> Measure:
    """At a million to at a thousand; from the last run of bench/scale.py."""

    def measure(_: Results) -> float | None:
        values = next((row.values for row in scale.read().get(kind, ()) if row.what == what), {})
        return values[1_000_000] / values[1_000] if {1_000, 1_000_000} <= set(values) else None

    return measure


GOALS: tuple[Goal | Elsewhere, ...] = (
    *(
        Goal("gateway", f"{operation} ≥ 3 × ministack, one worker", 3, "×", *_times(operation, "ministack"))
        for operation in ("GetItem", "PutItem", "Query", "GetObject", "PutObject", "GetCallerIdentity")
    ),
    Goal("gateway", "warm invocation ≥ 50 × ministack", 50, "×", *_times("Invoke", "ministack")),
    Goal("gateway", "start to first answer < 0.7 s", 0.7, "s", _started, at_least=False),
    Goal("gateway", "idle memory < 120 MiB, one worker", 120, "MiB", _idle, at_least=False),
    *(
        Goal("gateway", f"{operation}: two workers ≥ 1.7 × one, by processor time", 1.7, "×", _scaling(operation))
        for operation in _READS
    ),
    *(
        Goal("DynamoDB", f"{operation} ≥ 1 × dynalite, two workers", 1, "×", *_times(operation, "dynalite", own=_TWO))
        for operation in ("GetItem", "PutItem", "Query")
    ),
    *(
        Goal("DynamoDB", f"{operation} with one caller: p50 ≤ 1.3 × dynalite's", 1.3, "×",
             _slower(operation, "dynalite"), at_least=False)
        for operation in ("GetItem", "PutItem")
    ),
    *(
        Goal("DynamoDB", f"{operation} within 2.5 × of the constant", 2.5, "×", *_over_floor(operation), at_least=False)
        for operation in ("GetItem", "PutItem")
    ),
    *(
        Goal("DynamoDB", f"{operation} within 2.5 × of a constant through uvicorn", 2.5, "×",
             *_over_floor(operation, server="uvicorn"), at_least=False)
        for operation in ("GetItem", "PutItem")
    ),
    Goal("DynamoDB", "PutItem, full, ≥ 60 % of one fsync for each group commit", 60, "%", _of_group_commits),
    Goal("DynamoDB", "GetItem of a million ≤ 1.5 × of a thousand", 1.5, "×", _growth("items", "GetItem"),
         at_least=False),
    Elsewhere("DynamoDB", "ten million items: reads ≤ 1.5 ×, < 400 MiB, restart < 2 s", "bench/dynamodb_scale.py"),
    Goal("S3", "website within 2 × of the constant", 2, "×", *_over_floor("Website"), at_least=False),
    *(
        Goal("S3", f"{operation} of 1 KB ≥ 2 × ministack", 2, "×", *_times(operation, "ministack"))
        for operation in ("GetObject", "PutObject")
    ),
    *(
        Goal("S3", f"{operation} of 1 KB ≥ 5 × s3rver", 5, "×", *_times(operation, "s3rver"))
        for operation in ("GetObject", "PutObject")
    ),
    Goal("S3", "website ≥ 3 × ministack", 3, "×", *_times("Website", "ministack")),
    Goal("S3", "GET of 10 MB within 1.5 × of the constant", 1.5, "×",
         *_over_floor("GetObject 10 MB", "Constant 10 MB"), at_least=False),
    *(
        Goal("S3", f"{what} of a million ≤ 1.5 × of a thousand", 1.5, "×", _growth("objects", what), at_least=False)
        for what in ("GetObject", "ListObjectsV2, ten from a place", "ListObjectsV2, a thousand")
    ),
    Goal("functions", "first invocation, Python with boto3 ≤ 15 ms", 15, "ms", _cold("python3.12 with boto3"),
         at_least=False),
    Goal("functions", "first invocation, Node.js ≤ 60 ms", 60, "ms", _cold("nodejs20.x"), at_least=False),
    Goal("functions", "first invocation, Java ≤ 400 ms", 400, "ms", _cold("java17"), at_least=False),
    Goal("functions", "warm invocation, one caller, p50 ≤ 0.6 ms", 0.6, "ms", _p50(_ONE, "Invoke"), at_least=False),
    Goal("functions", "warm invocations of 16 callers ≥ 4,000 a second, two workers", 4000, "/s", *_most("Invoke")),
    Elsewhere("functions", "200 environments alive in under 3 GiB", "bench/functions.py"),
)  # fmt: skip


def outcomes(results: Results, goals: Iterable[Goal | Elsewhere] = GOALS) -> Iterator[Outcome]:
    for goal in goals:
        if isinstance(goal, Elsewhere):
            yield Outcome(goal.area, goal.what, "", "", f"see {goal.command}")
            continue
        value = goal.reached(results)
        beside = goal.beside(results) if goal.beside else None
        verdict = "not measured" if value is None else "met" if goal.met(value) else "missed"
        yield Outcome(goal.area, goal.what, _shown(value, goal.unit), _shown(beside, goal.unit), verdict)


def lines(results: Results) -> Iterator[str]:
    yield "Goals; the second figure is by processor time"
    yield from aligned(
        [[one.area, one.what, one.reached, one.beside, one.verdict] for one in outcomes(results)], left=2
    )


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    number = f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"{number} {unit}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What became of each goal.")
    parser.add_argument("result", type=Path, nargs="?", default=HERE / "results/last.json")
    print("\n".join(lines(read(parser.parse_args().result))))
    sys.exit(0)
