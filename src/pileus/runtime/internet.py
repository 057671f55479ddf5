"""The way out for functions: to the internet, as from Lambda without a VPC, and not to this machine or its network.

A sandbox begins with no way out and a resolver that is us: the socket on its port 53 is served here. Its first
question brings `pasta` (https://passt.top) to its network namespace, which takes ten milliseconds and 20 MB, so that
only functions pay which use it; then the question is passed on to this machine's own resolvers. Private ranges and
this machine's own addresses are unreachable in the sandbox from the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

DNS_PORT = 53
RESOLVER = "nameserver 127.0.0.1\noptions edns0\n"
# Not of the internet: https://www.iana.org/assignments/iana-ipv4-special-registry. Cloud machines find their own
# credentials at 169.254.169.254.
_PRIVATE = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip
_ADDRESS, _GATEWAY, _BITS = "198.18.0.2", "198.18.0.1", "30"
_QUESTIONS = 64
_ANSWER_S = 5.0


def program() -> list[str]:
    """The command that connects the network namespace on descriptor 9, and writes to 10 when it has; empty where it is
    not installed."""
    path = shutil.which("pasta", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")
    if path is None or not Path("/dev/net/tun").exists():
        return []
    # No port of the machine is led in, none of its loopback out; IPv4, as Lambda has it by default.
    closed = ["-t", "none", "-u", "none", "-T", "none", "-U", "none", "--no-map-gw"]
    quiet = ["--foreground", "--quiet", "--no-dhcp", "--no-ndp", "--no-dhcpv6", "--no-ra"]
    addresses = ["--ipv4-only", "--config-net", "-a", _ADDRESS, "-n", _BITS, "-g", _GATEWAY]
    return [
        path,
        *quiet,
        *closed,
        *addresses,
        "--runas",
        "0",
        "--netns-only",
        "--netns",
        "/proc/self/fd/9",
        "--pid",
        "/proc/self/fd/10",
    ]


def unreachable() -> list[tuple[str, int]]:
    """Networks, as address and bits, that no sandbox reaches."""
    own: set[str] = set()
    with contextlib.suppress(OSError):
        lines = Path("/proc/net/fib_trie").read_text().splitlines()
        own = {before.split()[-1] for before, line in itertools.pairwise(lines) if "/32 host LOCAL" in line}
    networks = [ipaddress.ip_network(text) for text in (*_PRIVATE, *(f"{address}/32" for address in sorted(own)))]
    return [(str(network.network_address), network.prefixlen) for network in networks if not network.is_loopback]


def resolvers() -> list[str]:
    """This machine's."""
    found = []
    with contextlib.suppress(OSError):
        for line in Path("/etc/resolv.conf").read_text().splitlines():
            word, _, address = line.strip().partition(" ")
            if word == "nameserver":
                found.append(address.strip())
    return found or ["127.0.0.1"]


class Resolver(asyncio.DatagramProtocol):
    """Port 53 of one sandbox. `connect` brings its network; the first question waits for it."""

    def __init__(self, connect: Callable[[], Awaitable[None]]) -> None:
        self._connect = connect
        self._transport: asyncio.DatagramTransport | None = None
        self._questions: set[asyncio.Task[None]] = set()
        self._connected: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(self._questions) < _QUESTIONS:  # a resolver asks again
            task = asyncio.get_running_loop().create_task(self._answer(data, addr))
            self._questions.add(task)
            task.add_done_callback(self._questions.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for task in self._questions:
            task.cancel()

    async def _answer(self, question: bytes, asker: tuple[str, int]) -> None:
        if self._connected is None:
            self._connected = asyncio.ensure_future(self._connect())
        await asyncio.shield(self._connected)
        for address in resolvers():
            answer = await _ask(address, question)
            if answer is not None:
                break
        else:
            answer = question[:2] + b"\x81\x82" + question[4:]  # SERVFAIL
        if self._transport is not None:
            self._transport.sendto(answer, asker)


async def _ask(address: str, question: bytes) -> bytes | None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()

    class Once(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            if data[:2] == question[:2] and not answer.done():
                answer.set_result(data)

    try:
        transport, _ = await loop.create_datagram_endpoint(Once, remote_addr=(address, DNS_PORT))
    except OSError:
        return None
    try:
        transport.sendto(question)
        async with asyncio.timeout(_ANSWER_S):
            return await answer
    except (OSError, TimeoutError):
        return None
    finally:
        transport.close()
