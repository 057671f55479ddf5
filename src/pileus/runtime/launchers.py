"""Sandboxes kept in stock: launchers (one fork server a language) and what they have made ready.

The launcher's own half is `pileus.runtime.sandbox.launcher`.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pileus.runtime.api import Handler, Share
from pileus.runtime.cgroups import Group, Groups

API_PORT = 9001
_SOURCE = Path(__file__).resolve().parents[2]
_START = (
    "import sys; sys.path.insert(0, {!r}); from pileus.runtime.sandbox.launcher import main; sys.path.pop(0); main()"
)
_STARTING_LIMIT_S = 60.0
_REFILL_PAUSE_S = 0.03
_CLOSING_LIMIT_S = 5.0
_CONNECTING_LIMIT_S = 5.0


class LaunchError(Exception):
    """A launcher or a sandbox could not be started; its standard error says why."""


@dataclass(slots=True, eq=False)
class Sandbox:
    """One prepared place for a function. `exited` is called once, when its last process is gone."""

    number: int
    control: socket.socket
    output: int
    group: Group | None
    pidfd: int = -1
    guest_pidfd: int = -1
    tmp: int = -1
    """Its /tmp, where that is its own."""
    network: int = -1
    """Its network namespace, where that is its own."""
    resolver: socket.socket | None = None
    way_out: int = -1
    """The process that leads its network out, once it asked for a name."""
    listeners: list[socket.socket] = field(default_factory=list)
    exited: Callable[[], None] | None = None
    doomed: bool = False
    status: int | None = None
    """The guest's exit code, negative for a signal."""
    not_started: int = 0
    """The error number where its program could not be executed."""
    servers: list[asyncio.AbstractServer | asyncio.BaseTransport] = field(default_factory=list)
    share: Share = field(default_factory=Share)
    handler: Handler | None = None
    """Who answers on its Runtime API: its environment, once it is one."""

    @property
    def addresses(self) -> list[str]:
        """Of the Runtime API and of the cloud, as its own processes reach them."""
        return ["{}:{}".format(*listener.getsockname()) for listener in self.listeners]

    def assign(self, assignment: dict[str, Any]) -> None:
        self.control.send(json.dumps(assignment).encode())

    def tmp_bytes(self) -> int:
        """How much lies in its /tmp, which is in memory and no part of the function's own."""
        if self.tmp < 0:
            return 0
        state = os.statvfs(self.tmp)
        return (state.f_blocks - state.f_bfree) * state.f_frsize

    def freeze(self) -> None:
        if self.group is None or not self.group.freeze():
            self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.group is None or not self.group.thaw():
            self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self.doomed = True
        if self.pidfd >= 0:
            self.thaw()  # in a control group of version 1, a frozen process does not die
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def terminate(self) -> None:
        """Ends the runtime; what it has started may go on until it is killed."""
        with contextlib.suppress(OSError):
            self.control.send(b"shutdown")
        self._signal(signal.SIGTERM)

    def close(self) -> None:
        """Once its processes are gone."""
        for server in self.servers:
            server.close()
        for listener in (self.control, self.resolver, *self.listeners):
            if listener:
                listener.close()
        if self.way_out >= 0:
            _end(self.way_out)
        for descriptor in (self.pidfd, self.guest_pidfd, self.output, self.tmp, self.network):
            if descriptor >= 0:
                os.close(descriptor)
        self.pidfd = self.guest_pidfd = self.output = self.tmp = self.network = self.way_out = -1

    def _signal(self, number: int) -> None:
        """To the runtime's own process."""
        if self.guest_pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.guest_pidfd, number)


async def _readable(descriptor: int, limit_s: float) -> None:
    """Until there is something to read, or the limit."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        async with asyncio.timeout(limit_s):
            await ready.wait()
    except TimeoutError:
        pass
    finally:
        loop.remove_reader(descriptor)


def _end(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a launcher's sandboxes are made; its configuration, in the launcher's own words."""

    name: str
    python: str
    preload: bool
    stock: int
    configuration: dict[str, Any]


