"""The house rules that ARCHITECTURE.md states, held against the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "pileus"
ROOMS = ["testing", "cli", "gateway", "console", "services", "runtime", "security", "metering", "store", "aws"]
"""From the top down. What is only needed for types (TYPE_CHECKING) may point up."""

ONE_SERVICE = {("dynamodbstreams", "dynamodb")}
"""AWS gives these two endpoints; they read the same records."""

MODULES = sorted(SOURCE.rglob("*.py"))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from _imports(node)


def _own_imports(path: Path) -> list[list[str]]:
    tree = ast.parse(path.read_text())
    return [name.split(".")[1:] for name in _imports(tree) if name.startswith("pileus.")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    parts = path.relative_to(SOURCE).parts
    if len(parts) == 1:
        return
    own = ROOMS.index(parts[0])
    for imported in _own_imports(path):
        if imported[0] in ROOMS:
            assert ROOMS.index(imported[0]) >= own, f"{'/'.join(parts)} imports {'.'.join(imported)}"


@pytest.mark.parametrize("package", sorted(p.parent.name for p in SOURCE.glob("services/*/__init__.py")))
def test_services_do_not_import_each_other(package: str) -> None:
    for path in (SOURCE / "services" / package).rglob("*.py"):
        for imported in _own_imports(path):
            if imported[0] == "services" and (SOURCE / "services" / imported[1]).is_dir():
                same = imported[1] == package or (package, imported[1]) in ONE_SERVICE
                assert same, f"{path.name} imports {'.'.join(imported)}"
