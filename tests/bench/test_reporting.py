"""What a run found becomes a picture, a page and outcomes of goals, whatever parts of it are missing."""

import importlib
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of the bench, which is a folder of programs and no package."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(BENCH)):
            del sys.modules[name]


def run_of(bench: Any, *figures: tuple[str, str, int, float, float]) -> Any:
    results = bench("results")
    found = results.Results(
        machine={"cpu": "some", "cores": "2", "memory": "1 GiB", "kernel": "6.1", "python": "3.11", "load": "0 0 0"},
        commit="abc",
        began="2026-11-24T00:00:00+00:00",
        quick=False,
        limits={"fsync": 1.0},
    )
    found.figures = [results.Figure(who, what, many, rate, 1.0, 2.0, cpu) for who, what, many, rate, cpu in figures]
    return found


FIGURES = (
    ("constant", "Constant", 16, 30_000.0, 30.0),
    ("pileus relaxed ×1", "GetItem", 16, 9_000.0, 100.0),
    ("pileus relaxed ×2", "GetItem", 16, 11_000.0, 125.0),
    ("pileus relaxed ×1", "PutItem", 16, 8_000.0, 120.0),
    ("pileus full ×1", "PutItem", 16, 4_000.0, 130.0),
    ("ministack", "GetItem", 16, 3_600.0, 300.0),
    ("dynalite", "GetItem", 16, 12_000.0, 80.0),
)


def test_goals_are_met_missed_or_not_measured(bench: Any) -> None:
    outcomes = {one.what: one for one in bench("goals").outcomes(run_of(bench, *FIGURES))}
    missed = outcomes["GetItem ≥ 3 × ministack, one worker"]
    assert (missed.reached, missed.beside, missed.verdict) == ("2.50 ×", "3.00 ×", "missed")
    dynalite = outcomes["GetItem ≥ 1 × dynalite, two workers"]
    assert (dynalite.reached, dynalite.beside, dynalite.verdict) == ("0.92 ×", "1.28 ×", "missed")
    assert outcomes["GetItem: two workers ≥ 1.7 × one, by processor time"].reached == "1.60 ×"
    # Sixteen relaxed writes take 2 ms and the fsync 1 ms; the full ones took 4 ms.
    assert outcomes["PutItem, full, ≥ 60 % of one fsync for each group commit"].reached == "75.0 %"
    assert outcomes["PutItem, full, ≥ 60 % of one fsync for each group commit"].verdict == "met"
    assert outcomes["warm invocation ≥ 50 × ministack"].verdict == "not measured"


def test_the_picture_holds_each_peer(bench: Any) -> None:
    drawn = ElementTree.fromstring(bench("picture").of(run_of(bench, *FIGURES)))  # noqa: S314 - our own
    texts = ["".join(text.itertext()) for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"ministack", "dynalite"} <= set(texts)
    assert any(text.startswith("2.5×") for text in texts)
    assert any(text.startswith("0.75×") for text in texts)
    assert "DynamoDB PutItemPileus 8,000 a second; no peer here has it" in texts


def test_the_page_keeps_its_prose(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = bench("report")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report._BEGIN}\nfigures of before\n{report._END}\nafter\n")
    monkeypatch.setattr(report, "_PAGE", page)
    monkeypatch.setattr(report, "_PICTURE", tmp_path / "images/picture.svg")
    for _ in range(2):
        report.write(run_of(bench, *FIGURES))
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "figures of before" not in text
    assert text.count("| GetItem | 9,000 / 100 |") == 1
    assert (tmp_path / "images/picture.svg").exists()
