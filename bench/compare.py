"""Two result files side by side: `.venv/bin/python bench/compare.py BEFORE [AFTER]`.

Rates are compared as such and as ratios to the floor of their own run, which takes the machine's mood out; exits with 1
where the ratio of any Pileus figure fell by more than the tolerance.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from contenders import HERE
from results import Results, read
from table import aligned


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare two runs of the bench.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?", default=HERE / "results/last.json")
    parser.add_argument("--tolerance", type=float, default=0.2, help="how much of a ratio may be lost: 0.2")
    options = parser.parse_args()
    before, after = read(options.before), read(options.after)
    for name, value in before.machine.items():
        if value != after.machine.get(name):
            print(f"{name}: {value} before, {after.machine.get(name)} after")
    old, new = _relative(before), _relative(after)
    rows = [["", "operation", "conn", "before", "after", "change", "cpu before", "cpu after"]]
    slower = False
    for key in old:
        if key in new:
            (rate, floor, cpu), (new_rate, new_floor, new_cpu) = old[key], new[key]
            change = (new_floor / floor if floor and new_floor else new_rate / rate) - 1
            slower |= key[0].startswith("pileus") and change < -options.tolerance
            rows.append(
                [key[0], key[1], str(key[2]), f"{rate:.0f}", f"{new_rate:.0f}", f"{change:+.0%}", f"{cpu:.0f}",
                 f"{new_cpu:.0f}"]
            )  # fmt: skip
    print("\n".join(aligned(rows)))
    return 1 if slower else 0


def _relative(results: Results) -> dict[tuple[str, str, int], tuple[float, float, float]]:
    """Rate, rate as a share of the floor's (0 where there is none), processor time."""
    medians = results.medians()
    found = {}
    for key, figure in medians.items():
        floor = medians.get(("constant", "Constant", key[2]))
        found[key] = (figure.rate, figure.rate / floor.rate if floor else 0.0, figure.cpu)
    return found


if __name__ == "__main__":
    sys.exit(main())
