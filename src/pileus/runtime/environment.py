"""One execution environment: a sandbox with a function in it, through its life.

    init ─► idle ◄─► invoke ─► … ─► shutdown          https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html

Its processes speak to it through the Runtime API (`api.Connection`); the pool speaks to it through `run`. Between
invocations it is frozen.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pileus.aws import tracing
from pileus.runtime import memory, platform_log
from pileus.runtime.api import Connection, Headers
from pileus.runtime.errors import (
    InitFailedError,
    NotDeliveredError,
    described,
    described_in_trailer,
    error_payload,
    how_it_ended,
    not_started,
)
from pileus.runtime.extensions import Extensions
from pileus.runtime.guest_log import GuestLog
from pileus.runtime.interface import FunctionVersion, Invocation, LogLine, Outcome
from pileus.runtime.invocation_head import headers
from pileus.runtime.launchers import LaunchError, Sandbox
from pileus.runtime.response_stream import ResponseStream
from pileus.runtime.telemetry import Telemetry

_clock = time.perf_counter
"""The event loop's own clock counts whole milliseconds."""
HANDOVER_S = 0.25
"""How long an answered runtime may take to ask for its next invocation before that is given to another."""
_RESPONSE_BODY_TOO_LARGE = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."


class Owner(Protocol):
    """The pool."""

    logs: Callable[[FunctionVersion, str, Sequence[LogLine]], None]

    def works(self, environment: Environment) -> None: ...
    def rests(self, environment: Environment) -> None: ...
    def open_socket(self, sandbox: Sandbox) -> Awaitable[socket.socket]: ...
    def idle(self, environment: Environment) -> None: ...
    def ended(self, environment: Environment) -> None: ...


@dataclass(slots=True, eq=False)
class _Running:
    invocation: Invocation
    streaming: bool
    future: asyncio.Future[Outcome]
    outcome: Outcome
    init_ms: float | None = None
    began: float = 0.0
    timer: asyncio.TimerHandle | None = None
    responded: bool = False
    trace: str = ""
    stream: ResponseStream | None = None


