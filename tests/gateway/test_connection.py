"""One connection, byte by byte: order, deadlines, bodies, what is no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.aws import body as bodies
from pileus.aws.http import Request, Response
from pileus.gateway.connection import BODY_SECONDS, HEAD_SECONDS, IDLE_SECONDS, LARGEST_HEAD, Connection


class Transport(asyncio.Transport):
    """What a connection does to its transport."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = self.aborted = self.ended = self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.7", 4711) if name == "peername" else default

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


async def _echo(request: Request) -> Response:
    data = await bodies.read(request.body, 1 << 30)
    return Response(200, {"content-type": "text/plain"}, request.raw_path.encode() + b" " + data)


class Client:
    def __init__(self, respond: Any = _echo) -> None:
        self.open: set[Connection] = set()
        self.connection = Connection(respond, self.open)
        self.transport = Transport()
        self.connection.connection_made(self.transport)

    async def send(self, data: bytes, piece: int = 0) -> bytes:
        """What is answered to `data`, sent in pieces of so many bytes."""
        self.transport.written = b""
        for start in range(0, len(data), piece or len(data) or 1):
            self.connection.data_received(data[start : start + (piece or len(data))])
        for _ in range(20):
            await asyncio.sleep(0)
        return self.transport.written


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


_POST = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize("piece", [0, 1, 7])
def test_requests_follow_each_other_however_they_are_cut(piece: int) -> None:
    async def main() -> None:
        client = Client()
        for _ in range(2):
            answer = await client.send(_POST, piece)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"content-length: 8" in head
            assert b"date: " in head
            assert body == b"/a hello"
        assert not client.transport.is_closing()

    run(main())


def test_pipelined_requests_are_answered_in_their_order() -> None:
    async def main() -> None:
        client = Client()
        answer = await client.send(_POST + _POST.replace(b"/a", b"/b") + b"GET /c HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [answer.index(word) for word in (b"/a hello", b"/b hello", b"/c ")] == sorted(
            answer.index(word) for word in (b"/a hello", b"/b hello", b"/c ")
        )
        assert answer.count(b"HTTP/1.1 200") == 3
        assert not client.transport.paused

    run(main())


def test_names_are_lower_case_and_repeated_headers_are_joined() -> None:
    seen: list[Request] = []

    async def respond(request: Request) -> Response:
        seen.append(request)
        return Response(204)

    async def main() -> None:
        client = Client(respond)
        answer = await client.send(b"GET http://h/p?q HTTP/1.1\r\nX-A: 1\r\nx-a:2\r\nHOST: \xc3\xa9\r\nB: \xff\r\n\r\n")
        assert seen[0].headers == {"x-a": "1,2", "host": "é", "b": "ÿ"}
        assert (seen[0].raw_path, seen[0].query, seen[0].source_ip) == ("/p", "q", "192.0.2.7")
        assert answer.startswith(b"HTTP/1.1 204 No Content\r\n")
        assert b"content-length" not in answer

    run(main())


