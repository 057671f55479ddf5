"""`pileus why`, `pileus denied`, `pileus access`, `pileus policy suggest`, `pileus keys rotate`."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Annotated, Any

import typer

from pileus.cli.errors import CommandError
from pileus.cli.running import DEFAULT_DATA, Data

_WAIT_SECONDS = 2.5
"""Workers write their decisions down about once a second."""

AccountOption = Annotated[str, typer.Option("--account", help="Another account's number.")]
JSONOption = Annotated[bool, typer.Option("--json", help="Print it all as JSON.")]


def why(
    request_id: Annotated[str, typer.Argument(help="The id of the request: errors and answers carry it.")],
    data: Data = DEFAULT_DATA,
    account: AccountOption = "",
    as_json: JSONOption = False,
) -> None:
    """Explain why a request was allowed or denied, and what would change it."""
    from pileus.cli.ask import ask

    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            found = ask(data, "why", {"request_id": request_id}, account)
            break
        except CommandError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for decision in found["decisions"]:
        _explain(decision)


def _explain(decision: dict[str, Any]) -> None:
    print(f"{decision['action']} on {decision['resource']}")
    print(f"  asked by    {decision['principal']}")
    print(f"  at          {_time(decision['time'])}, {decision['service']} {decision['operation']}")
    print(f"  outcome     {decision['outcome']}")
    if decision["statement"]:
        print(_indented(decision["statement"]))
    if decision.get("considered"):
        print("  policies considered:")
        for policy in decision["considered"]:
            print(f"    {policy['layer']}: {policy['name']}")
            for statement in policy.get("statements", ()):
                name = f" {statement['sid']}" if statement.get("sid") else ""
                misses = statement.get("misses")
                verdict = f"does not match {' and '.join(misses)}" if misses else "applies"
                print(f"      statement {statement['number']}{name} ({statement['effect']}) {verdict}")
            if not policy.get("statements"):
                print("      no statement about this action")
    if decision.get("keys"):
        print("  condition keys:")
        for key, value in decision["keys"].items():
            print(f"    {key} = {value if isinstance(value, str) else ', '.join(value)}")
    if decision.get("help"):
        print(f"  {decision['help']}")
    if decision.get("suggestion"):
        print(_indented(decision["suggestion"]))
    print()


def _indented(statement: dict[str, Any]) -> str:
    return "\n".join(f"    {line}" for line in json.dumps(statement, indent=2).splitlines())


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")


def denied(
    data: Data = DEFAULT_DATA,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many, newest first.")] = 20,
    account: AccountOption = "",
    as_json: JSONOption = False,
) -> None:
    """List the requests that were denied, newest first; `pileus why ID` explains one."""
    from pileus.cli.ask import ask

    found = ask(data, "denied", {"limit": limit}, account)["denied"]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print("Nothing was denied.")
    for entry in found:
        print(f"{_time(entry['time'])}  {entry['request_id']}")
        print(f"  {entry['principal']}: {entry['action']} on {entry['resource']}")
        print(f"  {entry['outcome']}")


def suggest(
    principal: Annotated[str, typer.Argument(help="A role or user, by name or ARN.")],
    data: Data = DEFAULT_DATA,
    account: AccountOption = "",
) -> None:
    """Write the least policy that allows what a role or user was really seen to do."""
    from pileus.cli.ask import ask

    found = ask(data, "policy-suggest", {"principal": principal}, account)
    print(json.dumps(found["policy"], indent=2))


def access(
    data: Data = DEFAULT_DATA,
    principal: Annotated[
        str, typer.Option("--principal", help="Only this role or user; `everyone` for the public.")
    ] = "",
    account: AccountOption = "",
    as_json: JSONOption = False,
) -> None:
    """Say who may do what with everything that exists; what depends on a condition is marked with `?`."""
    from pileus.cli.ask import ask

    rows = ask(data, "access", {"principal": principal}, account)["access"]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    if not rows:
        print("Nobody but root may do anything.")
    last = ""
    for row in rows:
        if row["principal"] != last:
            last = row["principal"]
            print(last)
        actions = [*row["allowed"], *(f"{action}?" for action in row["conditional"])]
        print(f"  {row['resource']}")
        print(f"    {_wrapped(actions)}")


def _wrapped(actions: list[str]) -> str:
    lines, line = [], ""
    for action in actions:
        if line and len(line) + len(action) > 100:
            lines.append(line)
            line = ""
        line += f"{', ' if line else ''}{action}"
    return ",\n    ".join([*lines, line])


def rotate(data: Data = DEFAULT_DATA) -> None:
    """Make new keys for session tokens and OpenID tokens; what the older ones made stays valid until it expires."""
    from pileus.cli.ask import ask

    ask(data, "rotate-keys", {})
    print("New keys are in use.")
