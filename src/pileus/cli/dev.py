"""`pileus dev`: deploys a template, then swaps the code of its functions as files are saved.

A changed folder is bundled and given to its function directly, without the stack; a changed template is deployed
again. Dependencies are bundled from the cache, so a swap takes as long as zipping the folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from pileus.cli.deploy import StackName, deploy
from pileus.cli.errors import CommandError, explain
from pileus.cli.running import DEFAULT_DATA, Data
from pileus.cli.session import Session, Target

_DEBOUNCE_MILLISECONDS = 30
_STEP_MILLISECONDS = 10
_TIMEOUT_MILLISECONDS = 200
_CONFLICT_SECONDS = 5.0
_FUNCTIONS = {"AWS::Serverless::Function": ("CodeUri", "Key"), "AWS::Lambda::Function": ("Code", "S3Key")}


def dev(
    template: Annotated[Path, typer.Argument(help="The SAM or CloudFormation template.")] = Path("template.yaml"),
    stack: StackName = ...,  # type: ignore[assignment]
    parameter: Annotated[list[str], typer.Option(metavar="KEY=VALUE", help="A template parameter; repeat it.")] = [],  # noqa: B006
    data: Data = DEFAULT_DATA,
) -> None:
    """Deploy a template and keep its functions at the code that is saved: a change answers in a blink."""
    from rich.console import Console

    console = Console(highlight=False)
    deploy(template, stack, parameter=parameter, data=data)
    bundles = Bundles(template, parameter)
    bundles.changed()
    swap = Swap(Session(Target.pileus, data), stack)
    announced = False
    for paths in _changes(template.parent):
        if not announced:
            console.print(f"Watching {template.parent.resolve()}; Ctrl-C ends it.", soft_wrap=True, markup=False)
            announced = True
        if not paths:
            continue
        started = time.perf_counter()
        try:
            if template.resolve() in paths:
                deploy(template, stack, parameter=parameter, data=data)
                bundles.changed()
                continue
            for name, archive in bundles.changed().items():
                swap(name, archive)
                taken = (time.perf_counter() - started) * 1000
                console.print(f"[green]✓[/green] {name} has the new code ({taken:.0f} ms)")
        except Exception as error:
            # A file that is half written or wrong is no reason to stop watching.
            console.print(f"[red]✗[/red] {explain(error)}", soft_wrap=True)


def _changes(folder: Path) -> Iterator[set[Path]]:
    """Files that changed together; now and then none, the first time when the watching has begun."""
    from watchfiles import watch

    for changes in watch(
        folder,
        debounce=_DEBOUNCE_MILLISECONDS,
        step=_STEP_MILLISECONDS,
        rust_timeout=_TIMEOUT_MILLISECONDS,
        yield_on_timeout=True,
        raise_interrupt=False,
    ):
        yield {Path(path) for _, path in changes}


class Bundles:
    """The bundles of a template's functions, and which of them are others than before."""

    def __init__(self, template: Path, parameters: list[str]) -> None:
        self._template = template
        self._parameters = dict(word.partition("=")[::2] for word in parameters)
        self._known: dict[str, str] = {}

    def changed(self) -> dict[str, bytes]:
        """By logical id. The first call answers all of them."""
        from pileus.cli.source import Source

        archives: dict[str, bytes] = {}

        def place(name: str, archive: bytes) -> str:
            archives[name] = archive
            return "-"

        packaged = json.loads(Source(self._template).packaged(self._parameters, place, for_aws=False))
        found: dict[str, bytes] = {}
        for name, key in _keys(packaged):
            if key in archives and self._known.get(name) != key:
                found[name] = archives[key]
                self._known[name] = key
        return found


def _keys(template: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Logical ids of functions and the keys of their bundles."""
    shared = (template.get("Globals") or {}).get("Function") or {}
    for name, resource in template["Resources"].items():
        if resource["Type"] in _FUNCTIONS:
            member, key = _FUNCTIONS[resource["Type"]]
            code = (resource.get("Properties") or {}).get(member) or shared.get(member)
            if isinstance(code, dict) and isinstance(code.get(key), str):
                yield name, code[key]


class Swap:
    """Gives functions of a stack new code."""

    def __init__(self, session: Session, stack: str) -> None:
        self._client = session.client("lambda")
        self._stacks = session.client("cloudformation")
        self._stack = stack
        self._names: dict[str, str] = {}

    def __call__(self, logical_id: str, archive: bytes) -> None:
        name = self._name(logical_id)
        self._patiently(lambda: self._client.update_function_code(FunctionName=name, ZipFile=archive))

    def _name(self, logical_id: str) -> str:
        if logical_id not in self._names:
            answer = self._stacks.describe_stack_resource(StackName=self._stack, LogicalResourceId=logical_id)
            self._names[logical_id] = answer["StackResourceDetail"]["PhysicalResourceId"]
        return self._names[logical_id]

    def _patiently(self, change: Callable[[], Any]) -> None:
        """Two saves in a row: the first is still being taken over."""
        end = time.monotonic() + _CONFLICT_SECONDS
        while True:
            try:
                change()
                return
            except self._client.exceptions.ResourceConflictException as error:
                if time.monotonic() > end:
                    raise CommandError(explain(error)) from error
                time.sleep(0.02)
