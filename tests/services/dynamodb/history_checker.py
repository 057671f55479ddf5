"""A checker of histories: is there an order of all operations on one item, each between its call and its answer, in
which every answer is right? (Wing and Gong's search, with memory of what was tried.)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """`kind` is read (saw `value`), write (of `value`) or swap (`expected` to `value`, done or refused).

    `end` is infinite for what was never answered: it may have happened at any time after `start`, or never.
    """

    start: float
    end: float
    kind: str
    value: int
    expected: int = 0
    done: bool = True


def step(event: Event, state: int) -> tuple[bool, int]:
    """Whether the event's answer is right in this state, and the state after it."""
    if event.kind == "read":
        return event.value == state, state
    if event.kind == "write":
        return True, event.value
    if event.done:
        return event.expected == state, event.value
    return event.expected != state, state


def linearizable(events: Sequence[Event], initial: int = 0) -> bool:
    ordered = sorted(events, key=lambda event: event.start)
    tried: set[tuple[frozenset[int], int]] = set()
    stack: list[tuple[frozenset[int], int]] = [(frozenset(range(len(ordered))), initial)]
    while stack:
        left, state = stack.pop()
        if not any(ordered[i].end != float("inf") for i in left):
            return True
        if (left, state) in tried:
            continue
        tried.add((left, state))
        first_end = min(ordered[i].end for i in left)
        for i in left:
            if ordered[i].start <= first_end:
                right, after = step(ordered[i], state)
                if right:
                    stack.append((left - {i}, after))
    return False
