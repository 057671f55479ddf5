"""The documentation says what the code does, or these fail."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(path for path in sorted((ROOT / "examples").rglob("*.md")) if "node_modules" not in path.parts),
]


def test_the_table_of_operations_is_current() -> None:
    spec = importlib.util.spec_from_file_location("operations", ROOT / "scripts" / "operations.py")
    assert spec is not None and spec.loader is not None
    operations = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(operations)
    assert operations.TARGET.read_text() == operations.page(), "run scripts/operations.py"


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("## Dependencies")[2]
    for dependency in project["dependencies"]:
        name = re.split(r"[\[;<>=! ]", dependency)[0]
        assert re.search(rf"\| [^|]*\b{re.escape(name)}\b[^|]* \|", table), f"{name} has no line in ARCHITECTURE.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


def test_every_page_can_be_found() -> None:
    linked = set(re.findall(r"\]\(docs/([^)#]+)\)", (ROOT / "README.md").read_text()))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert pages <= linked, f"README.md does not lead to {pages - linked}"
