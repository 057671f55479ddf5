"""The runtime of one worker process: launchers, environments, and who gets which."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import logging
import os
import resource
import socket
import subprocess
import time
from collections import defaultdict
from typing import Any

from pileus.aws.errors import AWSError
from pileus.runtime import endpoint, internet, isolation, languages, platform_log
from pileus.runtime.api import Connection
from pileus.runtime.attendant import Attendant
from pileus.runtime.concurrency import Concurrency, take_number
from pileus.runtime.environment import Environment
from pileus.runtime.errors import InitFailedError, NotDeliveredError, error_payload
from pileus.runtime.interface import (
    ENVIRONMENT_LIFETIME,
    Dependencies,
    Directories,
    FunctionVersion,
    Invocation,
    IsolationUnavailableError,
    Limits,
    Outcome,
)
from pileus.runtime.languages.language import LAYERS, Language
from pileus.runtime.launchers import API_PORT, Launcher, LaunchError, Sandbox
from pileus.runtime.variables import variables

log = logging.getLogger("pileus.runtime")
IDLE_S = 600.0
"""Seconds without an invocation after which an environment ends."""
REQUEST_LIMIT = 6_291_456
_INIT_S = 10.0
_PROCESSES = 1024
_NO_LIMITS = Limits()


def open_runtime(dependencies: Dependencies) -> FunctionRuntime:
    return FunctionRuntime(dependencies)


class FunctionRuntime:
    """See `interface.Runtime`."""

    _machine: isolation.Machine
    _concurrency: Concurrency

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._launchers: dict[str, Launcher] = {}
        self._prepared: dict[str, asyncio.Task[None]] = {}
        self._idle: dict[FunctionVersion, list[Environment]] = defaultdict(list)
        self._environments: set[Environment] = set()
        self._provisioned: dict[FunctionVersion, int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._recycler: asyncio.TimerHandle | None = None
        self._attendant = Attendant()
        self.works = self._attendant.works
        self.rests = self._attendant.rests
        self._number = -1
        """The descriptor that holds this worker's number."""
        self._closing = False
        self.logs = dependencies.logs

    # Life.

    async def start(self) -> None:
        state = self._dependencies.state
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        (state / "root").mkdir(exist_ok=True)
        name = hashlib.blake2b(str(state.resolve()).encode(), digest_size=6).hexdigest()
        # A restarted worker may overlap with the one that it replaces.
        most = self._dependencies.workers + 4
        number, held = take_number(state, most)
        self._machine = await asyncio.to_thread(isolation.find, f"pileus-{name}-{number}", state)
        if self._dependencies.require_isolation and self._machine.missing:
            os.close(held)
            raise IsolationUnavailableError(" ".join(self._machine.missing))
        self._number = held
        if number == 0:
            for sentence in self._machine.missing:
                log.warning("%s", sentence)
        if self._machine.groups:
            self._machine.groups.sweep()
        self._concurrency = Concurrency(state, most, number, alone=self._dependencies.workers == 1)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._recycler = asyncio.get_running_loop().call_later(5.0, self._recycle)

    async def close(self) -> None:
        self._closing = True
        if self._recycler:
            self._recycler.cancel()
        self._attendant.close()
        for task in [*self._tasks, *self._prepared.values()]:
            task.cancel()
        for environment in list(self._environments):
            environment.retire()
        for _ in range(300):
            if not self._environments:
                break
            await asyncio.sleep(0.01)
        await asyncio.gather(*(launcher.close() for launcher in self._launchers.values()))
        if self._number >= 0:
            if self._machine.groups:
                await asyncio.to_thread(self._machine.groups.sweep)
            self._concurrency.close()
            os.close(self._number)
            self._number = -1

    def _recycle(self) -> None:
        """Ends environments that nobody has called for long, or that are too old."""
        loop = asyncio.get_running_loop()
        self._recycler = loop.call_later(5.0, self._recycle)
        now = time.perf_counter()
        for environment in list(self._environments):
            old = now - environment.created > ENVIRONMENT_LIFETIME
            unused = now - environment.idle_since > IDLE_S and not environment.provisioned
            if (old or unused) and environment.ready.done() and environment.available:
                self._forget(environment)
                environment.retire()
        for function, count in list(self._provisioned.items()):
            if len(self._of(function, provisioned=True)) < count:
                self._background(self.provision(function, count))

    def _background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What can run here.

    def missing(self, runtime: str) -> str | None:
        language = languages.find(runtime)
        if language is None:
            return f"{runtime} is not a runtime that Pileus knows; it knows {', '.join(languages.identifiers())}"
        return language.missing

    def _language(self, runtime: str) -> Language:
        language = languages.find(runtime)
        reason = self.missing(runtime)
        if language is None or reason:
            raise _cannot_run(runtime, str(reason))
        return language

    def prepare(self, runtime: str) -> None:
        if self.missing(runtime) is None and not self._closing:
            self._ready(self._language(runtime))

    def _ready(self, language: Language) -> asyncio.Task[None]:
        """One task a language; a failed one is tried again."""
        task = self._prepared.get(language.runtime)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._prepared[language.runtime] = asyncio.get_running_loop().create_task(self._prepare(language))
        return task

    async def _prepare(self, language: Language) -> None:
        if language.prepare:
            try:
                await asyncio.to_thread(language.prepare)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                raise LaunchError(str(error)) from error
        await self._launcher(language).start()

    def _launcher(self, language: Language, *, ahead: bool = True) -> Launcher:
        name = language.launcher if ahead else f"{language.launcher}-exec"
        launcher = self._launchers.get(name)
        if launcher is None:
            plan = self._machine.plan(language, self._dependencies.state, self._ports(), ahead=ahead)
            groups = self._machine.groups
            launcher = Launcher(plan, groups, f"{os.getpid()}", self._machine.guest_uid, self._attach)
            self._launchers[name] = launcher
        return launcher

    def _ports(self) -> list[int]:
        address = self._dependencies.endpoint
        return [API_PORT, address.port if isinstance(address, endpoint.Address) else endpoint.PORT]

    async def _attach(self, sandbox: Sandbox) -> None:
        """Serves a new sandbox's two sockets."""
        loop = asyncio.get_running_loop()
        api, cloud = sandbox.listeners
        sandbox.servers = [
            await loop.create_server(lambda: Connection(lambda: sandbox.handler, sandbox.share), sock=api),
            await loop.create_server(endpoint.factory(self._dependencies.endpoint), sock=cloud),
        ]
        if sandbox.resolver is not None:
            connect = functools.partial(self._connect, sandbox)
            transport, _ = await loop.create_datagram_endpoint(
                lambda: internet.Resolver(connect), sock=sandbox.resolver
            )
            sandbox.servers.append(transport)

    async def _connect(self, sandbox: Sandbox) -> None:
        await self._launcher_of(sandbox).connect(sandbox)

    async def open_socket(self, sandbox: Sandbox) -> socket.socket:
        return await self._launcher_of(sandbox).open_socket(sandbox)

    def _launcher_of(self, sandbox: Sandbox) -> Launcher:
        return next(launcher for launcher in self._launchers.values() if sandbox in launcher.all)

    # Invoking.

    async def invoke(self, function: FunctionVersion, invocation: Invocation, limits: Limits = _NO_LIMITS) -> Outcome:
        return await self._invoke(function, invocation, limits, streaming=False)

    async def invoke_streaming(
        self, function: FunctionVersion, invocation: Invocation, limits: Limits = _NO_LIMITS
    ) -> Outcome:
        outcome = await self._invoke(function, invocation, limits, streaming=True)
        if outcome.stream is None:
            outcome.stream, outcome.payload = _one_piece(outcome.payload), b""
        return outcome

    async def _invoke(
        self, function: FunctionVersion, invocation: Invocation, limits: Limits, *, streaming: bool
    ) -> Outcome:
        if len(invocation.payload) > REQUEST_LIMIT:
            message = f"Request must be smaller than {REQUEST_LIMIT} bytes for the InvokeFunction operation"
            raise AWSError("RequestTooLargeException", message, status=413, Type="User")
        counted = self._concurrency.enter(function, limits)
        try:
            for _ in range(10):
                environment = self._take(function)
                init_ms = None
                if environment is None:
                    starting = asyncio.get_running_loop().create_task(self._start(function))
                    try:
                        environment = await asyncio.shield(starting)
                    except asyncio.CancelledError:
                        starting.add_done_callback(self._keep)  # the caller is gone; the next one finds it warm
                        raise
                    except InitFailedError as error:
                        return self._init_outcome(function, invocation, error)
                    init_ms = environment.init_ms
                try:
                    return await environment.run(invocation, streaming=streaming, init_ms=init_ms)
                except NotDeliveredError:
                    continue
            raise AWSError("ServiceException", "Execution environments keep ending.", status=500)
        finally:
            self._concurrency.leave(counted)

    def _keep(self, starting: asyncio.Task[Environment]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            self.idle(starting.result())

    def _take(self, function: FunctionVersion) -> Environment | None:
        """The one used last, so that the others may grow old."""
        idle = self._idle.get(function)
        while idle:
            environment = idle.pop()
            if environment.available:
                return environment
        return None

    async def _start(self, function: FunctionVersion, *, provisioned: bool = False) -> Environment:
        """A new environment, initialised. An init phase that takes too long is done once more, under the function's own
        timeout (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html)."""
        if function.version == "$LATEST":  # what another worker was told to retire
            self.retire(function.account, function.region, function.name, keep=function)
        try:
            return await self._initialise(function, _INIT_S, provisioned)
        except InitFailedError as error:
            if not error.timed_out:
                raise
        return await self._initialise(function, function.timeout_s, provisioned)

    async def _initialise(self, function: FunctionVersion, limit_s: float, provisioned: bool) -> Environment:
        language = self._language(function.runtime)
        ready = self._ready(language)
        if not ready.done() or ready.exception():
            try:
                await asyncio.shield(ready)
            except LaunchError as error:
                raise AWSError("ServiceException", f"The runtime could not start: {error}.", status=500) from error
        directories = await self._dependencies.code(function)
        if len(directories.layers) > 1 and not self._machine.isolated:
            raise _cannot_run(function.runtime, "several layers need a mount namespace, which this machine has not")
        credentials = await self._dependencies.credentials(function)
        try:
            sandbox = await self._launcher(language, ahead=self._ahead(function, language, directories)).take()
        except LaunchError as error:
            raise AWSError("ServiceException", f"The runtime could not start: {error}.", status=500) from error
        environment = Environment(function, sandbox, self, provisioned=provisioned)
        self._environments.add(environment)
        if sandbox.group:
            sandbox.group.limit(function.memory_mb, function.ephemeral_storage_mb, _PROCESSES)
        sandbox.handler = environment
        environment.begin(self._assignment(function, language, directories, credentials, environment), limit_s)
        try:
            await asyncio.shield(environment.ready)
        except LaunchError as error:
            raise AWSError("ServiceException", f"The runtime could not start: {error}.", status=500) from error
        return environment

    def _ahead(self, function: FunctionVersion, language: Language, directories: Directories) -> bool:
        """Whether what was started ahead will do: not where the function says how its runtime is to be started, or
        where a program already running cannot be given its limits or extensions."""
        names = {name for name, _ in function.environment}
        if "AWS_LAMBDA_EXEC_WRAPPER" in names:
            return False
        if not language.prestart:
            return True
        return "NODE_OPTIONS" not in names and not self._machine.limits(128) and not _extensions(directories)

    def _assignment(
        self, function: FunctionVersion, language: Language, directories: Directories, credentials: Any,
        environment: Environment,
    ) -> dict[str, Any]:  # fmt: skip
        api, cloud = environment.sandbox.addresses
        values = variables(
            function, language, credentials, api=api, endpoint=f"http://{cloud}", log_stream=environment.log_stream,
            provisioned=environment.provisioned,
        )  # fmt: skip
        program = language.program(function, directories)
        return {
            "task": str(directories.task),
            "layers": [str(layer) for layer in directories.layers],
            "tmp_mb": function.ephemeral_storage_mb,
            "environment": {name: self._machine.place(value, directories) for name, value in values.items()},
            "program": [self._machine.place(word, directories) for word in _wrapped(function, program)],
            "extensions": [
                self._machine.place(f"{LAYERS}/extensions/{name}", directories) for name in _extensions(directories)
            ],
            "layers_root": self._machine.place(LAYERS, directories),
            "modules": _modules(directories) if language.preload else [],
            "limits": self._machine.limits(function.memory_mb),
        }

    def _init_outcome(self, function: FunctionVersion, invocation: Invocation, error: InitFailedError) -> Outcome:
        """An invocation whose environment never came up. Its log has a stream of its own."""
        payload, status = error.payload, "error"
        request_id = invocation.request_id
        duration = error.milliseconds
        if error.timed_out:
            seconds, status = function.timeout_s, "timeout"
            message = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
            payload = error_payload(error.error_type, message)
            duration = seconds * 1000
        elif error.error_type in ("Runtime.ExitError", "Runtime.InvalidEntrypoint"):
            payload = payload.replace(b'"Error: ', f'"RequestId: {request_id} Error: '.encode(), 1)
        now = time.time()
        billed = max(1, -int(-duration // 1))
        report = platform_log.Report(
            request_id, duration, billed, function.memory_mb, 1, None, status, error.error_type
        )
        lines = platform_log.start(function, request_id, now) + platform_log.end(function, report, now)
        stream = error.log_stream
        self.logs(function, stream, lines)
        tail = "".join(error.log + [text for _, text in lines]).encode()[-4096:] if invocation.tail else b""
        return Outcome(
            payload=payload, function_error="Unhandled", error_type=error.error_type, log_tail=tail,
            executed_version=function.version, log_stream=stream, duration_ms=duration, billed_ms=billed,
            max_memory_mb=1,
        )  # fmt: skip

    # The environments' own calls.

    def idle(self, environment: Environment) -> None:
        if not self._closing:
            self._idle[environment.function].append(environment)

    def ended(self, environment: Environment) -> None:
        self._environments.discard(environment)
        self._forget(environment)

    def _forget(self, environment: Environment) -> None:
        idle = self._idle.get(environment.function)
        if idle is not None:
            with contextlib.suppress(ValueError):
                idle.remove(environment)
            if not idle:
                del self._idle[environment.function]

    # Provisioned concurrency, retirement, and what the service asks.

    def _of(self, function: FunctionVersion, *, provisioned: bool) -> list[Environment]:
        return [
            environment
            for environment in self._environments
            if environment.function == function
            and environment.provisioned == provisioned
            and environment.alive
            and not environment.retired
        ]

    async def provision(self, function: FunctionVersion, count: int) -> int:
        if count:
            self._provisioned[function] = count
        else:
            self._provisioned.pop(function, None)
        there = self._of(function, provisioned=True)
        for environment in there[count:]:
            self._forget(environment)
            environment.retire()
        try:
            for made in await asyncio.gather(
                *(self._start(function, provisioned=True) for _ in range(count - len(there)))
            ):
                self.idle(made)
        except InitFailedError as error:
            raise AWSError("InvalidParameterValueException", "FUNCTION_ERROR_INIT_FAILURE", Type="User") from error
        return len(self._of(function, provisioned=True))

    def provisioned(self, function: FunctionVersion) -> tuple[int, int]:
        there = [environment for environment in self._of(function, provisioned=True) if environment.ready.done()]
        return len(there), sum(not environment.busy for environment in there)

    def retire(self, account: str, region: str, name: str, *, keep: FunctionVersion | None = None) -> None:
        for environment in list(self._environments):
            function = environment.function
            if (function.account, function.region, function.name) != (account, region, name):
                continue
            published = function.version != "$LATEST" and keep is not None and keep.version == "$LATEST"
            if function == keep or published:
                continue
            self._forget(environment)
            environment.retire()
        for function in list(self._provisioned):
            if (function.account, function.region, function.name) == (account, region, name) and keep is None:
                del self._provisioned[function]

    def concurrency_in_use(self, account: str, region: str, name: str | None = None) -> int:
        return self._concurrency.in_use(account, region, name)

    async def isolation(self) -> dict[str, Any]:
        # Whoever asks first waits until the interpreters have told their versions; the others need not.
        runtimes = await asyncio.to_thread(self._runtimes)
        return {**self._machine.report(), "runtimes": runtimes, "environments": len(self._environments)}

    def _runtimes(self) -> dict[str, str]:
        return {identifier: self.missing(identifier) or "ready" for identifier in languages.identifiers()}


def _cannot_run(runtime: str, reason: str) -> AWSError:
    return AWSError("InvalidRuntimeException", f"The runtime {runtime} cannot run: {reason}.", status=502, Type="User")


def _wrapped(function: FunctionVersion, program: list[str]) -> list[str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper"""
    wrapper = dict(function.environment).get("AWS_LAMBDA_EXEC_WRAPPER")
    return [wrapper, *program] if wrapper else program


async def _one_piece(payload: bytes) -> Any:
    if payload:
        yield payload


async def _quietly(work: Any) -> None:
    with contextlib.suppress(AWSError):
        await work


def _extensions(directories: Directories) -> list[str]:
    """Executables in the layers' `extensions` folders."""
    names: set[str] = set()
    for layer in directories.layers:
        folder = layer / "extensions"
        if folder.is_dir():
            names.update(entry.name for entry in folder.iterdir() if entry.is_file() and os.access(entry, os.X_OK))
    return sorted(names)


def _modules(directories: Directories) -> list[str]:
    """Top-level names that the function's code and layers have of their own."""
    names: set[str] = set()
    for folder in (directories.task, *(layer / "python" for layer in directories.layers)):
        if folder.is_dir():
            names.update(entry.name.partition(".")[0] for entry in folder.iterdir())
    return sorted(names)
