"""A soak: many invocations of many functions that succeed, fail, crash, hang, eat memory and fill their disks.

python bench/soak_functions.py [--invocations 200000] [--functions 50]

Over HTTP with signed requests, to a `pileus up` of its own. What the cloud holds (memory, descriptors, processes,
mounts, control groups, its runtime's disk) is taken after the first tenth, at the end, and when the functions are
deleted; it must not have grown, and nothing of theirs be left. Exits with 1 where it has, or where an answer was not
the one expected.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import hashlib
import json
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from functions import PILEUS, Bench, archive
from processes import Server, folder, free_port, size_of
from signed import REGION, Client

_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_SOURCE = b"""
import os, time
def handler(event, context):
    do = event["do"]
    if do == "raise":
        raise ValueError("asked to")
    if do == "exit":
        os._exit(3)
    if do == "hang":
        time.sleep(60)
    if do == "eat":
        kept = []
        while True:
            kept.append(bytearray(b"x") * (1 << 20))
    if do == "fork":
        os.posix_spawn("/bin/sleep", ["sleep", "0.2"], {})
    if do == "write":
        with open("/tmp/file", "wb") as file:
            file.write(bytes(4 << 20))
    print("did", do)
    return {"done": do}
"""
# Of a thousand calls; what the answer says.
_MIX = {
    "pass": (936, b'{"done": "pass"}'),
    "write": (20, b'{"done": "write"}'),
    "fork": (20, b'{"done": "fork"}'),
    "raise": (14, b'"errorType": "ValueError"'),
    "exit": (7, b"exit status 3"),
    "eat": (1, b'"errorType":"'),  # killed, or on a busy machine timed out before it had eaten enough
    "hang": (2, b"Task timed out after 1.00 seconds"),
}
_RESIGN_S = 120


@dataclass(slots=True)
class Held:
    memory_mb: float
    descriptors: int
    processes: int
    mounts: int
    groups: int
    runtime_kb: float

    def grown_beyond(self, before: Held) -> list[str]:
        """While the same functions are called: what should not move with how many environments are alive."""
        bounds = {
            "memory_mb": before.memory_mb * 1.25 + 20, "mounts": before.mounts, "runtime_kb": before.runtime_kb + 64
        }  # fmt: skip
        return [name for name, bound in bounds.items() if getattr(self, name) > bound]

    def left_over(self) -> list[str]:
        """When the functions are gone: more than the gateway, a launcher and its stock."""
        bounds = {"processes": 20, "descriptors": 150, "groups": 40}
        return [name for name, bound in bounds.items() if getattr(self, name) > bound]


def held(server: Server, data: Path) -> Held:
    gateway = server._process.pid  # not the lowest: numbers wrap around
    status = Path(f"/proc/{gateway}/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    name = hashlib.blake2b(str((data / "runtime").resolve()).encode(), digest_size=6).hexdigest()
    return Held(
        memory_mb=memory / 1024,
        descriptors=len(os.listdir(f"/proc/{gateway}/fd")),  # noqa: PTH208
        processes=len(server.processes()),
        mounts=len(Path(f"/proc/{gateway}/mountinfo").read_text().splitlines()),
        groups=sum(f"/pileus-{name}-" in inner for inner, _, _ in os.walk("/sys/fs/cgroup")),
        runtime_kb=size_of(data / "runtime") / 1024,
    )


class Caller:
    """One connection, kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


async def run(bench: Bench, names: list[str], count: int, callers: int) -> collections.Counter[str]:
    """`count` calls; answers how many of each kind, wrong answers as `wrong: …`."""
    kinds, weights = list(_MIX), [share for share, _ in _MIX.values()]
    chance = random.Random(count)
    signed: dict[tuple[str, str], tuple[float, bytes]] = {}
    seen: collections.Counter[str] = collections.Counter()
    left = count

    def request(name: str, kind: str) -> bytes:
        at, found = signed.get((name, kind), (0.0, b""))
        if time.monotonic() - at > _RESIGN_S or not found:
            payload = json.dumps({"do": kind}).encode()
            found = bench.client.sign("lambda", "invoke", FunctionName=name, Payload=payload)
            signed[name, kind] = (time.monotonic(), found)
        return found

    async def call() -> None:
        nonlocal left
        caller = Caller(bench.server.port)
        while left > 0:
            left -= 1
            name, kind = chance.choice(names), chance.choices(kinds, weights)[0]
            status, body = await caller.send(request(name, kind))
            good = status == 200 and _MIX[kind][1] in body
            seen[kind if good else f"wrong: {kind} {status} {body[:120]!r}"] += 1

    await asyncio.gather(*(call() for _ in range(callers)))
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--invocations", type=int, default=200_000)
    parser.add_argument("--functions", type=int, default=50)
    parser.add_argument("--callers", type=int, default=8)
    arguments = parser.parse_args()
    with folder("soak") as place:
        port, data = free_port(), place / "data"
        command = [str(PILEUS), "up", "--data", str(data), "--port", str(port), "--durability", "relaxed"]
        keys = {"PILEUS_ROOT_ACCESS_KEY_ID": "AKIASOAKFUNCTIONS000", "PILEUS_ROOT_SECRET_ACCESS_KEY": "soak" * 10}
        server = Server(command, port=port, folder=place, environment={**keys, "AWS_REGION": REGION})
        try:
            bench = Bench(server, Client(f"http://127.0.0.1:{port}", *keys.values()))
            names = [f"soak-{number}" for number in range(arguments.functions)]
            package = archive({"app.py": _SOURCE})
            for name in names:
                bench.create(name, _PYTHON, "app.handler", package, 128)
                bench.client("lambda").update_function_configuration(FunctionName=name, Timeout=1)
            first = arguments.invocations // 10
            seen = asyncio.run(run(bench, names, first, arguments.callers))
            before, began = held(server, data), time.perf_counter()
            seen += asyncio.run(run(bench, names, arguments.invocations - first, arguments.callers))
            seconds = time.perf_counter() - began
            time.sleep(2)
            after = held(server, data)
            for name in names:
                bench.client("lambda").delete_function(FunctionName=name)
            time.sleep(3)
            last = held(server, data)
        finally:
            server.stop()
        print(f"{sum(seen.values())} invocations, {(arguments.invocations - first) / seconds:.0f} a second")
        for what, number in sorted(seen.items()):
            print(f"  {number:>8} {what}")
        for when, state in (("after a tenth", before), ("at the end", after), ("functions deleted", last)):
            print(f"{when:<18} {state}")
        grown = after.grown_beyond(before) + last.left_over()
        wrong = [what for what in seen if what.startswith("wrong")]
        print("grown: " + (", ".join(grown) or "nothing"))
    return 1 if grown or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