class Environment:
    def __init__(self, function: FunctionVersion, sandbox: Sandbox, owner: Owner, *, provisioned: bool) -> None:
        now = datetime.now(UTC)
        self.function = function
        self.sandbox = sandbox
        self.provisioned = provisioned
        self.log_stream = f"{now:%Y/%m/%d}/[{function.version}]{os.urandom(16).hex()}"
        self.alive = True
        self.retired = False
        self.created = _clock()
        self.idle_since = self.created
        self.deadline = math.inf
        """When the invocation that it has must be over."""
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._extensions = Extensions(function, [])
        self._waiting: Connection | None = None
        self._running: _Running | None = None
        self._pending: _Running | None = None
        self._frozen = False
        self._log = GuestLog(sandbox.output, lambda lines: owner.logs(function, self.log_stream, lines))
        self._telemetry = Telemetry(
            function, (lambda: owner.open_socket(sandbox)) if sandbox.network >= 0 else None, provisioned=provisioned
        )
        self._init_began = 0.0
        self._init_timer: asyncio.TimerHandle | None = None
        self._init_error: tuple[bytes, str] | None = None
        self._initialised = False
        self._lost = False
        self._assignment: dict[str, Any] = {}
        self._shutting_down = False
        self.init_ms = 0.0
        self.ready: asyncio.Future[None] = self._loop.create_future()

    # Init phase.

    def begin(self, assignment: dict[str, Any], init_limit_s: float) -> None:
        """Gives the sandbox its function. `ready` is done when the runtime asks for its first invocation."""
        self._extensions = Extensions(self.function, [Path(path).name for path in assignment["extensions"]])
        self._assignment = assignment
        provisioned = "provisioned-concurrency" if self.provisioned else "on-demand"
        self._log.add(platform_log.init_start(self.function, provisioned, time.time()))
        self._log.of_init = []
        self._telemetry.initialising()
        self._log.printed = self._telemetry.printed
        self.sandbox.exited = self._exited
        self._init_began = _clock()
        self._owner.works(self)
        self._init_timer = self._loop.call_later(init_limit_s, self._init_timed_out)
        self.sandbox.assign(assignment)

    def _init_done(self) -> None:
        self._initialised = True
        self._log.of_init = None
        self.init_ms = (_clock() - self._init_began) * 1000
        if self._init_timer:
            self._init_timer.cancel()
        if self.sandbox.group:
            self.sandbox.group.throttle(self.function.memory_mb)
        self._telemetry.initialised(self.init_ms)
        if not self._telemetry.wanted:
            self._log.printed = None
        if not self.ready.done():
            self.ready.set_result(None)

    def _init_failed(self, payload: bytes, error_type: str, status: str) -> None:
        if self.ready.done():
            return
        milliseconds = (_clock() - self._init_began) * 1000
        if self._init_timer:
            self._init_timer.cancel()
        self._log.drain()
        self._log.add(platform_log.init_report(self.function, milliseconds, "init", status, error_type))
        self._log.flush()
        failure = InitFailedError(
            payload, error_type, milliseconds, self.log_stream, self._log.of_init or [], timed_out=status == "timeout"
        )
        self.ready.set_exception(failure)
        self.ready.exception()  # whoever waits sees it; if nobody does, that is no accident
        self.kill()

    def _init_timed_out(self) -> None:
        self._init_failed(b"", "Sandbox.Timedout", "timeout")

    # Invoke phase.

    @property
    def available(self) -> bool:
        return self.alive and not (self.retired or self.sandbox.doomed) and self._pending is None and (
            self._running is None or self._running.responded
        )  # fmt: skip

    @property
    def busy(self) -> bool:
        return self._pending is not None or (self._running is not None and not self._running.responded)

    @property
    def working(self) -> bool:
        return self.alive and (self._running is not None or self._pending is not None or not self.ready.done())

    def run(self, invocation: Invocation, *, streaming: bool, init_ms: float | None) -> asyncio.Future[Outcome]:
        """The future is done when the response has come (or begun, for a stream); it fails with NotDeliveredError
        where the runtime never took the invocation. Cancelled, it stops nothing: the function runs on."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        outcome = Outcome(executed_version=self.function.version, log_stream=self.log_stream, init_ms=init_ms)
        running = _Running(invocation, streaming, future, outcome, init_ms)
        self._owner.works(self)
        if self._running is None and self._waiting is not None and self._waiting.open:
            self._deliver(running, self._waiting)
        else:
            self._pending = running
            running.timer = self._loop.call_later(HANDOVER_S, self._take_back, running)
        return future

    def _take_back(self, running: _Running) -> None:
        if self._pending is running:
            self._pending = None
            self._lost = True
            if not running.future.done():
                running.future.set_exception(NotDeliveredError())

    def _deliver(self, running: _Running, connection: Connection) -> None:
        if self._frozen:
            self._thaw()
        invocation = running.invocation
        if running.timer:
            running.timer.cancel()
            running.timer = None
        self._running = running
        now = time.time()
        running.began = _clock()
        self.deadline = running.began + self.function.timeout_s
        deadline_ms = int((now + self.function.timeout_s) * 1000)
        trace = invocation.trace_id or _trace(self.function)
        running.trace = trace if "Sampled=1" in trace else ""
        if invocation.tail:
            self._log.start_tail()
        self._log.add(platform_log.start(self.function, invocation.request_id, now))
        self._telemetry.invoked(invocation.request_id, trace)
        self._waiting = None
        connection.deliver(headers(invocation, deadline_ms, trace), invocation.payload)
        self._extensions.invoke(invocation.request_id, invocation.invoked_arn, deadline_ms, trace)

    def _respond(
        self, running: _Running, payload: bytes, *, function_error: str | None = None, status: str = "success",
        error_type: str = "", message: str = "", lines: list[LogLine] | None = None,
    ) -> None:  # fmt: skip
        """The invocation's end for everyone outside: its log, its report, its outcome."""
        running.responded = True
        outcome = running.outcome
        duration = (_clock() - running.began) * 1000
        if status == "timeout":
            duration = self.function.timeout_s * 1000
        self._log.drain()
        if lines:
            self._log.add(lines)
        outcome.duration_ms = duration
        # Initialisation is billed since August 2025 (https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/).
        outcome.billed_ms = max(1, -int(-(duration + (running.init_ms or 0.0)) // 1))
        outcome.max_memory_mb = self.max_memory_mb()
        outcome.function_error, outcome.error_type, outcome.error_message = function_error, error_type, message
        report = platform_log.Report(
            running.invocation.request_id, duration, outcome.billed_ms, self.function.memory_mb, outcome.max_memory_mb,
            running.init_ms, status, error_type, running.trace,
        )  # fmt: skip
        self._log.add(platform_log.end(self.function, report, time.time()))
        self._telemetry.answered(report, len(payload))
        self._log.flush()
        outcome.log_tail = self._log.take_tail()
        if running.stream is not None and running.stream.listened:
            running.stream.end()
        else:
            outcome.payload = payload
        if not running.future.done():
            running.future.set_result(outcome)
        if self.alive and not self.retired:
            self._owner.idle(self)

    def _fail(self, running: _Running, error_type: str, message: str, status: str, lines: list[LogLine]) -> None:
        payload = error_payload(error_type, message)
        self._respond(
            running, payload, function_error="Unhandled", status=status, error_type=error_type, message=message,
            lines=lines,
        )  # fmt: skip

    def timed_out(self) -> None:
        self.alive = False
        running = self._running
        if running is not None and not running.responded:
            seconds, request_id = self.function.timeout_s, running.invocation.request_id
            message = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
            lines = platform_log.timed_out(self.function, request_id, seconds, time.time())
            self._fail(running, "Sandbox.Timedout", message, "timeout", lines)
        self.kill()

    # The Runtime API.

    def next_invocation(self, connection: Connection) -> None:
        running = self._running
        if running is not None and not running.responded:
            connection.refuse(403, "InvalidStateTransition", "the invocation has not been answered")
            return
        self._waiting = connection
        self._settle()

    def _settle(self) -> None:
        """The runtime, an extension, or both have nothing left to do."""
        if self._waiting is None or not self._extensions.initialised:
            return
        running, pending = self._running, self._pending
        if running is not None:
            self._running = None
            self.deadline = math.inf
        if not self._initialised:
            self._init_done()
        if pending is not None and self.alive:
            self._pending = None
            self._deliver(pending, self._waiting)
            return
        self.idle_since = _clock()
        if self._lost and not self.retired:
            self._lost = False
            self._owner.idle(self)
        if self.retired:
            self.shut_down()
        elif self._extensions.idle:
            self._telemetry.flush()  # before it is frozen
            self._owner.rests(self)

    def _answering(self, connection: Connection, request_id: str) -> _Running | None:
        running = self._running
        if running is None or running.responded or running.invocation.request_id != request_id:
            connection.refuse(400, "InvalidRequestID", "Invalid request ID")
            return None
        return running

    def response(self, connection: Connection, request_id: str, body: bytes, content_type: str) -> None:
        running = self._answering(connection, request_id)
        if running is not None:
            connection.accept()
            self._whole_response(running, body, content_type)

    def _whole_response(self, running: _Running, body: bytes, content_type: str) -> None:
        running.outcome.content_type = content_type
        self._respond(running, body)

    def response_too_large(self, connection: Connection, request_id: str) -> None:
        running = self._answering(connection, request_id)
        if running is not None:
            connection.refuse(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
            self._too_large(running)

    def _too_large(self, running: _Running) -> None:
        error_type = "Function.ResponseSizeTooLarge"
        self._fail(running, error_type, _RESPONSE_BODY_TOO_LARGE, "error", [])

    def error(self, connection: Connection, request_id: str, body: bytes, error_type: str) -> None:
        running = self._answering(connection, request_id)
        if running is None:
            return
        connection.accept()
        kind, message = described(body, error_type)
        # The report of an ordinary exception says nothing of it (recorded): only the platform's own errors do.
        self._respond(running, body, function_error="Unhandled", error_type=kind, message=message)

    def init_error(self, connection: Connection, body: bytes, error_type: str) -> None:
        connection.accept()
        self._init_error = body, error_type or described(body)[0] or "Runtime.Unknown"
        self._init_failed(*self._init_error, "error")

    # Response streaming.

    def response_begins(self, connection: Connection, request_id: str, content_type: str) -> bool:
        running = self._running
        if running is None or running.responded or running.invocation.request_id != request_id or running.stream:
            return False  # what comes is then read as an ordinary response, and refused
        running.stream = ResponseStream(connection, listened=running.streaming)
        running.outcome.content_type = content_type
        if running.streaming:
            running.outcome.stream = aiter(running.stream)
            if not running.future.done():
                running.future.set_result(running.outcome)
        return True

    def response_piece(self, piece: bytes) -> None:
        running = self._running
        if running is not None and not running.responded and running.stream and not running.stream.take(piece):
            self._too_large(running)

    def response_ends(self, connection: Connection, trailers: Headers) -> None:
        if connection.open:
            connection.accept()
        running = self._running
        if running is None or running.responded or running.stream is None or running.stream.source is not connection:
            return
        error_type = trailers.get(b"lambda-runtime-function-error-type", b"").decode("latin-1")
        if error_type:
            message = described_in_trailer(trailers.get(b"lambda-runtime-function-error-body", b""))
            self._fail(running, error_type, message, "success", [])
        else:
            self._respond(running, running.stream.whole())

    # Extensions.

    def register(self, connection: Connection, name: str, body: bytes) -> None:
        self._extensions.register(connection, name, body)

    def extension_next(self, connection: Connection, identifier: str) -> None:
        if self._extensions.next(connection, identifier):
            self._settle()

    def extension_error(self, connection: Connection, identifier: str, error_type: str, phase: str) -> None:
        connection.accept()
        error_type = error_type or "Extension.Unknown"
        if phase == "init":
            self._init_failed(error_payload(error_type, "an extension failed to initialise"), error_type, "error")
        else:
            self.kill()

    def telemetry(self, connection: Connection, identifier: str, body: bytes) -> None:
        name = self._extensions.name(identifier)
        if name is None:
            connection.refuse(403, "Extension.UnknownExtensionIdentifier", "the extension is not registered")
            return
        connection.answer(*self._telemetry.subscribe(name, body))

    # Between invocations.

    def freeze(self) -> None:
        if self.alive and self._waiting is not None and not self._frozen:
            self.sandbox.freeze()
            self._frozen = True

    def _thaw(self) -> None:
        self._frozen = False
        self.sandbox.thaw()

    # The end.

    def retire(self) -> None:
        """No more invocations; it ends when the one that runs is done."""
        self.retired = True
        if not self.busy and self._running is None:
            self.shut_down()

    def shut_down(self, reason: str = "SPINDOWN") -> None:
        """The shutdown phase: SHUTDOWN to extensions, SIGTERM to the runtime where there are any, then the end."""
        if not self.alive or self._shutting_down:
            return
        self.alive = False
        self._shutting_down = True
        grace = self._extensions.grace_s
        if self._frozen:
            self._thaw()
        if not grace:
            self.sandbox.kill()
            return
        self._telemetry.flush()
        self._extensions.shut_down(reason, int((time.time() + grace) * 1000))
        self.sandbox.terminate()
        self._loop.call_later(grace, self.sandbox.kill)

    def kill(self) -> None:
        self.alive = False
        self.sandbox.kill()

    def _exited(self) -> None:
        """Called when the last process is gone."""
        killed, self.alive = not self.alive, False
        if self._init_timer:
            self._init_timer.cancel()
        reason = how_it_ended(self.sandbox.status)
        running, pending = self._running, self._pending
        self._pending = None
        if pending is not None:
            if pending.timer:
                pending.timer.cancel()
            if not pending.future.done():
                pending.future.set_exception(NotDeliveredError())
        if not self.ready.done() and self.sandbox.status is None and not killed:
            # Its process 1 failed, before anything of the function's ran; Pileus's own log says how.
            self.ready.set_exception(LaunchError("an execution environment could not be prepared"))
        elif not self.ready.done():
            kind = "Runtime.ExitError"
            if self.sandbox.not_started:
                kind, reason = not_started(self._assignment, self.sandbox.not_started)
            self._init_failed(error_payload(kind, f"Error: {reason}"), kind, "error")
        if running is not None and not running.responded:
            request_id = running.invocation.request_id
            lines = platform_log.exited(request_id, reason, "Runtime.ExitError", time.time())
            message = f"RequestId: {request_id} Error: {reason}"
            self._fail(running, "Runtime.ExitError", message, "error", lines)
        self._log.close()
        self._telemetry.close()
        self._owner.ended(self)

    def watch(self) -> None:
        """Ends the guest if it has outgrown its memory."""
        if self.alive and memory.outgrown(self.sandbox, self.function.memory_mb):
            self.kill()

    def max_memory_mb(self) -> int:
        return memory.peak_mb(self.sandbox, self.function.memory_mb)


def _trace(function: FunctionVersion) -> str:
    return tracing.header("1" if function.tracing == "Active" else "0")
