"""The figures of a whole run into docs/benchmarks.md, between their two marks, and the picture into docs/images.

    .venv/bin/python bench/report.py [RESULT]

Prose is written by hand, around the marks; figures never are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import goals
import picture
import scale
from contenders import HERE, ROOT
from results import Figure, Growth, Results, read

_PAGE = ROOT / "docs/benchmarks.md"
_PICTURE = ROOT / "docs/images/bench.svg"
_BEGIN, _END = "<!-- figures: bench/report.py writes what follows -->", "<!-- end of the figures -->"
_ONE, _TWO, _FULL = "pileus relaxed ×1", "pileus relaxed ×2", "pileus full ×1"
_NAMES = {
    _ONE: "Pileus",
    _TWO: "Pileus, two workers",
    _FULL: "Pileus, full",
    "pileus full ×2": "Pileus, full, two workers",
    "constant": "the constant",
    "uvicorn": "the constant, through uvicorn",
}
_NONE = "–"


def write(results: Results) -> None:
    before, _, rest = _PAGE.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{chr(10).join(_lines(results))}\n\n{_END}{after}")
    _PICTURE.parent.mkdir(parents=True, exist_ok=True)
    _PICTURE.write_text(picture.of(results))


def _lines(results: Results) -> Iterator[str]:
    machine = results.machine
    yield (
        f"One run at `{results.commit}`, {results.began[:10]}: {machine['cores']} cores of an {machine['cpu']},"
        f" {machine['memory']}, Linux {machine['kernel'].split('-')[0]}, Python {machine['python']}; load before it"
        f" {machine['load']}."
    )
    medians = results.medians()
    for title, made in (
        ("Requests a second / processor time of each in µs, 16 connections", _rates(medians)),
        ("How many times as many requests a second as each of them, 16 connections", _ratios(medians)),
        ("Latency in ms, median / 99th of a hundred", _latencies(medians)),
        ("First invocation of a new function, median / longest ms", _cold(results)),
        ("Start, memory (functions' environments in it, when loaded), size", _starts(results)),
        ("Beside what no implementation could beat", _limits(results, medians)),
        ("Goals", _goals(results)),
    ):
        yield from ("", f"### {title}", "", *_table(list(made)))
    if results.absent:
        yield ""
        yield "Left out, for they did not answer as they must: " + "; ".join(results.absent) + "."
    for kind, rows in scale.read().items():
        yield from ("", f"### How it grows with {kind}", "", *_table(list(_growth(rows))))


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    head, *body = rows
    yield f"| {' | '.join(head)} |"
    yield f"| --- |{' ---: |' * (len(head) - 1)}"
    for row in body:
        yield f"| {' | '.join(row)} |"


Medians = dict[tuple[str, str, int], Figure]


def _named(medians: Medians, *, without: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """Operations and contenders: Pileus first, then by how many operations they have."""
    operations = dict.fromkeys(operation for _, operation, _ in medians if not operation.startswith("Constant"))
    found = [contender for contender, _, _ in medians if contender not in {"constant", "uvicorn", *without}]
    contenders = sorted(dict.fromkeys(found), key=lambda one: (not one.startswith("pileus"), -found.count(one)))
    return list(operations), contenders


def _rates(medians: Medians) -> Iterator[list[str]]:
    operations, contenders = _named(medians)
    yield ["", *(_NAMES.get(name, name) for name in contenders)]
    for operation in operations:
        cells = []
        for contender in contenders:
            one = medians.get((contender, operation, 16))
            cells.append(f"{one.rate:,.0f} / {one.cpu:,.0f}" if one else _NONE)
        yield [operation, *cells]


def _ratios(medians: Medians) -> Iterator[list[str]]:
    operations, contenders = _named(medians, without=(_TWO, _FULL, "pileus full ×2", _ONE))
    yield ["Pileus, one worker, beside", *contenders, "the constant"]
    for operation in operations:
        own = medians.get((_ONE, operation, 16))
        if own is None:
            continue
        floor = medians.get(("constant", "Constant 10 MB" if "10 MB" in operation else "Constant", 16))
        others = [*(medians.get((name, operation, 16)) for name in contenders), floor]
        yield [operation, *(f"{own.rate / other.rate:,.2f}" if other else _NONE for other in others)]


def _latencies(medians: Medians) -> Iterator[list[str]]:
    operations, contenders = _named(medians, without=(_TWO, "pileus full ×2", "moto"))
    counts = sorted({count for _, _, count in medians})
    yield ["", "", *(f"{count} connection{'s' * (count > 1)}" for count in counts)]
    for operation in operations:
        for contender in contenders:
            found = [medians.get((contender, operation, count)) for count in counts]
            if any(found):
                cells = [f"{one.p50:.2f} / {one.p99:.2f}" if one else _NONE for one in found]
                yield [operation, _NAMES.get(contender, contender), *cells]


def _cold(results: Results) -> Iterator[list[str]]:
    functions = list(dict.fromkeys(one.function for one in results.cold))
    yield ["", *functions]
    for contender in dict.fromkeys(one.contender for one in results.cold):
        own = {one.function: one for one in results.cold if one.contender == contender}
        yield [
            _NAMES.get(contender, contender),
            *(f"{own[name].median:.1f} / {own[name].longest:.1f}" if name in own else _NONE for name in functions),
        ]


def _starts(results: Results) -> Iterator[list[str]]:
    yield ["", "first answer after s", "idle MiB", "loaded MiB", "installed MiB"]
    for name, start in results.starts.items():
        sizes = (start.idle_bytes, start.loaded_bytes, start.installed_bytes)
        yield [
            _NAMES.get(name, name),
            f"{start.seconds:.2f}",
            *(f"{size / 2**20:,.0f}" if size else _NONE for size in sizes),
        ]


def _limits(results: Results, medians: Medians) -> Iterator[list[str]]:
    """Pileus with one worker; ratios are of times, so 2 means twice the limit's."""
    yield ["", "Pileus", "the limit", "ratio", "what the limit is"]
    for operation in _named(medians)[0]:
        floor = "Constant 10 MB" if "10 MB" in operation else "Constant"
        one, least = medians.get((_ONE, operation, 16)), medians.get(("constant", floor, 16))
        if one and least and not operation.startswith(("Invoke", "Login")):
            yield [operation, f"{one.cpu:,.0f} µs", f"{least.cpu:,.0f} µs", f"{one.cpu / least.cpu:.2f}",
                   "processor time of the same HTTP server answering a constant"]  # fmt: skip
    limits = results.limits
    invoke, least = medians.get((_ONE, "Invoke", 1)), medians.get(("constant", "Constant", 1))
    if invoke and least and "awslambdaric loop" in limits:
        limit = limits["awslambdaric loop"] + least.p50
        yield ["Invoke", f"{invoke.p50:.2f} ms", f"{limit:.2f} ms", f"{invoke.p50 / limit:.2f}",
               "one round of the official runtime client and one constant answer"]  # fmt: skip
    cold = next((one for one in results.cold if (one.contender, one.function) == (_FULL, "python3.12")), None)
    if cold and "fork and import" in limits:
        limit = limits["fork and import"]
        yield ["first invocation, Python", f"{cold.median:.1f} ms", f"{limit:.1f} ms", f"{cold.median / limit:.2f}",
               "a fork that imports the handler, kept apart by nothing"]  # fmt: skip
    full, relaxed = medians.get((_FULL, "PutItem", 16)), medians.get((_ONE, "PutItem", 16))
    if full and relaxed and "fsync" in limits:
        limit = 16 / relaxed.rate + limits["fsync"] / 1000
        yield ["sixteen PutItem, full", f"{16e3 / full.rate:.2f} ms", f"{limit * 1000:.2f} ms",
               f"{16 / full.rate / limit:.2f}",
               f"sixteen relaxed ones and one fsync ({limits['fsync']:.2f} ms)"]  # fmt: skip


def _goals(results: Results) -> Iterator[list[str]]:
    yield ["", "reached", "by processor time", ""]
    for one in goals.outcomes(results):
        yield [f"{one.area}: {one.what}", one.reached, one.beside, one.verdict]


def _growth(rows: Sequence[Growth]) -> Iterator[list[str]]:
    sizes = list(rows[0].values)
    yield ["µs of processor time, unless it says otherwise", *(f"{size:,}" for size in sizes)]
    for row in rows:
        yield [row.what, *(f"{row.values[size]:,.0f}" if size in row.values else _NONE for size in sizes)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the figures of a result file into the docs.")
    parser.add_argument("result", type=Path, nargs="?", default=HERE / "results/last.json")
    write(read(parser.parse_args().result))
    sys.exit(0)
