"""HTTP/1.1 on one connection (RFC 9112): httptools parses it; here are order, deadlines, back pressure and writing.

A head has a size and a deadline, and a body must keep coming. One sweep over all connections every few seconds
(`server.Server`) looks for the overdue, so that a request pays for noting the time and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import httptools

from pileus.aws.http import Request, Response
from pileus.gateway import heads
from pileus.gateway.body import ClientGoneError, HTTPBody

log = logging.getLogger("pileus.gateway")

HEAD_SECONDS = 30.0
BODY_SECONDS = 60.0
IDLE_SECONDS = 75.0
LINGER_SECONDS = 5.0
LARGEST_HEAD = 64 << 10
"""Bytes of a request's line and headers together. A service may take less (`services.operation.Service`)."""
_SHORT_HEAD = 4 << 10
"""Bytes that nobody counts further."""
_READ_AHEAD = 256 << 10
"""Bytes of a body that wait for their reader before the connection is read no more."""
_BODILESS = frozenset({204, 304})

Respond = Callable[[Request], Awaitable[Response]]


class _Exchange(NamedTuple):
    """One request and what its answer must keep to. `chunks`: whether the client reads chunked bodies (HTTP/1.1)."""

    request: Request
    body: HTTPBody
    keep_alive: bool
    chunks: bool


