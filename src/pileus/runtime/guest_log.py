"""The log of one environment: what its processes print, and what the platform says in between, in order."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from pileus.runtime.interface import LogLine
from pileus.runtime.output import Splitter

_TAIL = 4096
_BATCH = 65_536
_BATCH_S = 1.0
_A_TURN = 262_144
_A_SECOND = 16 << 20
_KEPT_OF_INIT = 100


class GuestLog:
    """Reads the pipe that the guest's output goes to and hands on batches of events. Holds little, however much is
    printed: a guest that floods its output waits, and Pileus does not."""

    def __init__(self, pipe: int, sink: Callable[[Sequence[LogLine]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._sink = sink
        self._splitter = Splitter()
        self._lines: list[LogLine] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._allowance = float(_A_SECOND)
        self._allowance_at = time.perf_counter()
        self._tail: bytearray | None = None
        self.of_init: list[str] | None = None
        """The first events of an initialisation, from when this is a list until it is None again."""
        self.printed: Callable[[Sequence[LogLine]], None] | None = None
        """Is told of what the guest printed, too."""
        self._loop.add_reader(pipe, self._read)

    def add(self, lines: Sequence[LogLine]) -> None:
        if not lines:
            return
        if self.of_init is not None and len(self.of_init) < _KEPT_OF_INIT:
            self.of_init += [text for _, text in lines]
        self._lines += lines
        for _, text in lines:
            self._size += len(text)
        if self._tail is not None:
            for _, text in lines:
                self._tail += (text if text.endswith("\n") else text + "\n").encode()
            if len(self._tail) > _TAIL:
                del self._tail[:-_TAIL]
        if self._size > _BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(_BATCH_S, self._overdue)

    def _overdue(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        # The timer is left to run: it fires once a second at most, where one an invocation would be set and cancelled.
        if self._lines:
            lines, self._lines, self._size = self._lines, [], 0
            self._sink(lines)

    def start_tail(self) -> None:
        """From here on the last 4 KB are kept, until `take_tail`."""
        self._tail = bytearray()

    def take_tail(self) -> bytes:
        tail, self._tail = self._tail, None
        return bytes(tail or b"")

    def drain(self) -> None:
        """What was printed before now belongs before what is added next."""
        for _ in range(4):  # a pipe holds 64 KB: more than that was not printed before
            try:
                data = os.read(self._pipe, _A_TURN)
            except BlockingIOError:
                return
            if not data:
                return
            self._take(self._splitter.feed(data))

    def _take(self, lines: Sequence[LogLine]) -> None:
        self.add(lines)
        if self.printed is not None:
            self.printed(lines)

    def close(self) -> None:
        """The guest is gone: what is left in the pipe, and the last line, which may have had no end."""
        self._loop.remove_reader(self._pipe)
        self.drain()
        self.add(self._splitter.flush())
        self.flush()
        if self._timer:
            self._timer.cancel()
        self._pipe = -1

    def _read(self) -> None:
        """Takes what there is, up to a share."""
        now = time.perf_counter()
        self._allowance = min(_A_SECOND, self._allowance + (now - self._allowance_at) * _A_SECOND)
        self._allowance_at = now
        if self._allowance <= 0:
            self._loop.remove_reader(self._pipe)
            self._loop.call_later(0.1, self._read_on)
            return
        try:
            data = os.read(self._pipe, _A_TURN)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._pipe)
            return
        self._allowance -= len(data)
        self._take(self._splitter.feed(data))

    def _read_on(self) -> None:
        if self._pipe >= 0:
            self._loop.add_reader(self._pipe, self._read)