class Launcher:
    """Call `take` for a sandbox; it is ready at once as long as the stock lasts."""

    def __init__(
        self, plan: Plan, groups: Groups | None, prefix: str, uids: Callable[[], int],
        attach: Callable[[Sandbox], Awaitable[None]],
    ) -> None:  # fmt: skip
        """`attach` serves a new sandbox's sockets."""
        self._attach = attach
        self._attaching: set[asyncio.Task[None]] = set()
        self.plan = plan
        self._groups = groups
        self._prefix = prefix
        self._uids = uids
        self._ready: collections.deque[Sandbox] = collections.deque()
        self._waiting: collections.deque[asyncio.Future[Sandbox]] = collections.deque()
        self._making: dict[int, Sandbox] = {}
        self._made = 0
        self._connecting: dict[int, asyncio.Future[int]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._started: asyncio.Task[None] | None = None
        self._refill: asyncio.TimerHandle | None = None
        self.all: set[Sandbox] = set()

    def start(self) -> asyncio.Task[None]:
        """In the background; the same task at every call while the launcher lives."""
        if self._started is None or (self._started.done() and self._connection is None):
            self._started = asyncio.get_running_loop().create_task(self._start())
            self._started.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._started

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603  the fork of a few milliseconds is what we want
                [self.plan.python, "-I", "-c", _START.format(str(_SOURCE)), str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/",
                start_new_session=True, env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"},
            )  # fmt: skip
        ours.setblocking(False)
        try:
            ours.send(json.dumps(self.plan.configuration | {"preload": self.plan.preload}).encode())
            async with asyncio.timeout(_STARTING_LIMIT_S):
                greeting = await loop.sock_recv(ours, 64)
        except OSError:  # TimeoutError is one
            greeting = b""
        if greeting != b"ready":
            ours.close()
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
            raise LaunchError(f"the launcher for {self.plan.name} did not start")
        self._connection = ours
        loop.add_reader(ours.fileno(), self._answered, ours)
        self._fill()

    async def take(self) -> Sandbox:
        await self.start()
        if self._ready:
            sandbox = self._ready.popleft()
            self._fill_later()
            return sandbox
        future: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._fill()
        try:
            async with asyncio.timeout(_STARTING_LIMIT_S):
                return await future
        except TimeoutError:
            raise LaunchError(f"the launcher for {self.plan.name} does not answer") from None

    def _fill_later(self) -> None:
        """A refill at once would take the processor from the very start that emptied the place."""
        if self._refill is None:
            self._refill = asyncio.get_running_loop().call_later(_REFILL_PAUSE_S, self._fill)

    def _fill(self) -> None:
        if self._refill is not None:
            self._refill.cancel()
            self._refill = None
        connection = self._connection
        if connection is None:
            return
        # At most two at a time: more would only take the processors from each other.
        want = min(self.plan.stock + len(self._waiting) - len(self._ready), 2)
        try:
            while len(self._making) < want:
                self._make(connection)
        except OSError as error:  # no descriptor, control group or memory to be had
            self._refuse_one(f"an execution environment could not be prepared: {error}")

    def _make(self, connection: socket.socket) -> None:
        self._made += 1
        number = self._made
        group = self._groups.make(f"{self._prefix}-{self.plan.name}-{number}") if self._groups else None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reading, False)
        ours.setblocking(False)
        sandbox = Sandbox(number, ours, reading, group)
        self._making[number] = sandbox
        self.all.add(sandbox)
        entrances = group.entrances if group else []
        message = json.dumps({"id": number, "uid": self._uids()}).encode()
        socket.send_fds(connection, [message], [theirs.fileno(), writing, *entrances])
        theirs.close()
        os.close(writing)
        if group:
            group.enter()

    def _answered(self, connection: socket.socket) -> None:
        """The launcher has forked a sandbox, or is gone."""
        loop = asyncio.get_running_loop()
        try:
            message, descriptors, _, _ = socket.recv_fds(connection, 64, 1)
        except OSError:
            message, descriptors = b"", []
        if not message:
            self._gone(connection)
            return
        connecting = self._connecting.pop(int(message), None)
        if connecting is not None:
            if connecting.done():
                os.close(descriptors[0])
            else:
                connecting.set_result(descriptors[0])
            return
        sandbox = self._making[int(message)]
        sandbox.pidfd = descriptors[0]
        loop.add_reader(sandbox.pidfd, self._exited, sandbox)
        loop.add_reader(sandbox.control.fileno(), self._told, sandbox)

    def _told(self, sandbox: Sandbox) -> None:
        """Process 1 says that it is ready, or how the guest ended."""
        try:
            message, descriptors, _, _ = socket.recv_fds(sandbox.control, 64, 8)
        except OSError:
            message, descriptors = b"", []
        if message == b"ready":
            sandbox.guest_pidfd, api, cloud, *tmp = descriptors
            sandbox.tmp = tmp.pop(0) if tmp else -1
            sandbox.network = tmp.pop(0) if tmp else -1
            if tmp:
                sandbox.resolver = socket.socket(fileno=tmp.pop(0))
                sandbox.resolver.setblocking(False)
            sandbox.listeners = [socket.socket(fileno=descriptor) for descriptor in (api, cloud)]
            for listener in sandbox.listeners:
                listener.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._finish(sandbox))
            self._attaching.add(task)
            task.add_done_callback(self._attaching.discard)
        else:
            if message:
                sandbox.status, sandbox.not_started = map(int, message.split())
            asyncio.get_running_loop().remove_reader(sandbox.control.fileno())

    async def connect(self, sandbox: Sandbox) -> None:
        """Gives the sandbox's network its way out."""
        if self._connection is None or sandbox.network < 0 or sandbox.way_out >= 0:
            return
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            answer = self._ask(self._connection, "connect", sandbox.network, writing)
        finally:
            os.close(writing)
        try:
            process = await answer
            await _readable(reading, _CONNECTING_LIMIT_S)
        finally:
            os.close(reading)
        if sandbox.network < 0:  # it ended meanwhile
            _end(process)
            return
        sandbox.way_out = process

    async def open_socket(self, sandbox: Sandbox) -> socket.socket:
        """One inside of the sandbox's network. Raises OSError."""
        if self._connection is None or sandbox.network < 0:
            raise ConnectionError("the sandbox has ended")
        descriptor = await self._ask(self._connection, "socket", sandbox.network)
        try:
            made = socket.socket(fileno=descriptor)
        except OSError:
            os.close(descriptor)
            raise
        made.setblocking(False)
        return made

    def _ask(self, connection: socket.socket, what: str, *descriptors: int) -> asyncio.Future[int]:
        """Something of the launcher that it answers with a descriptor."""
        self._made += 1
        answer = self._connecting[self._made] = asyncio.get_running_loop().create_future()
        socket.send_fds(connection, [json.dumps({"id": self._made, what: True}).encode()], descriptors)
        return answer

    async def _finish(self, sandbox: Sandbox) -> None:
        await self._attach(sandbox)
        if self._making.pop(sandbox.number, None):
            self._hand_out(sandbox)
        self._fill()

    def _hand_out(self, sandbox: Sandbox) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(sandbox)
                return
        self._ready.append(sandbox)

    def _exited(self, sandbox: Sandbox) -> None:
        """Its process 1, and so every process in it, is gone."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(sandbox.pidfd)
        if sandbox.status is None:
            self._told(sandbox)
        loop.remove_reader(sandbox.control.fileno())
        if sandbox in self._ready:
            self._ready.remove(sandbox)
            self._fill_later()
        if sandbox.exited:
            sandbox.exited()
        if self._making.pop(sandbox.number, None):
            self._refuse_one("an execution environment could not be prepared")
        self._discard(sandbox)

    def _refuse_one(self, reason: str) -> None:
        """What was made for a caller did not come up: it is told, rather than made to wait for ever."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(LaunchError(reason))
                return

    def _discard(self, sandbox: Sandbox) -> None:
        sandbox.close()
        self.all.discard(sandbox)
        if sandbox.group:
            self._remove(sandbox.group, 50)

    def _remove(self, group: Group, tries: int) -> None:
        if not group.remove() and tries:
            asyncio.get_running_loop().call_later(0.02, self._remove, group, tries - 1)

    def _gone(self, connection: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(connection.fileno())
        connection.close()
        self._connection = None
        if self._process:
            self._process.poll()
        while self._waiting:
            self._refuse_one(f"the launcher for {self.plan.name} ended")
        for connecting in self._connecting.values():
            connecting.cancel()
        for sandbox in self.all:
            sandbox.kill()  # the kernel has, but for frozen ones
        for sandbox in [one for one in self._making.values() if one.pidfd < 0]:  # asked for, and never forked
            del self._making[sandbox.number]
            self._discard(sandbox)

    async def close(self) -> None:
        """Ends all sandboxes, handed out ones too, and waits until their last process is gone."""
        if self._refill is not None:
            self._refill.cancel()
        if self._started is not None and not self._started.done():
            self._started.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._started
        if self._connection is not None:
            self._gone(self._connection)
        for sandbox in list(self.all):
            sandbox.kill()
        for _ in range(500):
            if not self.all:
                break
            await asyncio.sleep(0.01)
        if self._process is not None:
            try:
                await asyncio.to_thread(self._process.wait, _CLOSING_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
