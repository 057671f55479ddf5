"""Bodies that are compressed on the wire.

Requests: some SDKs compress them (https://docs.aws.amazon.com/sdkref/latest/guide/feature-compression.html). Answers:
DynamoDB compresses long ones for clients that ask for it, reading Accept-Encoding in a manner of its own.
"""

from __future__ import annotations

import gzip
import zlib

from pileus.aws.http import Request, Response

_WINDOWS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_SHORTEST_BYTES = 4096
"""Of an answer that is compressed."""


class NotCompressedError(ValueError):
    """The body is not what its Content-Encoding says."""


class TooLongError(ValueError):
    """The body is longer than its limit when it is inflated."""


def inflated(request: Request, body: bytes, limit: int) -> bytes:
    """The body as it was before it was compressed. Raises NotCompressedError and TooLongError."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity", "aws-chunked"):
        return body
    if encoding not in _WINDOWS:
        raise NotCompressedError(f"The Content-Encoding {encoding[:64]} is not supported")
    pieces: list[bytes] = []
    size = 0
    while True:
        inflate = zlib.decompressobj(_WINDOWS[encoding])
        try:
            piece = inflate.decompress(body, limit - size + 1)
        except zlib.error:
            raise NotCompressedError(f"The body is not compressed by {encoding}") from None
        size += len(piece)
        if size > limit:
            raise TooLongError
        if not inflate.eof:
            raise NotCompressedError(f"The body is not compressed by {encoding}")
        pieces.append(piece)
        body = inflate.unused_data
        if not body or encoding != "gzip":  # a file of gzip may have several members (RFC 1952, 2.2)
            return b"".join(pieces)


def accepted(header: str) -> str | None:
    """gzip or deflate, as DynamoDB chooses: the better quality, else the one named first; identity does not count."""
    qualities: dict[str, float] = {}
    others = 0.0
    for element in header.split(","):
        name, _, parameters = element.partition(";")
        name = name.strip().lower()
        quality = _quality(parameters)
        if name in _WINDOWS:
            qualities[name] = max(quality, qualities.get(name, 0.0))
        elif name == "*":
            others = quality
    for name in _WINDOWS:
        qualities.setdefault(name, others)
    best = max(qualities, key=qualities.__getitem__)
    return best if qualities[best] > 0 else None


def _quality(parameters: str) -> float:
    _, found, rest = parameters.partition("q=")
    if not found:
        return 1.0
    try:
        return min(max(float(rest.partition(";")[0]), 0.0), 1.0)
    except ValueError:
        return 1.0


def deflate(request: Request, response: Response) -> None:
    """Compresses a long answer where the request accepts that."""
    header = request.headers.get("accept-encoding")
    body = response.body
    if header is None or not isinstance(body, bytes) or len(body) < _SHORTEST_BYTES:
        return
    encoding = accepted(header)
    if encoding is not None:
        response.body = gzip.compress(body, 1, mtime=0) if encoding == "gzip" else zlib.compress(body, 1)
        response.headers["content-encoding"] = encoding
