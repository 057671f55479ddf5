"""The order in which resources are made: what they refer to comes first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class CycleError(ValueError):
    def __init__(self, members: list[str]) -> None:
        super().__init__(", ".join(members))
        self.members = members


def order(requirements: Mapping[str, Iterable[str]]) -> list[str]:
    """Every name after all that it requires; names that are free of each other stay in the order given.

    Requirements outside the mapping do not count. Raises CycleError with the names that wait for each other.
    """
    waiting = {name: {need for need in needs if need in requirements} for name, needs in requirements.items()}
    ordered: list[str] = []
    done: set[str] = set()
    while waiting:
        ready = [name for name, needs in waiting.items() if needs <= done]
        if not ready:
            raise CycleError(_in_cycle(waiting))
        ordered += ready
        done.update(ready)
        for name in ready:
            del waiting[name]
    return ordered


def _in_cycle(waiting: Mapping[str, set[str]]) -> list[str]:
    """Those that are in a cycle, without what only depends on one: whatever nobody waiting needs is peeled off."""
    members = {name: {need for need in needs if need in waiting} for name, needs in waiting.items()}
    while True:
        needed = set().union(*members.values())
        free = [name for name in members if name not in needed]
        if not free:
            return sorted(members)
        for name in free:
            del members[name]
