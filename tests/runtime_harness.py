"""A runtime without a gateway: functions are folders, credentials are made up, the log is a list."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading
import uuid
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvloop

from pileus.runtime import languages
from pileus.runtime.endpoint import Address
from pileus.runtime.interface import (
    Dependencies,
    Directories,
    FunctionVersion,
    Invocation,
    Limits,
    Logging,
    LogLine,
    Outcome,
)
from pileus.runtime.runtime import FunctionRuntime, open_runtime

T = TypeVar("T")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
PYTHON = "python3.11"


class Harness:
    """Runs the runtime on an event loop of its own thread, so that tests read as straight lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = uvloop.new_event_loop()
        self.logs: list[tuple[FunctionVersion, str, LogLine]] = []
        self._numbers = itertools.count()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.runtime = self.open(folder / "state")

    def open(self, state: Path, **settings: Any) -> FunctionRuntime:
        dependencies = Dependencies(
            credentials=self._credentials,
            code=self._code,
            logs=self._log,
            endpoint=Address("127.0.0.1", 9),
            state=state,
        )
        runtime = open_runtime(replace(dependencies, **settings))
        self.run(runtime.start())
        return runtime

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _credentials(self, function: FunctionVersion) -> Mapping[str, str]:
        return CREDENTIALS

    async def _code(self, function: FunctionVersion) -> Directories:
        return Directories(Path(function.code), tuple(map(Path, function.layers)))

    def _log(self, function: FunctionVersion, stream: str, lines: Sequence[LogLine]) -> None:
        self.logs += [(function, stream, line) for line in lines]

    def directory(self, files: Mapping[str, str]) -> str:
        folder = self.folder / f"code-{next(self._numbers)}"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if text.startswith("#!"):
                path.chmod(0o755)
        return str(folder)

    def function(self, source: str | Mapping[str, str], **changes: Any) -> FunctionVersion:
        """`source` is the Python module `app`, with a function `handler`, or a mapping of files."""
        files = {"app.py": source} if isinstance(source, str) else source
        name = f"function-{next(self._numbers)}"
        function = FunctionVersion(
            account="000000000000",
            region="eu-west-1",
            name=name,
            version="$LATEST",
            arn=f"arn:aws:lambda:eu-west-1:000000000000:function:{name}:$LATEST",
            runtime=PYTHON,
            handler="app.handler",
            role="arn:aws:iam::000000000000:role/r",
            code=self.directory(files),
            code_sha256="",
            logging=Logging(f"/aws/lambda/{name}"),
            timeout_s=30,
        )
        return msgspec.structs.replace(function, **changes)

    def invoke(
        self, function: FunctionVersion, event: Any = None, limits: Limits | None = None, **changes: Any
    ) -> Outcome:
        return self.run(self.ainvoke(function, event, limits, **changes))

    async def ainvoke(
        self, function: FunctionVersion, event: Any = None, limits: Limits | None = None, **changes: Any
    ) -> Outcome:
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        unqualified = function.arn.rpartition(":")[0]
        invocation = Invocation(str(uuid.uuid4()), payload, unqualified)
        invocation = msgspec.structs.replace(invocation, **changes)
        return await self.runtime.invoke(function, invocation, limits or Limits())

    def call(self, source: str, event: Any = None, **changes: Any) -> Any:
        """What a new function of this source answers; an error of its own fails the test."""
        outcome = self.invoke(self.function(source, **changes), event)
        assert outcome.function_error is None, outcome.payload
        return json.loads(outcome.payload)

    def log_of(self, function: FunctionVersion) -> str:
        return "".join(text for owner, _, (_, text) in self.logs if owner == function)

    def close(self) -> None:
        self.run(self.runtime.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)


def runnable(*runtimes: str) -> str:
    """The first of these that this machine can run, empty where it can none."""
    for runtime in runtimes:
        language = languages.find(runtime)
        if language is not None and language.missing is None:
            return runtime
    return ""


def control_groups(name: str) -> list[str]:
    """Those whose name begins so. Others come and go meanwhile, which a walk bears."""
    found = []
    for folder, inner, _ in os.walk("/sys/fs/cgroup"):
        found += [f"{folder}/{group}" for group in inner if group.startswith(name)]
    return found
