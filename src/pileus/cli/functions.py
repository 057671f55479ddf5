"""Functions from the command line: call one, read its logs, run an invocation again."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from pileus.cli.errors import CommandError
from pileus.cli.running import DEFAULT_DATA, Data
from pileus.cli.session import Session, Target, Where

Stack = Annotated[str, typer.Option("--stack", help="The stack in which FUNCTION is a logical id.")]

Account = Annotated[str, typer.Option("--account", help="The account of the function, the first one if left out.")]

_SPAN = re.compile(r"(\d+)\s*(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
_GROUP_PREFIX = "/aws/lambda/"
_FOLLOW_SECONDS = 0.5
_LATE_MILLISECONDS = 10_000
"""Events may be written a little after they happened; this far back is looked again."""


def invoke(
    function: Annotated[str, typer.Argument(help="The function's name or ARN, or a logical id with --stack.")],
    payload: Annotated[str, typer.Argument(help="The event as JSON, @FILE, or - for standard input.")] = "{}",
    qualifier: Annotated[str, typer.Option("--qualifier", help="A version or an alias.")] = "",
    event: Annotated[bool, typer.Option("--event", help="Hand it over and do not wait for the answer.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Run a Python function here, under debugpy.")] = False,
    debug_port: Annotated[int, typer.Option("--debug-port", help="Where debuggers attach.")] = 5678,
    code: Annotated[Path | None, typer.Option("--code", help="With --debug, the folder of its source.")] = None,
    account: Account = "",
    stack: Stack = "",
    target: Where = Target.pileus,
    data: Data = DEFAULT_DATA,
) -> int:
    """Call a function and print its answer; its log goes to standard error. Exits with 1 where the function failed.

    With --debug the handler runs on this machine, outside the sandbox, with the function's code, variables and role,
    and waits for a debugger; there is no timeout then."""
    session = Session(target, data)
    if debug:
        from pileus.cli import debug as debugging

        name = _physical(session, stack, function)
        return debugging.debug(data, name, qualifier, _payload(payload), port=debug_port, code=code, account=account)
    asked: dict[str, Any] = {"FunctionName": _physical(session, stack, function), "Payload": _payload(payload)}
    if qualifier:
        asked["Qualifier"] = qualifier
    client = session.client("lambda")
    if event:
        answer = client.invoke(InvocationType="Event", **asked)
        print(f"accepted {answer['ResponseMetadata']['RequestId']}", file=sys.stderr)
        return 0
    answer = client.invoke(LogType="Tail", **asked)
    _print_log(_decoded(answer.get("LogResult", "")))
    _print_payload(answer["Payload"].read().decode("utf-8", "replace"))
    return 1 if answer.get("FunctionError") else 0


def replay(
    request_id: Annotated[str, typer.Argument(help="The RequestId that the log or the caller shows.")],
    account: Account = "",
    data: Data = DEFAULT_DATA,
) -> int:
    """Call a function again with the event, the client context and the identity of an earlier invocation."""
    from pileus.cli.ask import ask

    answer = ask(data, "replay", {"RequestId": request_id}, account)
    print(f"{answer['FunctionName']} {answer['Event']}", file=sys.stderr)
    _print_log(answer["Log"])
    _print_payload(answer["Payload"])
    return 1 if answer["FunctionError"] else 0


def logs(
    functions: Annotated[
        list[str], typer.Argument(help="Functions, or logical ids with --stack; all if left out.")
    ] = [],  # noqa: B006
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on printing what comes.")] = False,
    since: Annotated[str, typer.Option("--since", help="How far back: 30s, 10m, 2h, 1d.")] = "10m",
    pattern: Annotated[str, typer.Option("--filter", help="A filter pattern of CloudWatch Logs.")] = "",
    stack: Stack = "",
    target: Where = Target.pileus,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print the logs of functions, merged in the order of time, each function in a colour of its own."""
    session = Session(target, data)
    client = session.client("logs")
    names = [_physical(session, stack, name) for name in functions]
    if stack and not functions:
        names = _functions_of(session, stack)
    for name in names if not stack else ():
        _check_known(session, client, name)
    start = int((time.time() - _seconds(since)) * 1000)
    printer = _Printer(named=len(names) != 1)
    seen: dict[str, int] = {}
    while True:
        groups = [_group(name) for name in names] or _groups(client)
        found = [event for group in groups for event in _events(client, group, start, pattern)]
        for event in sorted(found, key=lambda event: (event["timestamp"], event["eventId"])):
            if event["eventId"] not in seen:
                printer.show(event)
            seen[event["eventId"]] = event["timestamp"]
        if not follow:
            return
        start = max(start, max(seen.values(), default=start) - _LATE_MILLISECONDS)
        seen = {identifier: moment for identifier, moment in seen.items() if moment >= start}
        time.sleep(_FOLLOW_SECONDS)


