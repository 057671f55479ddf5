"""What a run found, and the file that keeps it."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One load on one operation: requests a second, latencies in milliseconds, the server's processor time for one
    request in microseconds (all its processes; unlike the rate it does not depend on who else uses the cores)."""

    contender: str
    operation: str
    connections: int
    rate: float
    p50: float
    p99: float
    cpu: float


@dataclass(slots=True)
class Start:
    """Seconds from exec to first answer; memory (PSS) after start and after the load; bytes installed."""

    seconds: float
    idle_bytes: int
    loaded_bytes: int
    installed_bytes: int


@dataclass(frozen=True, slots=True)
class Cold:
    """First invocation of a new function, end to end, in milliseconds: median and longest of `times`."""

    contender: str
    function: str
    median: float
    longest: float
    times: int


@dataclass(frozen=True, slots=True)
class Growth:
    """One figure by size: microseconds of processor time for a request, or what its name says."""

    what: str
    values: dict[int, float]


@dataclass(slots=True)
class Results:
    machine: dict[str, str]
    commit: str
    began: str
    quick: bool
    ended: str = ""
    figures: list[Figure] = field(default_factory=list)
    starts: dict[str, Start] = field(default_factory=dict)
    cold: list[Cold] = field(default_factory=list)
    limits: dict[str, float] = field(default_factory=dict)
    """Milliseconds, by what they limit."""

    absent: dict[str, str] = field(default_factory=dict)
    """What was left out, by contender and operation: why."""

    def medians(self) -> dict[tuple[str, str, int], Figure]:
        """Over the rounds, by contender, operation and connections, each value on its own."""
        found: dict[tuple[str, str, int], list[Figure]] = {}
        for figure in self.figures:
            found.setdefault((figure.contender, figure.operation, figure.connections), []).append(figure)
        return {
            key: Figure(*key, *(statistics.median(getattr(one, name) for one in same) for name in _VALUES))
            for key, same in found.items()
        }


_VALUES = ("rate", "p50", "p99", "cpu")


def write(results: Results, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> Results:
    found: dict[str, Any] = json.loads(path.read_text())
    found["figures"] = [Figure(**figure) for figure in found["figures"]]
    found["starts"] = {name: Start(**start) for name, start in found["starts"].items()}
    found["cold"] = [Cold(**cold) for cold in found["cold"]]
    return Results(**found)
