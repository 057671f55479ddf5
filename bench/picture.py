"""The results as a picture, one group of bars an operation (SVG, light and dark).

It shows how many requests a second of processor time serves: unlike the rate, that does not depend on whom the machine
was shared with, nor on the core that the load generator took.
"""

from __future__ import annotations

from html import escape

from results import Figure, Results

_OPERATIONS = (
    "GetItem",
    "PutItem",
    "Query",
    "GetObject",
    "PutObject",
    "Website",
    "GetCallerIdentity",
    "Invoke",
    "Login",
)
_COLOURS = {
    "constant": "#9aa0a6",
    "pileus": "#1a73e8",
    "ministack": "#e8710a",
    "moto": "#a142f4",
    "dynalite": "#188038",
    "s3rver": "#b06000",
    "serverless-offline": "#c5221f",
}
_BAR = 15
_GAP = 22
_LEFT = 190
_WIDTH = 880


def of(results: Results) -> str:
    medians = results.medians()
    count = 16 if any(key[2] == 16 for key in medians) else max(key[2] for key in medians)
    floor = medians.get(("constant", "Constant", count))
    rows: list[str] = []
    y = 70
    for operation in _OPERATIONS:
        figures = [
            figure
            for (contender, name, of_it), figure in medians.items()
            if name == operation and of_it == count and not contender.endswith("×2")
        ]
        if not figures:
            continue
        rows.append(f'<text class="head" x="20" y="{y + 11}">{escape(operation)}</text>')
        longest = max(1e6 / figure.cpu for figure in figures)
        for figure in sorted(figures, key=lambda one: one.cpu):
            rows.append(_bar(figure, y, longest))
            y += _BAR + 3
        y += _GAP
    subtitle = f"{count} connections; functions' own processes included"
    if floor:
        subtitle += f"; the same HTTP server answering a constant: {_number(1e6 / floor.cpu)}"
    return _PAGE.format(
        height=y + 24, width=_WIDTH, subtitle=escape(subtitle), foot=_foot(results), rows="\n".join(rows), foot_y=y + 6
    )


def _bar(figure: Figure, y: int, longest: float) -> str:
    rate = 1e6 / figure.cpu
    length = max(2.0, (_WIDTH - _LEFT - 190) * rate / longest)
    colour = _COLOURS.get(figure.contender.split()[0], "#5f6368")
    middle = y + _BAR - 4
    return (
        f'<text class="name" x="{_LEFT + 130}" y="{middle}">{escape(figure.contender)}</text>'
        f'<rect x="{_LEFT + 138}" y="{y}" width="{length * 0.72:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>'
        f'<text class="value" x="{_LEFT + 144 + length * 0.72:.1f}" y="{middle}">{_number(rate)}</text>'
    )


def _foot(results: Results) -> str:
    return escape(f"Pileus {results.commit}, {results.began[:10]}, {results.machine['cpu']}; make bench")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


_PAGE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"
 role="img" aria-label="Requests that a second of processor time serves, by operation: Pileus beside its peers">
<style>
 text {{ font: 12px system-ui, sans-serif; fill: #202124 }}
 .title {{ font-size: 17px; font-weight: 600 }} .head {{ font-weight: 600 }} .name {{ text-anchor: end }}
 .value, .foot {{ fill: #5f6368 }} .paper {{ fill: #ffffff }}
 @media (prefers-color-scheme: dark) {{
  text {{ fill: #e8eaed }} .value, .foot {{ fill: #9aa0a6 }} .paper {{ fill: #17191c }}
 }}
</style>
<rect class="paper" width="{width}" height="{height}"/>
<text class="title" x="20" y="28">Requests that a second of processor time serves</text>
<text class="foot" x="20" y="47">{subtitle}</text>
{rows}
<text class="foot" x="20" y="{foot_y}">{foot}</text>
</svg>
"""
