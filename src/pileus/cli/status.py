"""`pileus status`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from pileus.cli.errors import CommandError
from pileus.cli.running import DEFAULT_DATA, Data, find, trust
from pileus.cli.session import Session, Target

_HELD: dict[str, tuple[str, str, str]] = {
    "stacks": ("cloudformation", "describe_stacks", "Stacks"),
    "functions": ("lambda", "list_functions", "Functions"),
    "tables": ("dynamodb", "list_tables", "TableNames"),
    "buckets": ("s3", "list_buckets", "Buckets"),
    "identity pools": ("cognito-identity", "list_identity_pools", "IdentityPools"),
    "roles": ("iam", "list_roles", "Roles"),
    "log groups": ("logs", "describe_log_groups", "logGroups"),
}


def status(data: Data = DEFAULT_DATA) -> None:
    """Say what the running cloud is and holds: its address, its isolation, its runtimes, and how much is in it."""
    from pileus.cli.running import variables

    data = find(data)
    address = variables(data)["AWS_ENDPOINT_URL"]
    health = _health(address)
    isolation = health.get("isolation", {})
    runtimes = isolation.get("runtimes", {})
    ready = [name for name, state in runtimes.items() if state == "ready"]
    lines = {
        "address": address,
        "version": health.get("version", ""),
        "region": health.get("region", ""),
        "data": f"{data.resolve()} ({_size(data)})",
        "durability": health.get("durability", ""),
        "workers": health.get("workers", ""),
        "isolation": "complete" if isolation.get("complete") else "; ".join(isolation.get("missing", [])) or "none",
        "runtimes": ", ".join(ready) or "none",
    }
    for name, value in lines.items():
        print(f"{name:<16}{value}")
    session = Session(Target.pileus, data)
    for name, (service, operation, member) in _HELD.items():
        print(f"{name:<16}{_count(session.client(service), operation, member)}")


def _health(address: str) -> dict[str, Any]:
    try:
        with urlopen(f"{address}/_pileus/health", timeout=10, context=trust(address)) as answer:  # noqa: S310 - our own cloud
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError as error:
        raise CommandError(f"The cloud at {address} does not answer ({error}); start it with `pileus up`.") from None


def _count(client: Any, operation: str, member: str) -> int:
    call: Callable[..., Any] = getattr(client, operation)
    options = {"MaxResults": 60} if member == "IdentityPools" else {}
    if not client.can_paginate(operation):
        return len(call(**options)[member])
    return sum(len(page[member]) for page in client.get_paginator(operation).paginate(**options))


def _size(data: Path) -> str:
    size = float(sum(path.stat().st_size for path in data.rglob("*") if path.is_file()))
    for unit in ("bytes", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
