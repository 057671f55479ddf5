"""Steps that run beside each other where nothing says which comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

LIMIT = 16
"""Steps under way at once: one stack does not take the whole cloud."""


async def walk(
    requirements: Mapping[str, Iterable[str]],
    step: Callable[[str], Awaitable[None]],
    stops: type[Exception],
    halt: Callable[[], None] = lambda: None,
) -> list[Exception]:
    """Runs the step of every name, in the order given where it may be, but each after those that it requires.

    A step that raises `stops` lets no other begin: `halt` is called, those under way come to their own end, and all
    that were raised are answered. What else a step raises ends the others where they are and is raised here.
    """
    waiting = {name: {need for need in needs if need in requirements} for name, needs in requirements.items()}
    running: dict[asyncio.Task[None], str] = {}
    failures: list[Exception] = []
    try:
        while running or (waiting and not failures):
            if not failures:
                for name in _next(waiting, LIMIT - len(running), idle=not running):
                    del waiting[name]
                    running[asyncio.ensure_future(_awaited(step, name))] = name
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                name = running.pop(task)
                try:
                    task.result()
                except stops as error:
                    if not failures:
                        halt()
                    failures.append(error)
                for needs in waiting.values():
                    needs.discard(name)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return failures


async def _awaited(step: Callable[[str], Awaitable[None]], name: str) -> None:
    await step(name)


def _next(waiting: Mapping[str, set[str]], room: int, *, idle: bool) -> list[str]:
    ready = [name for name, needs in waiting.items() if not needs]
    if not ready and idle:
        # A circle: two versions of a template, mixed by a rollback that failed, can want opposite orders.
        ready = list(waiting)[:1]
    return ready[:room]
