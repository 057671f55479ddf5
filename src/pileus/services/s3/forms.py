"""multipart/form-data (RFC 7578) as it streams in: fields first, then the file, which is never held whole."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from pileus.aws.body import Body
from pileus.aws.errors import AWSError

_BOUNDARY = re.compile(r'boundary="?([^";]{1,70})"?')
_NAME = re.compile(r'[; ]name="((?:[^"\\]|\\.)*)"')
_FILENAME = re.compile(r'[; ]filename="((?:[^"\\]|\\.)*)"')
_FIELD_BYTES = 20 * 1024
_HEADER_BYTES = 8 * 1024
_MOST_FIELDS = 100


class Form:
    """Reads the fields of a form up to its file (`read_fields`), and is then the file's body.

    `fields` have lower-case names. The file is the part named `file`; what comes after it is ignored, as S3 does.
    """

    def __init__(self, body: Body, content_type: str) -> None:
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise malformed()
        self._pieces = body.__aiter__()
        self._delimiter = b"\r\n--" + found[1].encode("latin-1")
        # The first delimiter may stand at the very start, without a line end before it.
        self._buffer = bytearray(b"\r\n")
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        """None where the file came without one, as a field."""
        self.has_file = False
        self.length: int | None = None
        self.trailers: dict[str, str] = {}

    async def _more(self) -> None:
        try:
            self._buffer += await anext(self._pieces)
        except StopAsyncIteration:
            raise malformed() from None

    async def _until(self, mark: bytes, limit: int) -> bytes:
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > limit + len(mark):
                raise AWSError(
                    "MaxPostPreDataLengthExceeded",
                    "Your POST request fields preceding the upload file were too large.",
                    status=400,
                )
            await self._more()
        found = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return found

    async def read_fields(self) -> None:
        await self._until(self._delimiter, _HEADER_BYTES)
        for _ in range(_MOST_FIELDS):
            if await self._until(b"\r\n", _HEADER_BYTES) == b"--":
                return
            header = (await self._until(b"\r\n\r\n", _HEADER_BYTES)).decode("utf-8", "replace")
            name = _NAME.search(header)
            if name is None:
                raise malformed()
            key = _unescape(name[1]).lower()
            if key == "file":
                filename = _FILENAME.search(header)
                self.filename = re.split(r"[/\\]", _unescape(filename[1]))[-1] if filename else None
                self.has_file = True
                return
            self.fields[key] = (await self._until(self._delimiter, _FIELD_BYTES)).decode("utf-8", "replace")
            if self._buffer.startswith(b"--"):
                return
            while len(self._buffer) < 2:
                await self._more()
            if self._buffer.startswith(b"--"):
                return
        raise malformed()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        kept = len(self._delimiter)
        while (end := self._buffer.find(self._delimiter)) < 0:
            # What may be the beginning of a delimiter waits for the rest.
            ready = len(self._buffer) - kept
            if ready > 0:
                piece = bytes(self._buffer[:ready])
                del self._buffer[:ready]
                yield piece
            await self._more()
        if end:
            yield bytes(self._buffer[:end])
        # The rest is read, so that the client hears the answer.
        self._buffer.clear()
        async for _ in self._pieces:
            pass


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text).replace("%22", '"')


def malformed() -> AWSError:
    return AWSError(
        "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.", status=400
    )
