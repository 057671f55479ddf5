"""What a person sees of an operation on a stack: a line for every resource that is done, a line for what runs."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape

from pileus.cli.stack import Event

_DONE = {"CREATE": "made", "UPDATE": "changed", "DELETE": "deleted"}


def show(console: Console, events: Iterable[Event], working: str) -> list[Event]:
    """Prints events as they come. Answers those that tell of failures, the last one the stack's own where it did
    not come to what was wanted."""
    began: dict[str, float] = {}
    failures: list[Event] = []
    with console.status(working) as status:
        for event in events:
            if event.whole:
                if event.failed or "ROLLBACK" in event.status:
                    failures.append(event)
                continue
            verb, _, state = event.status.partition("_")
            if state == "IN_PROGRESS":
                began.setdefault(event.logical_id, event.time)
                status.update(f"{working} {escape(event.logical_id)}")
                continue
            if event.failed:
                failures.append(event)
            seconds = event.time - began.pop(event.logical_id, event.time)
            console.print(_line(event, verb, state, seconds), highlight=False, soft_wrap=True)
    return failures


def _line(event: Event, verb: str, state: str, seconds: float) -> str:
    if state == "FAILED":
        mark, what = "[red]✗[/red]", f"[red]{escape(event.reason)}[/red]"
    elif state == "SKIPPED":
        mark, what = "[dim]·[/dim]", "kept"
    else:
        mark, what = "[green]✓[/green]", f"{_DONE.get(verb, verb.lower())} [dim]{seconds:.1f} s[/dim]"
    return f"{mark} {escape(event.logical_id):<28} [dim]{event.type:<42}[/dim] {what}"
