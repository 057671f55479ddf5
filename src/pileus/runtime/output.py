"""What a guest prints: bytes from its pipe, as log events.

Standard output, standard error and the runtime client's telemetry frames share one pipe, so that they stay in order.
A frame (`a55a`, two bytes of type, length, microseconds, message: the telemetry log protocol of the runtime clients)
is one event however many lines it has; everything else is one event a line, its newline kept, as CloudWatch keeps it;
empty lines are none (recorded).
No UTF-8 text contains `a55a`.
"""

from __future__ import annotations

import time

EVENT_LIMIT = 262_144
"""Bytes of one event; longer lines are cut into several."""
_MAGIC = b"\xa5\x5a\x00"
_HEADER = 16

Event = tuple[int, str]


class Splitter:
    """Feed it bytes, take events. Holds at most one event's bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        now = int(time.time() * 1000)
        data = self._rest + data
        events: list[Event] = []
        while data:
            frame = data.find(_MAGIC)
            if frame == 0:
                if len(data) < _HEADER:
                    break
                length = int.from_bytes(data[4:8], "big")
                if len(data) < _HEADER + min(length, EVENT_LIMIT):
                    break
                # A longer message is cut: the rest of it comes as lines.
                stamp = int.from_bytes(data[8:16], "big") // 1000
                text = data[_HEADER : _HEADER + min(length, EVENT_LIMIT)]
                data = data[_HEADER + len(text) :]
                # A guest may write any time into a frame: believe it within a minute.
                events.append((stamp if abs(stamp - now) < 60_000 else now, _text(text)))
                continue
            plain = data if frame < 0 else data[:frame]
            end = plain.rfind(b"\n") + 1
            events += [(now, _text(line + b"\n")) for line in plain[:end].split(b"\n") if line]
            rest = plain[end:]
            while len(rest) > EVENT_LIMIT:
                events.append((now, _text(rest[:EVENT_LIMIT])))
                rest = rest[EVENT_LIMIT:]
            if frame >= 0:
                if rest:
                    events.append((now, _text(rest)))
                data = data[frame:]
            else:
                data = rest
                break
        self._rest = data
        return events

    def flush(self) -> list[Event]:
        """The last line, which had no end."""
        rest, self._rest = self._rest, b""
        return [(int(time.time() * 1000), _text(rest))] if rest else []


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
