"""The data directory: opened, held by one Pileus, and saying where the cloud on it answers.

It needs no part of the cloud, so that a command that only asks for an address need not import one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pileus.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from pileus.services.context import Settings


class CannotStartError(Exception):
    """What is wrong and what to do, in one line."""


def open_store(settings: Settings) -> SQLiteStore:
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return SQLiteStore(settings.data / "store.db", settings.durability)
    except OSError as error:
        raise CannotStartError(
            f"The data directory {settings.data} cannot be used ({error}); choose another with --data."
        ) from error


@contextmanager
def lock(data: Path) -> Iterator[None]:
    """Holds the data directory for this Pileus. Raises CannotStartError where another has it."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStartError(
            f"The data directory {data} cannot be used ({error.strerror}); choose another with --data."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise CannotStartError(
            f"Another Pileus uses the data directory {data}; stop it, or choose another with --data."
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


def write_running(data: Path, address: str, region: str) -> None:
    """Where the running cloud answers, for `pileus env` and the other commands."""
    path = data / "running.json"
    beside = data / "running.json.new"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"pid": os.getpid(), "address": address, "region": region}, file)
    beside.replace(path)


def read_running(data: Path) -> dict[str, Any]:
    """Raises CannotStartError where no cloud runs on `data`."""
    try:
        found: dict[str, Any] = json.loads((data / "running.json").read_text())
        os.kill(found["pid"], 0)
    except (OSError, ValueError, KeyError):
        raise CannotStartError(
            f"No cloud is running on the data directory {data}; start one with `pileus up --data {data}`."
        ) from None
    return found
