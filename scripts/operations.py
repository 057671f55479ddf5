"""Writes docs/operations.md: the operations that each service has, from the code, beside all that AWS has."""

from __future__ import annotations

import sys
from pathlib import Path

from pileus.aws.model import service_model
from pileus.services import all_services

TARGET = Path(__file__).parent.parent / "docs" / "operations.md"


def page() -> str:
    lines = [
        "# Supported operations",
        "",
        "Written by `scripts/operations.py` from the code. An operation that is not here answers `NotImplemented` and"
        " names itself.",
        "",
        "| service | operations | of AWS's |",
        "| --- | --- | --- |",
    ]
    services = sorted((name, service) for name, service in all_services().items() if service.operations)
    for name, service in services:
        lines.append(f"| [{name}](#{name}) | {len(service.operations)} | {len(service_model(name).operation_names)} |")
    for name, service in services:
        have = sorted(service.operations)
        missing = sorted(set(service_model(name).operation_names) - set(have))
        lines += ["", f"## {name}", "", ", ".join(have) + "."]
        if missing:
            lines += ["", "Not there: " + ", ".join(missing) + "."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page())
    print(TARGET, file=sys.stderr)
