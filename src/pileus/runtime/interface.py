"""The contract between the Lambda service and what runs functions.

The service decides *what* may run (versions, permissions, limits, queues); the runtime runs it. An execution
environment belongs to one `FunctionVersion`, equal in all its fields: change any, and new environments are made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from pileus.runtime.endpoint import Address

ENVIRONMENT_LIFETIME = 2 * 3600.0
"""Seconds after which an environment is replaced. Credentials handed to one must outlive this and the timeout."""

Level = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]


class Logging(msgspec.Struct, frozen=True):
    """Advanced logging controls (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html).
    The levels count only where the format is JSON; empty is the default, INFO."""

    group: str
    format: Literal["Text", "JSON"] = "Text"
    application_level: Level | Literal[""] = ""
    system_level: Level | Literal[""] = ""


class FunctionVersion(msgspec.Struct, frozen=True, cache_hash=True):
    """All that makes an execution environment, so that equal ones may share it and no others.

    `arn` is the qualified one of this version (`…:function:name:7`, `…:function:name:$LATEST`). `code` and `layers` are
    what `Dependencies.code` needs to find their directories: blob keys or paths, with `code_sha256` so that new
    code is another version here even where the key stays. `modified` says when the configuration was last
    changed: environments begin anew after every change, as on Lambda.
    """

    account: str
    region: str
    name: str
    version: str
    arn: str
    runtime: str
    handler: str
    role: str
    code: str
    code_sha256: str
    logging: Logging
    modified: str = ""
    runtime_arn: str = ""
    """Of the runtime's version, for the log."""
    memory_mb: int = 128
    timeout_s: float = 3
    ephemeral_storage_mb: int = 512
    environment: tuple[tuple[str, str], ...] = ()
    """Name and value, sorted by name (a tuple, so that the whole can be a key)."""
    layers: tuple[str, ...] = ()
    tracing: Literal["Active", "PassThrough"] = "PassThrough"
    architecture: str = "x86_64"


class Invocation(msgspec.Struct, frozen=True, gc=False):
    request_id: str
    payload: bytes
    invoked_arn: str
    """As the caller named it: unqualified, with a version, with an alias."""
    client_context: str = ""
    """Decoded JSON text (the header brings it in base64)."""
    cognito_identity_id: str = ""
    cognito_identity_pool_id: str = ""
    trace_id: str = ""
    """An X-Ray header; one is made where it is empty."""
    tail: bool = False


class Limits(msgspec.Struct, frozen=True):
    """Concurrency that this call may use. `reserved` is the function's own reservation (0 lets nothing run), None
    where it has none; then it shares `unreserved`, the account's limit less all reservations. Of a reservation,
    `provisioned` is this version's, and `kept` what all versions together have provisioned."""

    reserved: int | None = None
    unreserved: int = 1000
    provisioned: int = 0
    kept: int = 0


@dataclass(slots=True)
class Outcome:
    """How an invocation ended. For a stream, `payload` is empty, `stream` yields the response, and the fields below it
    are complete when `stream` has ended."""

    payload: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    content_type: str = "application/json"
    """`application/vnd.awslambda.http-integration-response` where the function sent its own status and headers: a
    JSON prelude, eight zero bytes, the body."""
    function_error: str | None = None
    """`Unhandled` (or `Handled`, if a runtime says so); the payload is the error object then. For a stream that broke
    off, `error_type` and `error_message` say why."""
    error_type: str = ""
    error_message: str = ""
    log_tail: bytes = b""
    """The last 4 KB of the log, if asked for."""
    executed_version: str = ""
    log_stream: str = ""
    duration_ms: float = 0.0
    billed_ms: int = 0
    init_ms: float | None = None
    """Where the environment was started for this invocation."""
    max_memory_mb: int = 0


LogLine = tuple[int, str]
"""Milliseconds since the epoch, and the event's text, which ends in a newline where Lambda's does."""


@dataclass(frozen=True, slots=True)
class Directories:
    """Where code lies on this machine, unpacked. Everything in them must be readable by every user (directories
    executable too): functions run as nobody in particular. The runtime never writes there."""

    task: Path
    layers: tuple[Path, ...] = ()
    """In the function's own order: a later layer hides an earlier one's files."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    credentials: Callable[[FunctionVersion], Awaitable[Mapping[str, str]]]
    """AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the execution role. May raise AWSError."""
    code: Callable[[FunctionVersion], Awaitable[Directories]]
    """Unpacks if it must. May raise AWSError."""
    logs: Callable[[FunctionVersion, str, Sequence[LogLine]], None]
    """Takes lines of (function, log stream name); called on the event loop, must return at once."""
    endpoint: Callable[[], Any] | Address
    """How functions reach the cloud: a protocol factory of the gateway's HTTP server (asyncio's
    `create_server(factory, sock=…)` is called with it), or the address to which bytes are passed on."""
    state: Path
    """A directory of the runtime's own under the cloud's data directory (compiled bootstraps, run files)."""
    require_isolation: bool = False
    workers: int = 1
    """Processes of this cloud, each with a runtime of its own over the same `state`."""


class Runtime(Protocol):
    """`pileus.runtime.runtime.open_runtime(dependencies)` makes one; one a worker process.

    Errors of the caller's or the platform's making are raised as AWSError, before anything ran:
    TooManyRequestsException (429, members Reason and Type), InvalidRuntimeException naming a missing interpreter,
    RequestTooLargeException. Everything that the function did is an Outcome.
    """

    async def start(self) -> None:
        """Sweeps what a killed predecessor left and finds out what the machine can isolate. Raises
        IsolationUnavailableError where isolation is required and missing."""
        ...

    async def close(self) -> None:
        """Ends every environment (SIGTERM, then SIGKILL) and waits until they are gone."""
        ...

    async def invoke(self, function: FunctionVersion, invocation: Invocation, limits: Limits = ...) -> Outcome: ...

    async def invoke_streaming(
        self, function: FunctionVersion, invocation: Invocation, limits: Limits = ...
    ) -> Outcome:
        """Answers as soon as the response begins; see `Outcome.stream`. Functions that do not stream answer in one
        piece. A caller that stops reading closes the iterator; the function runs on."""
        ...

    def missing(self, runtime: str) -> str | None:
        """Why functions of this runtime cannot run here, None where they can: an unknown identifier, an interpreter
        that the machine has not."""
        ...

    def prepare(self, runtime: str) -> None:
        """Warms what environments of this runtime start from, in the background; call it when a function is created
        or known to exist."""
        ...

    async def provision(self, function: FunctionVersion, count: int) -> int:
        """Keeps `count` environments initialised (provisioned concurrency); answers how many are ready. Raises
        AWSError with the init error where they cannot be."""
        ...

    def provisioned(self, function: FunctionVersion) -> tuple[int, int]:
        """How many provisioned environments are ready, and how many are idle."""
        ...

    def retire(self, account: str, region: str, name: str, *, keep: FunctionVersion | None = None) -> None:
        """The function changed or was deleted: idle environments end, busy ones when they are done. Those of `keep`,
        and those of published versions if `keep` is one of $LATEST, stay."""
        ...

    def concurrency_in_use(self, account: str, region: str, name: str | None = None) -> int:
        """Invocations running now in all workers: of one function, or of all in the account and region."""
        ...

    async def isolation(self) -> dict[str, Any]:
        """For the health page: `complete` (bool), `barriers` (name to in force or not), `missing` (a sentence each,
        with its consequence), `runtimes`, `environments`."""
        ...


class IsolationUnavailableError(Exception):
    """The machine cannot isolate functions and the cloud was told to require it. The message names what is missing."""
