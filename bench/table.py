"""The results as text: one block for each operation, everything beside Pileus and beside the floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from results import Figure, Growth, Results

REFERENCE = "pileus relaxed ×1"


def of(results: Results) -> str:
    return "\n".join(_lines(results))


def _lines(results: Results) -> Iterator[str]:
    medians = results.medians()
    yield f"Pileus {results.commit}, {results.began}, " + ", ".join(f"{k} {v}" for k, v in results.machine.items())
    operations = list(dict.fromkeys(operation for _, operation, _ in medians))
    counts = sorted({count for _, _, count in medians})
    floors = {count: medians.get(("constant", "Constant", count)) for count in counts}
    for operation in operations:
        yield ""
        rows = [["", *(h for c in counts for h in (f"{c}c req/s", "p50 ms", "p99 ms", "×pileus", "×floor", "cpu µs"))]]
        for contender in dict.fromkeys(name for name, of_it, _ in medians if of_it == operation):
            row = [contender]
            for count in counts:
                figure = medians.get((contender, operation, count))
                row += _cells(figure, medians.get((REFERENCE, operation, count)), floors[count])
            rows.append(row)
        yield operation
        yield from aligned(rows)
    scaling = list(_scaling(medians, counts))
    if scaling:
        yield ""
        yield "Two workers against one, each on a core of its own (twice a request's processor time, by that with two)"
        yield "  " + ", ".join(scaling)
    yield ""
    yield "Start, memory, size"
    rows = [["", "first answer s", "idle MiB", "loaded MiB", "installed MiB"]]
    for name, start in results.starts.items():
        sizes = (start.idle_bytes, start.loaded_bytes, start.installed_bytes)
        rows.append([name, f"{start.seconds:.2f}", *(f"{size / 2**20:.0f}" for size in sizes)])
    yield from aligned(rows)
    if results.cold:
        yield ""
        yield "First invocation of a new function"
        rows = [["", "function", "median ms", "longest ms"]]
        rows += [[c.contender, c.function, f"{c.median:.1f}", f"{c.longest:.1f}"] for c in results.cold]
        yield from aligned(rows)
    if results.limits:
        yield ""
        yield "Limits of this machine: " + ", ".join(f"{name} {ms:.3f} ms" for name, ms in results.limits.items())


_READS = ("GetItem", "Query", "GetObject", "Website", "GetCallerIdentity")


def _scaling(medians: dict[tuple[str, str, int], Figure], counts: Sequence[int]) -> Iterator[str]:
    """The load generator takes a core of two, so the rate itself cannot show it; processor time can."""
    count = 16 if 16 in counts else max(counts)
    for operation in _READS:
        one, two = (medians.get((f"pileus relaxed ×{workers}", operation, count)) for workers in (1, 2))
        if one and two:
            yield f"{operation} {2 * one.cpu / two.cpu:.2f}"


def _cells(figure: Figure | None, reference: Figure | None, floor: Figure | None) -> list[str]:
    if figure is None:
        return ["–"] * 6
    return [
        f"{figure.rate:.0f}",
        f"{figure.p50:.2f}",
        f"{figure.p99:.2f}",
        f"{figure.rate / reference.rate:.2f}" if reference else "–",
        f"{figure.rate / floor.rate:.2f}" if floor else "–",
        f"{figure.cpu:.0f}",
    ]


def grown(rows: Sequence[Growth]) -> Iterator[str]:
    sizes = list(rows[0].values)
    cells = [["", *(f"{size:,}" for size in sizes), "last / first"]]
    for row in rows:
        values = [row.values.get(size) for size in sizes]
        ratio = f"{values[-1] / values[0]:.2f}" if values[0] and values[-1] else "–"
        cells.append([row.what, *(f"{value:,.0f}" if value is not None else "–" for value in values), ratio])
    yield from aligned(cells)


def aligned(rows: Sequence[Sequence[str]], *, left: int = 1) -> Iterator[str]:
    """Columns of text, the first `left` of them beginning alike, the others ending alike."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell.ljust(width) if n < left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"  {'  '.join(cells)}".rstrip()
