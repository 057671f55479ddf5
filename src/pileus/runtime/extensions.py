"""External and internal extensions of one environment.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pileus.runtime.api import Connection
from pileus.runtime.interface import FunctionVersion

LIMIT = 10
SHUTDOWN_NONE_S, SHUTDOWN_INTERNAL_S, SHUTDOWN_EXTERNAL_S = 0.0, 0.5, 2.0


@dataclass(slots=True, eq=False)
class Extension:
    name: str
    identifier: str
    external: bool
    events: frozenset[str]
    waiting: Connection | None = None
    ready: bool = False
    """Has asked for its first event."""
    queue: list[dict[str, Any]] = field(default_factory=list)


class Extensions:
    def __init__(self, function: FunctionVersion, external: list[str]) -> None:
        self._function = function
        self._expected = set(external)
        self._known: dict[str, Extension] = {}

    def register(self, connection: Connection, name: str, body: bytes) -> None:
        if not name:
            connection.refuse(400, "Extension.InvalidExtensionName", "the Lambda-Extension-Name header is missing")
            return
        if len(self._known) >= LIMIT:
            connection.refuse(403, "Extension.TooManyExtensions", f"at most {LIMIT} extensions may register")
            return
        try:
            events = frozenset(
                map(str, msgspec.json.decode(body or b"{}", type=dict[str, list[str]]).get("events", []))
            )
        except msgspec.MsgspecError:
            events = frozenset({"?"})
        external = name in self._expected
        if events - {"INVOKE", "SHUTDOWN"} or (not external and "SHUTDOWN" in events):
            connection.refuse(
                400, "Extension.InvalidEventType", "events may be INVOKE and, for external ones, SHUTDOWN"
            )
            return
        extension = Extension(name, str(uuid.uuid4()), external, events)
        self._known[extension.identifier] = extension
        answer = {
            "functionName": self._function.name,
            "functionVersion": self._function.version,
            "handler": self._function.handler,
            "accountId": self._function.account,
        }
        connection.answer(200, answer, f"Lambda-Extension-Identifier: {extension.identifier}\r\n")

    def name(self, identifier: str) -> str | None:
        extension = self._known.get(identifier)
        return extension.name if extension is not None else None

    def next(self, connection: Connection, identifier: str) -> bool:
        """True where somebody asked that is registered."""
        extension = self._known.get(identifier)
        if extension is None:
            connection.refuse(403, "Extension.UnknownExtensionIdentifier", "the extension is not registered")
            return False
        extension.ready = True
        if extension.queue:
            self._deliver(extension, connection, extension.queue.pop(0))
        else:
            extension.waiting = connection
        return True

    @property
    def initialised(self) -> bool:
        """Every external extension has registered, and all have asked for their first event."""
        if not self._expected and not self._known:
            return True
        names = {extension.name for extension in self._known.values()}
        return self._expected <= names and all(extension.ready for extension in self._known.values())

    @property
    def idle(self) -> bool:
        return all(extension.waiting for extension in self._known.values())

    @property
    def grace_s(self) -> float:
        if any(extension.external for extension in self._known.values()):
            return SHUTDOWN_EXTERNAL_S
        return SHUTDOWN_INTERNAL_S if self._known else SHUTDOWN_NONE_S

    def invoke(self, request_id: str, invoked_arn: str, deadline_ms: int, trace_id: str) -> None:
        if not self._known:
            return
        event = {
            "eventType": "INVOKE",
            "deadlineMs": deadline_ms,
            "requestId": request_id,
            "invokedFunctionArn": invoked_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": trace_id},
        }
        self._send("INVOKE", event)

    def shut_down(self, reason: str, deadline_ms: int) -> None:
        """`reason` is SPINDOWN, TIMEOUT or FAILURE."""
        self._send("SHUTDOWN", {"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms})

    def _send(self, kind: str, event: dict[str, Any]) -> None:
        for extension in self._known.values():
            if kind not in extension.events:
                continue
            if extension.waiting is not None and extension.waiting.open:
                connection, extension.waiting = extension.waiting, None
                self._deliver(extension, connection, event)
            else:
                extension.queue.append(event)

    def _deliver(self, extension: Extension, connection: Connection, event: dict[str, Any]) -> None:
        connection.answer(200, event, f"Lambda-Extension-Identifier: {extension.identifier}\r\n")
