"""The results as a picture (SVG, light and dark): for each operation, how many times as many requests a second Pileus
serves as each of its peers, on one logarithmic axis with the peers' own level as its line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from results import Figure, Results

_OPERATIONS = {
    "GetItem": "DynamoDB GetItem",
    "PutItem": "DynamoDB PutItem",
    "Query": "DynamoDB Query, 20 items",
    "GetObject": "S3 GetObject, 1 KB",
    "PutObject": "S3 PutObject, 1 KB",
    "GetObject 10 MB": "S3 GetObject, 10 MB",
    "Website": "Website, 1 KB",
    "GetCallerIdentity": "STS GetCallerIdentity",
    "Invoke": "Lambda, warm, Python",
    "Invoke Node.js": "Lambda, warm, Node.js",
    "Login": "The to-do application's whole login",
}
_OWN = "pileus relaxed ×1"
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_WIDTH, _LEFT, _RIGHT = 860, 170, 150
_TOP = 112
_BAR, _ROW, _HEAD, _GAP = 14, 20, 21, 9


def of(results: Results) -> str:
    medians = results.medians()
    count = 16 if any(key[2] == 16 for key in medians) else max(key[2] for key in medians)
    groups = []
    for operation, title in _OPERATIONS.items():
        own = medians.get((_OWN, operation, count))
        if own is not None:
            peers = [
                figure
                for (contender, name, of_it), figure in medians.items()
                if name == operation and of_it == count and not contender.startswith(("pileus", "constant", "uvicorn"))
            ]
            groups.append((title, own, sorted(peers, key=lambda peer: -peer.rate)))
    axis = _Axis([own.rate / peer.rate for _, own, peers in groups for peer in peers])
    rows: list[str] = []
    y = _TOP
    for title, own, peers in groups:
        alone = "" if peers else "; no peer here has it"
        rows.append(
            f'<text class="over" x="20" y="{y + 12}"><tspan class="head">{escape(title)}</tspan>'
            f'<tspan class="quiet" dx="8">Pileus {_number(own.rate)} a second{alone}</tspan></text>'
        )
        y += _HEAD
        for peer in peers:
            rows += _bar(axis, own, peer, y)
            y += _ROW
        y += _GAP
    bottom = y + 4
    return _PAGE.format(
        width=_WIDTH, height=bottom + 74, subtitle=_subtitle(count),
        axis="\n".join(axis.drawn(_TOP - 8, bottom)), rows="\n".join(rows), foot=_foot(results), foot_y=bottom + 59,
    )  # fmt: skip


class _Axis:
    """Logarithmic, from one of the ticks to another, with 1 in it."""

    def __init__(self, ratios: list[float]) -> None:
        lowest, highest = min([0.5, *ratios]), max([10, *ratios])
        begin = max((tick for tick in _TICKS if tick <= lowest), default=_TICKS[0])
        end = min((tick for tick in _TICKS if tick >= highest), default=_TICKS[-1])
        self.ticks = [tick for tick in _TICKS if begin <= tick <= end]
        self._begin = math.log(begin)
        self._scale = (_WIDTH - _LEFT - _RIGHT) / (math.log(end) - self._begin)

    def x(self, ratio: float) -> float:
        return _LEFT + max(0.0, math.log(ratio) - self._begin) * self._scale

    def drawn(self, top: int, bottom: int) -> Iterator[str]:
        for tick in self.ticks:
            x = self.x(tick)
            kind = "even" if tick == 1 else "grid"
            yield f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
            for y in (top - 6, bottom + 15):
                yield f'<text class="tick" x="{x:.1f}" y="{y}">{tick:g}×</text>'
        label = "requests a second of Pileus, divided by the peer's (logarithmic)"
        yield f'<text class="tick" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{bottom + 33}">{label}</text>'


def _bar(axis: _Axis, own: Figure, peer: Figure, y: int) -> Iterator[str]:
    ratio = own.rate / peer.rate
    begin, end = sorted((axis.x(1), axis.x(ratio)))
    middle = y + _BAR - 3
    yield f'<text class="name" x="{_LEFT - 10}" y="{middle}">{escape(peer.contender)}</text>'
    yield (
        f'<rect class="{"more" if ratio >= 1 else "less"}" x="{begin:.1f}" y="{y}" width="{max(1.5, end - begin):.1f}"'
        f' height="{_BAR}" rx="2"/>'
    )
    yield (
        f'<text class="over" x="{end + 7:.1f}" y="{middle}"><tspan class="head">{_ratio(ratio)}</tspan>'
        f'<tspan class="quiet" dx="7">{_number(peer.rate)} a second</tspan></text>'
    )


def _subtitle(count: int) -> str:
    lines = (line.format(count=count) for line in _SUBTITLE)
    return "\n".join(
        f'<text class="quiet" x="20" y="{51 + 18 * n}">{escape(line)}</text>' for n, line in enumerate(lines)
    )


def _foot(results: Results) -> str:
    machine = results.machine
    return escape(f"{results.commit}, {results.began[:10]}, {machine['cores']} cores of {machine['cpu']}; make bench")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _ratio(value: float) -> str:
    return f"{value:,.0f}×" if value >= 10 else f"{value:.1f}×" if value >= 0.95 else f"{value:.2f}×"


_SUBTITLE = (
    "{count} connections, one worker. Pileus checks every signature and policy and writes to disk;",
    "ministack, moto and dynalite check neither and keep their state in memory.",
)
_PAGE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"
 role="img" aria-label="How many times as many requests a second Pileus serves as its peers, by operation">
<style>
 text {{ font: 12.5px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }}
 .title {{ font-size: 17px; font-weight: 600 }} .head {{ font-weight: 600 }}
 .name {{ text-anchor: end }} .tick {{ text-anchor: middle; font-size: 11.5px }} .tick, .quiet {{ fill: #59636e }}
 .over {{ paint-order: stroke; stroke: #ffffff; stroke-width: 5px; stroke-linejoin: round }}
 .paper {{ fill: #ffffff }} .grid {{ stroke: #e4e7eb }} .even {{ stroke: #59636e; stroke-width: 1.5 }}
 .more {{ fill: #1f6feb }} .less {{ fill: #d9730d }}
 @media (prefers-color-scheme: dark) {{
  text {{ fill: #f0f6fc }} .tick, .quiet {{ fill: #9198a1 }}
  .paper {{ fill: #0d1117 }} .over {{ stroke: #0d1117 }} .grid {{ stroke: #262c36 }} .even {{ stroke: #9198a1 }}
  .more {{ fill: #4493f8 }} .less {{ fill: #f0883e }}
 }}
</style>
<rect class="paper" width="{width}" height="{height}"/>
<text class="title" x="20" y="30">How many times as many requests a second Pileus serves</text>
{subtitle}
{axis}
{rows}
<text class="quiet" x="20" y="{foot_y}">{foot}</text>
</svg>
"""