class _Printer:
    def __init__(self, *, named: bool) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, soft_wrap=True)
        self._named = named
        self._colours: dict[str, str] = {}

    def show(self, event: dict[str, Any]) -> None:
        from rich.text import Text

        name = event["group"].removeprefix(_GROUP_PREFIX)
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        moment = event["timestamp"] / 1000
        clock = time.strftime("%H:%M:%S", time.localtime(moment)) + f".{event['timestamp'] % 1000:03d}"
        line = Text(f"{clock} ", style="dim")
        if self._named:
            line.append(f"{name} ", style=colour)
        line.append(event["message"].rstrip("\n"), style=_style(event["message"]))
        self._console.print(line)


def _style(message: str) -> str:
    """Lambda's own lines step back, errors step forward."""
    if message.startswith(("START RequestId", "END RequestId", "REPORT RequestId", "INIT_START")):
        return "dim"
    head = message[:200]
    return "red" if "[ERROR]" in head or "ERROR" in head.split() or "Traceback" in head else ""


def _group(function: str) -> str:
    """The log group of a function that is named or given by ARN."""
    return _GROUP_PREFIX + function.rpartition(":function:")[2].partition(":")[0]


def _check_known(session: Session, client: Any, function: str) -> None:
    """A function that was not called yet has no logs; one that never was is a slip of the pen. Raises CommandError."""
    group = _group(function)
    found = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    if any(one["logGroupName"] == group for one in found):
        return
    functions = session.client("lambda")
    try:
        functions.get_function_configuration(FunctionName=function)
    except functions.exceptions.ResourceNotFoundException:
        hint = "a function of a stack goes by its logical id with --stack"
        raise CommandError(f"There is no function {function}, and no log of one; {hint}.") from None


def _groups(client: Any) -> list[str]:
    pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=_GROUP_PREFIX)
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def _events(client: Any, group: str, start: int, pattern: str) -> list[dict[str, Any]]:
    """What a group holds from `start` on; nothing where it does not exist yet."""
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=start, **({"filterPattern": pattern} if pattern else {})
    )
    try:
        return [{**event, "group": group} for page in pages for event in page["events"]]
    except client.exceptions.ResourceNotFoundException:
        return []


def _seconds(text: str) -> int:
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise CommandError(f"{text} is no span of time; write 30s, 10m, 2h or 1d.")
    return int(found[1]) * _SECONDS[found[2]]


def _physical(session: Session, stack: str, function: str) -> str:
    """The function's name: what the stack calls it by, or what was typed."""
    if not stack:
        return function
    client = session.client("cloudformation")
    answer = client.describe_stack_resource(StackName=stack, LogicalResourceId=function)
    return str(answer["StackResourceDetail"]["PhysicalResourceId"])


def _functions_of(session: Session, stack: str) -> list[str]:
    resources = session.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    found = [one["PhysicalResourceId"] for one in resources if one["ResourceType"] == "AWS::Lambda::Function"]
    if not found:
        raise CommandError(f"The stack {stack} has no functions.")
    return found


def _payload(text: str) -> bytes:
    if text == "-":
        content = sys.stdin.read()
    elif text.startswith("@"):
        content = Path(text[1:]).read_text()
    else:
        content = text
    try:
        json.loads(content)
    except ValueError as error:
        raise CommandError(f"The event is no JSON: {error}.") from error
    return content.encode()


def _decoded(text: str) -> str:
    import base64

    return base64.b64decode(text).decode("utf-8", "replace")


def _print_log(log: str) -> None:
    if log:
        print(log.rstrip("\n"), file=sys.stderr)


def _print_payload(payload: str) -> None:
    """Indented where it is JSON, as it is where not."""
    try:
        print(json.dumps(json.loads(payload), indent=2, ensure_ascii=False))
    except ValueError:
        print(payload)
