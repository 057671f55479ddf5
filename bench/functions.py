"""Functions: cold starts in every language, warm calls, and how much memory environments take.

python bench/functions.py [--quick] [--environments 200]

Everything goes over HTTP with a signed request to an enforcing `pileus up` of its own, and each figure is held
against the one that docs/isolation.md promises. Exits with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from load import drive
from processes import Server, folder, free_port
from signed import REGION, Client, send
from workload import create_role

PILEUS = Path(sys.executable).with_name("pileus")
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_JAVA = """
package example;
import java.util.Map;
public class App { public Map<String, Object> handle(Map<String, Object> event) { return Map.of("ok", true); } }
"""
_C = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
  static char in[65536], id[64];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9001), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = socket(AF_INET, SOCK_STREAM, 0);
  connect(one, (struct sockaddr *)&to, sizeof to);
  for (;;) {
    dprintf(one, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n");
    if (read(one, in, sizeof in - 1) <= 0) return 1;
    sscanf(strstr(in, "Request-Id: "), "Request-Id: %63s", id);
    int size = snprintf(in, sizeof in, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\n"
                        "Content-Length: 11\r\n\r\n{\"ok\":true}", id);
    write(one, in, size);
    read(one, in, sizeof in);
  }
}
"""


class Bench:
    def __init__(self, server: Server, client: Client) -> None:
        self.server = server
        self.client = client
        self.role = create_role(client)
        self.missed: list[str] = []

    def create(self, name: str, runtime: str, handler: str, package: bytes, memory: int = 512) -> None:
        functions = self.client("lambda")
        functions.create_function(
            FunctionName=name, Runtime=runtime, Handler=handler, Role=self.role, Timeout=30, MemorySize=memory,
            Code={"ZipFile": package},
        )  # fmt: skip
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})

    def invoke(self, name: str) -> float:
        """Milliseconds of one signed call, its connection included."""
        request = self.client.sign("lambda", "invoke", FunctionName=name, Payload=b"{}")
        began = time.perf_counter()
        status, body = send(request, self.server.port)
        taken = (time.perf_counter() - began) * 1000
        if status != 200 or b"true" not in body:
            raise RuntimeError(f"{name}: {status} {body[:300]!r}")
        return taken

    def cold(self, kind: str, runtime: str, handler: str, package: bytes, *, times: int, goal: float) -> None:
        taken = []
        for number in range(times + 1):
            name = f"cold-{kind.replace(' ', '-')}-{number}"
            self.create(name, runtime, handler, package)
            time.sleep(0.5)  # the stock is filled again
            taken.append(self.invoke(name))
            self.client("lambda").delete_function(FunctionName=name)
        del taken[0]  # the first of a language pays for its launcher
        self.report(f"cold start, {kind} ({runtime})", statistics.median(taken), goal, "ms", worst=max(taken))

    def report(
        self, what: str, value: float, goal: float, unit: str, *, worst: float = 0, at_least: bool = False
    ) -> None:
        missed = value < goal if at_least else value > goal
        if missed:
            self.missed.append(what)
        bound = "at least" if at_least else "at most"
        more = f", worst {worst:.2f}" if worst else ""
        print(f"{what:<44} {value:>9.2f} {unit:<6} ({bound} {goal:g}{more}){' MISSED' if missed else ''}", flush=True)