@pytest.mark.parametrize("piece", [0, 1])
def test_a_wish_for_another_protocol_is_passed_over(piece: int) -> None:
    async def main() -> None:
        client = Client()
        wish = _POST.replace(b"Host: x", b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c")
        plain = b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        answer = await client.send(wish + plain + _POST, piece)
        assert answer.count(b"HTTP/1.1 200 OK") == 3
        assert answer.count(b"/a hello") == 2
        assert not client.transport.is_closing()

    run(main())


def test_thousands_of_such_wishes_in_one_packet_are_borne() -> None:
    async def main() -> None:
        client = Client()
        wish = b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        client.connection.data_received(wish * 2000)
        while (task := client.connection.task) is not None:
            await task
        assert client.transport.written.count(b"HTTP/1.1 200 OK") == 2000
        assert not client.transport.is_closing()

    run(main())


def test_http_1_0_and_close_end_the_connection() -> None:
    async def main() -> None:
        for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"):
            client = Client()
            assert b"\r\nconnection: close\r\n" in await client.send(head)
            assert client.transport.closed

    run(main())


def test_a_head_request_gets_the_length_and_no_body() -> None:
    async def main() -> None:
        answer = await Client().send(b"HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"content-length: 5\r\n" in answer
        assert answer.endswith(b"\r\n\r\n")

    run(main())


def _streaming(length: int | None, *pieces: bytes) -> Any:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def respond(_request: Request) -> Response:
        return Response(200, {} if length is None else {"content-length": str(length)}, body())

    return respond


_GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_stream_of_known_length_and_one_in_chunks() -> None:
    async def main() -> None:
        assert (await Client(_streaming(4, b"ab", b"", b"cd")).send(_GET)).endswith(b"\r\n\r\nabcd")
        answer = await Client(_streaming(None, b"ab", b"cd")).send(_GET)
        assert b"transfer-encoding: chunked" in answer
        assert answer.endswith(b"\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n")
        old = Client(_streaming(None, b"ab"))
        assert (await old.send(b"GET / HTTP/1.0\r\n\r\n")).endswith(b"\r\n\r\nab")
        assert old.transport.closed

    run(main())


@pytest.mark.parametrize("length", [3, 5])
def test_a_stream_of_another_length_than_announced_cuts_the_connection(length: int) -> None:
    async def main() -> None:
        client = Client(_streaming(length, b"ab", b"cd"))
        await client.send(_GET)
        assert client.transport.aborted, "the client must see that something is missing"

    run(main())


def test_line_ends_in_headers_do_not_start_another() -> None:
    async def respond(_request: Request) -> Response:
        return Response(200, {"x-a": "b\r\nx-evil: c"}, b"", cookies=["d\ne"])

    async def main() -> None:
        lines = (await Client(respond).send(_GET)).split(b"\r\n")
        assert b"x-a: b  x-evil: c" in lines
        assert b"set-cookie: d e" in lines

    run(main())


def test_continue_is_said_when_the_body_is_wanted() -> None:
    async def main() -> None:
        client = Client()
        head = b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        assert await client.send(head) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await client.send(b"ab")).endswith(b"/ ab")

    run(main())


def test_continue_is_said_of_a_body_that_is_empty_too() -> None:
    """It need not be; but a client of botocore that once had no answer to its question misreads the next one."""

    async def main() -> None:
        client = Client()
        head = b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"
        answer = await client.send(head)
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
        assert not client.transport.is_closing()

    run(main())


def test_an_answer_before_the_body_ends_the_connection_but_not_at_once() -> None:
    async def respond(_request: Request) -> Response:
        return Response(403, {}, b"no")

    async def main() -> None:
        client = Client(respond)
        answer = await client.send(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        assert b"connection: close" in answer
        assert client.transport.ended
        assert not client.transport.is_closing(), "a reset would take the answer from the client"
        assert await client.send(b"def") == b""
        assert client.transport.closed

    run(main())


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"b" * LARGEST_HEAD + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET relative HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    async def main() -> None:
        client = Client()
        assert (await client.send(data)).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert client.transport.closed

    run(main())


def test_what_came_before_nonsense_is_answered() -> None:
    async def main() -> None:
        client = Client()
        answer = await client.send(_POST + b"nonsense\r\n\r\n" + _POST)
        assert answer.count(b"HTTP/1.1") == 1
        assert b"/a hello" in answer
        assert client.transport.closed

    run(main())


_PIECES = st.sampled_from(
    [
        _POST,
        b"GET / HTTP/1.1\r\n",
        b"Host: x\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: -1\r\n",
        b"abc",
        b"Transfer-Encoding: chunked\r\n",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"Connection: upgrade\r\nUpgrade: h2c\r\n",
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
        b"HEAD /a HTTP/1.0\r\n",
        b" ",
        b"CONNECT h:1 HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
    ]
)


@given(st.lists(st.one_of(_PIECES, _PIECES, _PIECES, st.binary(max_size=8)), max_size=12), st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_comes_is_answered_in_http_or_not_at_all(pieces: list[bytes], leaves: bool) -> None:
    async def main() -> None:
        client = Client()
        written = b""
        for piece in pieces:
            written += await client.send(piece)
            if client.transport.is_closing():
                break
        assert not written or written.startswith(b"HTTP/1.1 ")
        if leaves:
            client.connection.eof_received()
        client.connection.connection_lost(None)
        task = client.connection.task
        if task is not None:
            await asyncio.wait_for(task, 5)
        assert not client.open

    run(main())


def test_a_client_that_leaves_ends_its_request() -> None:
    async def main() -> None:
        client = Client()
        await client.send(_POST[:-2])
        task = client.connection.task
        assert task is not None
        client.connection.connection_lost(None)
        await asyncio.wait_for(task, 5)
        assert not client.open

    run(main())


def test_a_body_that_nobody_reads_stops_the_reading() -> None:
    gate = asyncio.Event()

    async def respond(request: Request) -> Response:
        await gate.wait()
        return await _echo(request)

    async def main() -> None:
        client = Client(respond)
        await client.send(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        await client.send(b"a" * 500_000)
        assert client.transport.paused
        gate.set()
        await client.send(b"a" * 1)
        assert not client.transport.paused

    run(main())


def test_a_body_whose_end_stopped_the_reading_does_not_stop_the_next_request() -> None:
    gate = asyncio.Event()

    async def respond(request: Request) -> Response:
        await gate.wait()
        return await _echo(request)

    async def main() -> None:
        client = Client(respond)
        await client.send(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" + b"a" * 500_000)
        assert client.transport.paused
        gate.set()
        assert (await client.send(b"")) != b""
        assert not client.transport.paused

    run(main())


def test_a_head_has_a_deadline_however_it_trickles() -> None:
    async def main() -> None:
        now = asyncio.get_running_loop().time()
        client = Client()
        assert not client.connection.overdue(now + HEAD_SECONDS - 1)
        assert client.connection.overdue(now + HEAD_SECONDS + 1)
        await client.send(b"POST / HTTP/1.1\r\n")
        await client.send(b"X-A: b\r\n")
        assert client.connection.overdue(now + HEAD_SECONDS + 1)

    run(main())


def test_a_body_must_keep_coming_and_an_answer_may_take_its_time() -> None:
    gate = asyncio.Event()

    async def respond(request: Request) -> Response:
        answer = await _echo(request)
        await gate.wait()
        return answer

    async def main() -> None:
        client = Client(respond)
        await client.send(_POST[:-2])
        now = asyncio.get_running_loop().time()
        assert not client.connection.overdue(now + HEAD_SECONDS + 1)
        assert client.connection.overdue(now + BODY_SECONDS + 1)
        await client.send(_POST[-2:])
        assert not client.connection.overdue(now + BODY_SECONDS + 1), (
            "a whole request may be served as long as it takes"
        )
        gate.set()
        await client.send(b"")
        assert client.connection.overdue(now + IDLE_SECONDS + 10), "between requests a connection may idle for a while"

    run(main())
