"""The binary event stream of AWS's streaming operations.

A message is a prelude (its length, its headers' length, their CRC), headers, a payload, and the CRC of all of it.
https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
import zlib

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_PRELUDE = struct.Struct(">II")
_CRC = struct.Struct(">I")


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message; header values are strings, which is all that events need."""
    encoded = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    total = _PRELUDE.size + _CRC.size + len(encoded) + len(payload) + _CRC.size
    prelude = _PRELUDE.pack(total, len(encoded))
    head = prelude + _CRC.pack(zlib.crc32(prelude)) + encoded
    return head + payload + _CRC.pack(zlib.crc32(payload, zlib.crc32(head)))


def event(kind: str, payload: bytes, content_type: str = "application/json") -> bytes:
    """A message that carries the event `kind`."""
    return message({":event-type": kind, ":content-type": content_type, ":message-type": "event"}, payload)


def _header(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + bytes((_STRING,)) + struct.pack(">H", len(value)) + value