def archive(files: dict[str, bytes]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            package.writestr(entry, data)
    return out.getvalue()


def java() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as made:
        source = Path(made, "App.java")
        source.write_text(_JAVA)
        subprocess.run(["javac", "-d", made, str(source)], check=True)
        return {"example/App.class": Path(made, "example/App.class").read_bytes()}


def program() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as made:
        source = Path(made, "main.c")
        source.write_text(_C)
        subprocess.run(["cc", "-O2", "-o", f"{made}/bootstrap", str(source)], check=True, stderr=subprocess.DEVNULL)
        return {"bootstrap": Path(made, "bootstrap").read_bytes()}


def _node() -> str | None:
    """The runtime of the machine's Node.js."""
    if not shutil.which("node"):
        return None
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return f"nodejs{version[1:].partition('.')[0]}.x"


def cold_starts(bench: Bench, times: int) -> None:
    plain = b"import boto3\ndef handler(event, context):\n    return {'ok': bool(boto3)}\n"
    python = plain + b"table = boto3.resource('dynamodb').Table('t')\n"
    node = b"export const handler = async () => ({ ok: true });\n"
    kinds: list[tuple[str, str, str, Callable[[], dict[str, bytes]], float]] = [
        ("boto3 imported", _PYTHON, "app.handler", lambda: {"app.py": plain}, 15),
        ("a boto3 table made", _PYTHON, "app.handler", lambda: {"app.py": python}, 40),
    ]
    if found := _node():
        kinds.append(("an ES module", found, "index.handler", lambda: {"index.mjs": node}, 60))
    if shutil.which("javac"):
        kinds.append(("a map handler", "java17", "example.App::handle", java, 400))
    if shutil.which("cc"):
        kinds.append(("compiled", "provided.al2023", "none", program, 15))
    for kind, runtime, handler, files, goal in kinds:
        bench.cold(kind, runtime, handler, archive(files()), times=times, goal=goal)


def warm(bench: Bench, seconds: float) -> None:
    python = {"app.py": b"def handler(event, context):\n    return {'ok': True}\n"}
    _warm(bench, _PYTHON, "app.handler", python, seconds, p50=0.6, rate=4000, processor=0.5)
    if node := _node():
        files = {"index.mjs": b"export const handler = async () => ({ ok: true });\n"}
        _warm(bench, node, "index.handler", files, seconds, p50=0.8, rate=3000, processor=0.7)


def _warm(
    bench: Bench, runtime: str, handler: str, files: dict[str, bytes], seconds: float, *, p50: float, rate: float,
    processor: float,
) -> None:  # fmt: skip
    name = f"warm-{runtime.replace('.', '-')}"
    bench.create(name, runtime, handler, archive(files), 1769)
    bench.invoke(name)
    request = bench.client.sign("lambda", "invoke", FunctionName=name, Payload=b"{}")
    one = drive(bench.server.port, request, connections=1, seconds=seconds)
    bench.report(f"warm, one caller, p50 ({runtime})", one.p50, p50, "ms")
    drive(bench.server.port, request, connections=16, seconds=1)
    before = bench.server.cpu()
    many = drive(bench.server.port, request, connections=16, seconds=seconds)
    spent = (bench.server.cpu() - before) / many.requests * 1000
    bench.report(f"warm, 16 callers ({runtime})", many.rate, rate, "/s", at_least=True)
    bench.report(f"processor time of such a call ({runtime})", spent, processor, "ms")


def memory(bench: Bench, count: int) -> None:
    package = archive({"app.py": b"import boto3\ndef handler(event, context):\n    return {'ok': True}\n"})
    for number in range(count):
        bench.create(f"many-{number}", _PYTHON, "app.handler", package, 128)
        bench.invoke(f"many-{number}")
    used = bench.server.memory() / (1 << 30)
    bench.report(f"{count} environments alive, all processes", used, 0.4 + 2.6 * count / 200, "GiB")
    print(f"{len(bench.server.processes())} processes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--environments", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    with folder("functions") as place:
        port = free_port()
        command = [str(PILEUS), "up", "--data", str(place / "data"), "--port", str(port)]
        command += ["--durability", "relaxed", "--workers", str(arguments.workers)]
        keys = {"PILEUS_ROOT_ACCESS_KEY_ID": "AKIAFUNCTIONSBENCH00", "PILEUS_ROOT_SECRET_ACCESS_KEY": "bench" * 8}
        server = Server(command, port=port, folder=place, environment={**keys, "AWS_REGION": REGION})
        try:
            bench = Bench(server, Client(f"http://127.0.0.1:{port}", *keys.values()))
            cold_starts(bench, 5 if arguments.quick else 25)
            warm(bench, 2 if arguments.quick else 8)
            memory(bench, 20 if arguments.quick else arguments.environments)
        finally:
            server.stop()
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
