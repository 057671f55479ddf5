"""Opening a cloud: its data directory, its keys, its parts."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pileus.aws.clock import Clock
from pileus.gateway.dispatch import perform
from pileus.gateway.periodic import drop_leases
from pileus.metering.meter import Meter
from pileus.security import accounts, keyring
from pileus.security.authorization import Authorizer
from pileus.security.keyring import Keyring
from pileus.services.context import Cloud, Settings
from pileus.store.blobs import Blobs
from pileus.store.interface import Transaction
from pileus.store.sqlite import SQLiteStore

log = logging.getLogger("pileus")


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


def open_cloud(settings: Settings, clock: Clock | None = None) -> Cloud:
    """One worker's cloud. The first account must exist (`prepare`)."""
    clock = clock or Clock()
    store = open_store(settings)
    blobs = Blobs(settings.data / "blobs", settings.durability)
    return Cloud(settings, store, blobs, Keyring(store), Authorizer(store), Meter(store, clock), clock, perform)


async def prepare(store: SQLiteStore, clock: Clock) -> accounts.AccessKey:
    """What every cloud has from its first start on: the first account with its root key, and a sealing key.

    Answers the root key. PILEUS_ROOT_ACCESS_KEY_ID and PILEUS_ROOT_SECRET_ACCESS_KEY, if set at first start, are it.
    """

    def change(tx: Transaction) -> accounts.AccessKey:
        drop_leases(tx)
        if not keyring.has_sealing_key(tx):
            keyring.put_sealing_key(tx, clock.time())
        existing = accounts.root_key(tx)
        if existing is not None:
            return existing
        return accounts.create_account(
            tx,
            "root",
            clock.time(),
            account_id=accounts.FIRST_ACCOUNT,
            key_id=os.environ.get("PILEUS_ROOT_ACCESS_KEY_ID", ""),
            secret=os.environ.get("PILEUS_ROOT_SECRET_ACCESS_KEY", ""),
        )

    return await store.transact(change)


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
