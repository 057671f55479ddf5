"""The Telemetry API of one environment: its extensions are sent what the platform says and what is printed.

https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html and …/telemetry-schema-reference.html. Events are posted
to a port inside of the sandbox, over sockets that were made in its network: nothing else can be reached by naming one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from pileus.runtime import platform_log
from pileus.runtime.interface import FunctionVersion, LogLine

HOST = "sandbox.localdomain"
SCHEMAS = ("2022-07-01", "2022-12-13", "2025-01-29")
_SEND_S = 2.0
_HELD_BYTES = 1 << 20
"""Of events that one subscriber has not taken yet; what is more is dropped, and it is told how much."""

Opener = Callable[[], Awaitable[socket.socket]]


class _Destination(msgspec.Struct):
    protocol: Literal["HTTP", "TCP"]
    uri: str = msgspec.field(name="URI", default="")
    port: int = 0
    """What TCP needs instead of a URI."""


class _Buffering(msgspec.Struct, rename="camel"):
    max_items: int = 1000
    max_bytes: int = 262_144
    timeout_ms: int = 1000


_BOUNDS = {"maxItems": (1000, 10_000), "maxBytes": (262_144, 1_048_576), "timeoutMs": (25, 30_000)}
_RUNTIME_API_PORT = 9001


class _Request(msgspec.Struct, rename="camel"):
    schema_version: Literal["2022-07-01", "2022-12-13", "2025-01-29"]
    types: list[Literal["platform", "function", "extension"]]
    destination: _Destination
    buffering: _Buffering = msgspec.field(default_factory=_Buffering)


_decode = msgspec.json.Decoder(_Request).decode


class _Subscriber:
    def __init__(self, request: _Request, port: int, path: str, opener: Opener) -> None:
        self.types = frozenset(request.types)
        self._buffering = request.buffering
        self._http = request.destination.protocol == "HTTP"
        self._port, self._path = port, path
        self._open = opener
        self._events: list[bytes] = []
        self._size = 0
        self._dropped = [0, 0]
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None

    def take(self, event: bytes) -> None:
        if self._size + len(event) > _HELD_BYTES:
            self._dropped[0] += 1
            self._dropped[1] += len(event)
            return
        self._events.append(event)
        self._size += len(event)
        if len(self._events) >= self._buffering.max_items or self._size >= self._buffering.max_bytes:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._buffering.timeout_ms / 1000, self.flush)

    def flush(self) -> None:
        """Sends what there is; while something is under way, the rest follows it."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._events and self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._events:
                events, self._events, self._size = self._events, [], 0
                if self._dropped[0]:
                    record = {
                        "reason": "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.",
                        "droppedRecords": self._dropped[0], "droppedBytes": self._dropped[1],
                    }  # fmt: skip
                    events.append(_event("platform.logsDropped", record, datetime.now(UTC)))
                    self._dropped = [0, 0]
                with contextlib.suppress(OSError):  # TimeoutError is one: a guest that does not listen misses it
                    async with asyncio.timeout(_SEND_S):
                        await self._post(events)
        finally:
            self._sending = None

    async def _post(self, events: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        with await self._open() as connection:
            await loop.sock_connect(connection, ("127.0.0.1", self._port))
            if not self._http:
                await loop.sock_sendall(connection, b"\n".join(events) + b"\n")
                return
            body = b"[" + b",".join(events) + b"]"
            head = (
                f"POST {self._path} HTTP/1.1\r\nHost: {HOST}:{self._port}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            await loop.sock_sendall(connection, head.encode() + body)
            await loop.sock_recv(connection, 4096)  # whatever it answers: the events are its own affair now

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()


class Telemetry:
    """What happens in an environment, for whom it wants to know. Until initialisation is over, it is kept for those who
    have not subscribed yet; where nobody has then, nothing more is done."""

    def __init__(self, function: FunctionVersion, opener: Opener | None, *, provisioned: bool) -> None:
        self._function = function
        self._opener = opener
        self._structured = function.logging.format == "JSON"
        kind = "provisioned-concurrency" if provisioned else "on-demand"
        self._init = {"initializationType": kind, "phase": "init"}
        self._subscribers: list[_Subscriber] = []
        self._early: list[tuple[str, bytes]] | None = []
        self._early_size = 0

    @property
    def wanted(self) -> bool:
        """Whether what is printed is to be told to it."""
        return self._early is not None or bool(self._subscribers)

    def subscribe(self, name: str, body: bytes) -> tuple[int, Any]:
        """The status and the document to answer with."""
        if self._opener is None:  # as AWS's runtime interface emulator answers, which has no telemetry
            return _refused(202, "NotSupported", "Telemetry API is not supported")
        if self._early is None:
            return _refused(403, "SubscriptionClosed", "Telemetry API subscription is closed already")
        try:
            request = _decode(body)
        except (msgspec.MsgspecError, ValueError) as error:
            return _refused(400, "DeserializationError", str(error))
        try:
            port, path = _place(request)
        except PermissionError as error:
            return _refused(403, "AccessDenied", str(error))
        except ValueError as error:
            return _refused(400, "ValidationError", str(error))
        subscriber = _Subscriber(request, port, path, self._opener)
        self._subscribers.append(subscriber)
        for kind, event in self._early:
            if kind in subscriber.types:
                subscriber.take(event)
        self._platform("telemetrySubscription", {"name": name, "state": "Subscribed", "types": request.types})
        return 200, "OK"

    def _platform(self, event: str, record: dict[str, Any]) -> None:
        self._tell("platform", _event(f"platform.{event}", record, datetime.now(UTC)))

    def initialising(self) -> None:
        about = {"functionName": self._function.name, "functionVersion": self._function.version}
        self._platform("initStart", self._init | about)

    def initialised(self, milliseconds: float) -> None:
        done = self._init | {"status": "success"}
        self._platform("initRuntimeDone", done)
        self._platform("initReport", done | {"metrics": {"durationMs": round(milliseconds, 3)}})
        self._early = None

    def invoked(self, request_id: str, trace: str) -> None:
        if self._subscribers:
            tracing = {"type": "X-Amzn-Trace-Id", "value": trace}
            self._platform("start", {"requestId": request_id, "version": self._function.version, "tracing": tracing})

    def answered(self, report: platform_log.Report, size: int) -> None:
        if self._subscribers:
            done, metrics = platform_log.record_of(report)
            spent = {"durationMs": metrics["durationMs"], "producedBytes": size}
            self._platform("runtimeDone", {**done, "metrics": spent})
            self._platform("report", {**done, "metrics": metrics})

    def printed(self, lines: Sequence[LogLine]) -> None:
        for milliseconds, text in lines:
            at = datetime.fromtimestamp(milliseconds / 1000, UTC)
            self._tell("function", _event("function", self._record(text), at))

    def _record(self, text: str) -> Any:
        """With the JSON log format, a line that is an object is one here (schema 2022-12-13)."""
        if self._structured and text.startswith("{"):
            with contextlib.suppress(msgspec.MsgspecError):
                msgspec.json.decode(text, type=dict[str, msgspec.Raw])
                return msgspec.Raw(text.strip().encode())
        return text

    def _tell(self, kind: str, event: bytes) -> None:
        if self._early is not None and self._early_size < _HELD_BYTES:
            self._early.append((kind, event))
            self._early_size += len(event)
        for subscriber in self._subscribers:
            if kind in subscriber.types:
                subscriber.take(event)

    def flush(self) -> None:
        for subscriber in self._subscribers:
            subscriber.flush()

    def close(self) -> None:
        self._early = None
        for subscriber in self._subscribers:
            subscriber.close()
        self._subscribers = []


def _place(request: _Request) -> tuple[int, str]:
    """The port and the path that events go to. Raises ValueError for what is not valid, PermissionError for what is
    not there for extensions."""
    if not request.types:
        raise ValueError("types should not be empty")
    for name, value in msgspec.to_builtins(request.buffering).items():
        low, high = _BOUNDS[name]
        if not low <= value <= high:
            raise ValueError(f"{name} should be between {low} and {high}")
    place = urlsplit(request.destination.uri)
    port = request.destination.port or place.port or 0
    if place.netloc and place.hostname not in (HOST, "sandbox"):
        raise PermissionError(f"Only '{HOST}' hostname is supported.")
    if not 0 < port < 65_536 or (request.destination.protocol == "HTTP" and not place.port):
        raise ValueError("URI port is not provided")
    if port == _RUNTIME_API_PORT:
        raise ValueError(f"port {port} is reserved")
    path = (place.path or "/") + (f"?{place.query}" if place.query else "")
    if not path.isascii() or not path.isprintable() or " " in path:
        raise ValueError("the destination's path is malformed")
    return port, path


def _refused(status: int, kind: str, message: str) -> tuple[int, Any]:
    return status, {"errorType": f"Telemetry.{kind}", "errorMessage": message}


def _event(kind: str, record: Any, at: datetime) -> bytes:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
    return msgspec.json.encode({"time": stamp, "type": kind, "record": record})
