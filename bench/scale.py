"""How figures grow with what a cloud holds: items, objects, log events, functions, roles.

    nice .venv/bin/python bench/scale.py [--largest N] [--only items objects events functions roles]

What finds its record by a key should cost the same with a million as with a thousand (a tree's depth more); what
shows a page should cost the page. Each size is filled in while the cloud is down (`filling.py`); then it is started
and asked over HTTP for keys all over the collection. Figures are processor time, which depends little on whom the
machine is shared with. Writes bench/results/scale.json, from which bench/report.py makes tables.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from contenders import HERE, pileus
from load import LoadError, drive
from machine import described
from processes import Server, folder, quiet
from results import Growth
from scale_kinds import KINDS, Kind
from signed import Client
from table import grown

_CONNECTIONS = 16
_SECONDS = 2.0
RESULT = HERE / "results/scale.json"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how figures grow.")
    parser.add_argument("--largest", type=int, default=1_000_000, help="size to stop at: 1000000")
    parser.add_argument("--only", nargs="*", default=list(KINDS), choices=list(KINDS))
    options = parser.parse_args()
    known = read()
    for name in options.only:
        with folder("scale") as place:
            known[name] = _measure(KINDS[name], place, options.largest)
        print(f"{name}:")
        print("\n".join(grown(known[name])), flush=True)
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        growths = {kind: [{"what": one.what, "values": one.values} for one in rows] for kind, rows in known.items()}
        RESULT.write_text(json.dumps({**described(), "growth": growths}, indent=1, ensure_ascii=False) + "\n")
    return 0


def read() -> dict[str, list[Growth]]:
    """By kind; empty where nothing was measured here."""
    if not RESULT.exists():
        return {}
    growths = json.loads(RESULT.read_text())["growth"]
    return {
        kind: [Growth(row["what"], {int(size): value for size, value in row["values"].items()}) for row in rows]
        for kind, rows in growths.items()
    }


def _measure(kind: Kind, place: Path, largest: int) -> list[Growth]:
    contender = pileus("relaxed", 1)
    server = contender.start(place)
    try:
        kind.prepare(_client(server))
        rows: dict[str, Growth] = {}
        made = 0
        for size in (size for size in kind.sizes if size <= largest):
            began = time.perf_counter()
            if kind.live:
                kind.ask(_client(server), made, size)
            server.stop()
            if not kind.live:
                kind.fill(place / "data", made, size)
            print(f"  {size:,} there, {size - made:,} of them in {time.perf_counter() - began:.0f} s", file=sys.stderr)
            made = size
            server = contender.start(place)
            found = {"start, ms of processor time": server.cpu() * 1000}
            quiet(server)
            found["memory at start, MiB"] = server.memory() / 2**20
            found |= _operations(kind, server, size)
            found["memory afterwards, MiB"] = server.memory() / 2**20
            found["disk, MiB"] = sum(path.stat().st_size for path in (place / "data").glob("store.db*")) / 2**20
            for what, value in found.items():
                rows.setdefault(what, Growth(what, {})).values[size] = value
        return list(rows.values())
    finally:
        server.stop()


def _client(server: Server) -> Client:
    return Client(f"http://127.0.0.1:{server.port}", *pileus("relaxed", 1).key)


def _operations(kind: Kind, server: Server, size: int) -> dict[str, float]:
    """Microseconds of processor time for a request of each."""
    found = {}
    for operation, requests in kind.requests(_client(server), size):
        signed = list(requests)
        try:
            drive(server.port, *signed, connections=_CONNECTIONS, seconds=1)
            before = server.cpu()
            load = drive(server.port, *signed, connections=_CONNECTIONS, seconds=_SECONDS)
            found[operation] = (server.cpu() - before) / load.requests * 1e6
        except LoadError as error:
            print(f"  {operation}: {error}", file=sys.stderr)
            continue
        print(f"    {operation}: {found[operation]:,.0f} µs, p50 {load.p50:.2f} ms", file=sys.stderr)
    return found


if __name__ == "__main__":
    sys.exit(main())
