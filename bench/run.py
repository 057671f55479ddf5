"""The bench: everyone side by side, interleaved over rounds, on loopback.

    .venv/bin/python bench/run.py [--quick] [--only NAME ...] [--rounds N] [--seconds N] [--output FILE]

`make bench` and `make bench-quick` call it. It prints tables and what became of each goal (`goals.py`), and writes a
result file that bench/compare.py sets beside another one. A whole run also renews the figures in docs/benchmarks.md
and the picture (`report.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import cold
import goals
import limits
import login
import report
import table
from contenders import HERE, Contender, everyone, install
from load import LoadError, drive
from machine import described, now
from processes import Server, StartError, folder, quiet
from results import Figure, Results, Start, write
from signed import Client, send
from workload import BUCKET, EXPECTED, FUNCTIONS, Page, requests, set_up

CONNECTIONS = (1, 16, 64)
_ROUNDS = {1: 2, 16: 3, 64: 2}
"""The goals are about 16 connections."""
_MOST = {"Login": 16, "Invoke Node.js": 16, "Invoke Java": 16, "Constant 10 MB": 16, "GetObject 10 MB": 16}
"""Connections. Each has a function running: a login's makes three SDK clients when it is cold."""
_IN_ENVIRONMENTS = frozenset({*FUNCTIONS, "Login"})


class Running:
    """A contender that is up and has its table, bucket and function."""

    def __init__(self, contender: Contender, server: Server) -> None:
        self.contender = contender
        self.server = server
        self.client = Client(f"http://127.0.0.1:{server.port}", *contender.key)
        quiet(server)
        self.idle = server.memory()
        self.warm: set[tuple[str, int]] = set()
        self.broken: set[tuple[str, int]] = set()
        """Operations that failed under so many connections."""
        self.failed = set_up(contender, self.client)
        if "Login" in contender.operations:
            self.login, why = login.set_up(self.client)
            if why:
                self.failed["Login"] = why
        self.page = Page(f"{BUCKET}.localhost:{server.port}", "/")
        if contender.name == "moto":
            self.page = Page(f"{BUCKET}.s3-website.us-east-1.amazonaws.com", "/")
        elif contender.name == "ministack":
            # It has no websites, and asks nobody for a signature: the page's object, then.
            self.page = Page(f"127.0.0.1:{server.port}", f"/{BUCKET}/index.html")

        for operation in self.operations:
            status, body = send(self.sign(operation)[0], server.port)
            if status != 200 or EXPECTED.get(operation, b"") not in body:
                self.failed[operation] = f"{status} {body[:200]!r}"

    @property
    def operations(self) -> list[str]:
        return [name for name in self.contender.operations if name not in self.failed]

    def sign(self, operation: str) -> list[bytes]:
        return [self.login.request()] if operation == "Login" else requests(operation, self.client, self.page)

    def measure(self, operation: str, connections: int, seconds: float) -> Figure:
        """Raises LoadError where the operation fails."""
        many = operation in _IN_ENVIRONMENTS
        if (warm := (operation, connections if many else 0)) not in self.warm:
            # Compilers have compiled, and as many environments as will be wanted at once are there.
            drive(self.server.port, *self.sign(operation), connections=connections, seconds=seconds + 2 * many)
            self.warm.add(warm)
        signed = self.sign(operation)
        before = self.server.cpu()
        load = drive(self.server.port, *signed, connections=connections, seconds=seconds)
        cpu = (self.server.cpu() - before) / load.requests
        return Figure(self.contender.name, operation, connections, load.rate, load.p50, load.p99, cpu * 1e6)


def main() -> int:
    options = _options()
    install()
    wanted = [
        contender.quicker() if options.quick else contender
        for contender in everyone()
        if (not options.only or {contender.name.split()[0], contender.name} & set(options.only)) and contender.present
    ]
    wanted = [contender for contender in wanted if contender.operations]
    results = Results(**described(), quick=options.quick)
    connections = (16,) if options.quick else CONNECTIONS
    with contextlib.ExitStack() as stack:
        running = list(_start(stack, wanted, results))
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            for count in connections:
                if number < _ROUNDS[count]:
                    _round(running, results, count, options.seconds)
        for one in running:
            results.starts[one.contender.name].loaded_bytes = one.server.memory()
            if one.contender.runtimes:
                results.cold += cold.measure(one.client, one.contender, times=3 if options.quick else 10)
    if not options.only or "limits" in options.only:
        results.limits = limits.measure(quick=options.quick)
    results.ended = now()
    print(table.of(results))
    write(results, options.output)
    print("\n".join(goals.lines(results)))
    print(f"{options.output}: compare with another by bench/compare.py", file=sys.stderr)
    if not options.quick and not options.only:
        report.write(results)
    return 0


def _start(stack: contextlib.ExitStack, wanted: list[Contender], results: Results) -> Iterator[Running]:
    for contender in wanted:
        try:
            server, seconds = _started(stack, contender, 1 if results.quick else 3)
        except (StartError, OSError) as error:
            _leave_out(results, contender, "start", str(error))
            continue
        stack.callback(server.stop)
        one = Running(contender, server)
        results.starts[contender.name] = Start(seconds, one.idle, 0, contender.size)
        for operation, why in one.failed.items():
            _leave_out(results, contender, operation, why)
        yield one


def _started(stack: contextlib.ExitStack, contender: Contender, times: int) -> tuple[Server, float]:
    """A server that runs, and the median of its starts from nothing."""
    taken: list[float] = []
    while True:
        server = contender.start(stack.enter_context(folder(contender.name.split()[0])))
        taken.append(server.started)
        if len(taken) == times:
            return server, statistics.median(taken)
        server.stop()


def _round(running: list[Running], results: Results, connections: int, seconds: float) -> None:
    """All contenders of an operation one after another, so that a noisy moment hits neighbours, not a column."""
    for operation in dict.fromkeys(name for one in running for name in one.operations):
        for one in running:
            if operation not in one.operations or connections > _MOST.get(operation, connections):
                continue
            if (operation, connections) in one.broken:
                continue
            try:
                results.figures.append(one.measure(operation, connections, seconds))
            except LoadError as error:
                one.broken.add((operation, connections))
                _leave_out(results, one.contender, f"{operation} with {connections} connections", str(error))


def _leave_out(results: Results, contender: Contender, operation: str, why: str) -> None:
    results.absent[f"{contender.name}, {operation}"] = why[:200]
    print(f"{contender.name} has no {operation}: {why[:200]}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Pileus beside its peers.")
    parser.add_argument("--quick", action="store_true", help="16 connections only, one second each: under 3 minutes")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="these contenders (pileus, ministack, …)")
    parser.add_argument("--rounds", type=int, default=0, help="3, or 2 when quick")
    parser.add_argument("--seconds", type=float, default=0, help="of load for one figure: 1")
    parser.add_argument("--output", type=Path, default=HERE / "results/last.json", help="the result file")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.seconds = options.seconds or 1
    return options


if __name__ == "__main__":
    sys.exit(main())