class Connection(asyncio.Protocol):
    """One client. `connections` holds it for as long as it is open."""

    def __init__(self, respond: Respond, connections: set[Connection]) -> None:
        self._respond = respond
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._client = ""
        self._secure = False
        self._closing = False
        """Whether to close once the requests that have come are answered."""
        # Of the message that is being received
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: HTTPBody | None = None
        self._in_head = True
        self._unparsed = 0
        """Bytes of a body that the parser leaves alone, because its head wished for another protocol."""
        self._begun = False
        self._packet = 0
        self._received = 0
        """Bytes of the head in the packets before this one, but for the one that it began in."""
        self._heard = self._loop.time()
        # Of those that are being answered
        self._waiting: deque[_Exchange] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._continue = False
        """Whether the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1)."""
        self._lingering = 0.0
        """Since when a request that was answered before its body came is read to its end, and thrown away."""
        self._drained: asyncio.Future[None] | None = None
        self._paused = False
        self._deaf = False
        """Whether what still comes is thrown away unread."""

    # The transport's callbacks

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # create_server's
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if isinstance(peer, tuple) else "127.0.0.1"
        self._secure = transport.get_extra_info("sslcontext") is not None
        self._connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._connections.discard(self)
        self._closing = True
        self._waiting.clear()
        if self._body is not None:
            self._body.lose()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._packet = len(data)
        self._begun = False
        if not self._in_head:
            self._heard = self._loop.time()
        if self._deaf:
            return
        while True:
            if self._unparsed:
                data = self._past_parser(data)
                if not data:
                    return
            try:
                self._parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                # No other protocol is spoken here; the request has been taken as HTTP/1.1, and so is what follows it
                # (RFC 9110, 7.8). The parser itself stops for good, at the end of the head.
                self._parser = httptools.HttpRequestParser(self)
                data = data[upgrade.args[0] :]
                if not data:
                    return
            except httptools.HttpParserError as error:
                reason = error.__context__
                self._refuse(str(reason) if isinstance(reason, _RefusedError) else "Invalid HTTP request received.")
                return
        if self._in_head and not self._begun:
            # Whole packets of nothing but head: its end may never come, nor that of the header that it is in.
            self._received += len(data)
            if self._received > LARGEST_HEAD:
                self._refuse("The request's head is too long.")

    def _past_parser(self, data: bytes) -> bytes:
        """Takes what is left of a body that the parser does not see; answers what follows it."""
        taken = data[: self._unparsed]
        self._unparsed -= len(taken)
        self.on_body(taken)
        if not self._unparsed:
            self.on_message_complete()
        return data[len(taken) :]

    def eof_received(self) -> bool:
        """A client that has sent all may still read what it asked for."""
        self._closing = True
        if self._body is not None:
            self._body.lose()
        return self._serving is not None and not self._secure

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # The parser's callbacks

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._received = 0
        self._begun = True
        self._in_head = True
        self._heard = self._loop.time()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = heads.NAMES.get(name) or heads.name(name)
        # Metadata is in UTF-8 where it is not ASCII, and signed as that; what is none has been signed as Latin-1's
        # characters.
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        headers = self._headers
        headers[key] = f"{headers[key]},{text}" if key in headers else text

    def on_headers_complete(self) -> None:
        self._in_head = False
        headers = self._headers
        size = 0
        if self._received + self._packet > _SHORT_HEAD:
            size = len(self._url) + sum(len(name) + len(value) for name, value in headers.items())
            if size > LARGEST_HEAD:
                raise _RefusedError("The request's head is too long.")
        try:
            path, query = heads.split(self._url)
        except ValueError as error:
            raise _RefusedError("The request's target is malformed.") from error
        length = headers.get("content-length")
        if "upgrade" in headers and self._parser.should_upgrade():
            if "transfer-encoding" in headers:
                raise _RefusedError("A body in chunks and a wish for another protocol do not go together.")
            self._unparsed = int(length or 0)
        body = self._body = HTTPBody(int(length) if length is not None else None, self._want)
        parser = self._parser
        exchange = _Exchange(
            Request(parser.get_method().decode(), path, query, headers, body, self._client, self._secure, size),
            body,
            parser.should_keep_alive(),
            parser.get_http_version() != "1.0",
        )
        if self._serving is None and not self._closing:
            self._serve(exchange)
        elif not self._lingering:
            # Sent before the answer to the one before it: read no further until that is answered.
            self._waiting.append(exchange)
            self._pause()

    def on_body(self, data: bytes) -> None:
        body = self._body
        if body is None:
            return
        body.feed(data)
        if body.size > _READ_AHEAD:
            self._pause()

    def on_message_complete(self) -> None:
        if self._unparsed:
            return
        if self._body is not None:
            self._body.end()
            self._body = None
        if self._lingering:
            self._transport.close()

    # Answering

    def _want(self) -> None:
        """The body's reader waits."""
        if self._continue:
            self._continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._resume()

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def _serve(self, exchange: _Exchange) -> None:
        expect = exchange.request.headers.get("expect")
        self._continue = expect is not None and expect.lower() == "100-continue"
        self._serving = self._loop.create_task(self._answer(exchange))

    async def _answer(self, exchange: _Exchange) -> None:
        try:
            response = await self._respond(exchange.request)
            await self._send(exchange, response)
        except ClientGoneError:
            log.debug("a client left before its request was whole, or before its answer was")
            self._transport.abort()
        except Exception:
            log.exception("an answer could not be sent to its end")
            self._transport.abort()
        finally:
            self._serving = None
        self._next(exchange)

    def _next(self, exchange: _Exchange) -> None:
        if self._transport.is_closing():
            return
        if exchange.body.is_waiting and not exchange.body.is_lost:
            self._linger()
        elif self._waiting:
            self._serve(self._waiting.popleft())
            if not self._waiting:
                self._resume()
        elif self._closing or not exchange.keep_alive:
            self._transport.close()
        else:
            self._heard = self._loop.time()
            self._resume()

    def _linger(self) -> None:
        """The answer came before the body did. To close at once would reset the connection and might take the answer
        from the client (RFC 9112, 9.6): the rest is read for a while, and thrown away."""
        self._closing = True
        self._lingering = self._loop.time()
        self._body = None
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._resume()

    def _refuse(self, reason: str) -> None:
        """Bytes that are no request: nothing after them can be one. What came before them is still answered."""
        self._closing = self._deaf = True
        if self._serving is None and not self._transport.is_closing():
            self._transport.write(heads.refusal(reason))
            self._transport.close()

    async def _send(self, exchange: _Exchange, response: Response) -> None:
        transport = self._transport
        headers = response.headers
        headers.pop("transfer-encoding", None)  # ours to say
        body = response.body
        keep = exchange.keep_alive and not self._closing and not exchange.body.is_waiting
        bodiless = exchange.request.method == "HEAD" or response.status in _BODILESS
        if self._continue and keep:
            # The body was empty, or came unasked. Nothing need be said (RFC 9110, 10.1.1), but botocore, when it once
            # asked for nothing, takes its next answer on the connection for headers and waits for ever.
            self._continue = False
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if isinstance(body, bytes):
            if not bodiless or (response.status not in _BODILESS and "content-length" not in headers):
                headers["content-length"] = str(len(body))
            head = heads.write(response, keep)
            transport.write(head if bodiless else head + body)
            if self._drained is not None:
                await self._drain()
        else:
            length = headers.get("content-length")
            chunked = length is None and exchange.chunks and not bodiless
            if chunked:
                headers["transfer-encoding"] = "chunked"
            elif length is None and not bodiless:
                keep = False
            transport.write(heads.write(response, keep))
            try:
                if not bodiless:
                    await self._stream(body, None if length is None else int(length), chunked)
            finally:
                close = getattr(body, "aclose", None)
                if close is not None:
                    await close()
        if not keep:
            self._closing = True

    async def _stream(self, pieces: AsyncIterator[bytes], length: int | None, chunked: bool) -> None:
        """Raises ClientGoneError, and ValueError where the pieces are not as long as was said."""
        write = self._transport.write
        sent = 0
        async for piece in pieces:
            if not piece:
                continue
            sent += len(piece)
            if length is not None and sent > length:
                raise ValueError(f"a body is longer than the {length} bytes that were announced")
            if chunked:
                write(b"%x\r\n%b\r\n" % (len(piece), piece))
            else:
                write(piece)
            await self._drain()
        if chunked:
            write(b"0\r\n\r\n")
        elif length is not None and sent < length:
            raise ValueError(f"a body has {sent} of the {length} bytes that were announced")

    async def _drain(self) -> None:
        """Until the client has read enough. Raises ClientGoneError."""
        if self._transport.is_closing():
            raise ClientGoneError
        if self._drained is not None:
            await self._drained
            if self._transport.is_closing():
                raise ClientGoneError

    # The server's side

    @property
    def task(self) -> asyncio.Task[None] | None:
        """Of the answer that is under way."""
        return self._serving

    def finish(self) -> None:
        """Closes, at once or when what came is answered."""
        self._closing = True
        if self._serving is None:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def overdue(self, now: float) -> bool:
        """Whether the client owes something for too long."""
        if self._lingering:
            return now - self._lingering > LINGER_SECONDS
        silent = now - self._heard
        if self._serving is not None:
            return self._body is not None and self._body.is_wanted and silent > BODY_SECONDS
        return silent > (HEAD_SECONDS if self._in_head else IDLE_SECONDS)


class _RefusedError(ValueError):
    """A request that the parser takes, and we do not."""
