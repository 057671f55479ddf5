"""Opening a cloud: its keys, its parts."""

from __future__ import annotations

import os

from pileus.aws.clock import Clock
from pileus.gateway.data_directory import CannotStartError, open_store
from pileus.gateway.dispatch import perform
from pileus.gateway.periodic import drop_leases
from pileus.metering.meter import Meter
from pileus.security import accounts, keyring
from pileus.security.authorization import Authorizer
from pileus.security.keyring import Keyring
from pileus.services.context import Cloud, Settings
from pileus.store.blobs import Blobs
from pileus.store.external_blobs import ExternalBlobs, parse
from pileus.store.interface import Transaction
from pileus.store.sqlite import SQLiteStore


def open_cloud(settings: Settings, clock: Clock | None = None) -> Cloud:
    """One worker's cloud. The first account must exist (`prepare`)."""
    clock = clock or Clock()
    store = open_store(settings)
    blobs = Blobs(settings.data / "blobs", settings.durability)
    _place_blobs(settings, blobs)
    return Cloud(settings, store, blobs, Keyring(store), Authorizer(store), Meter(store, clock), clock, perform)


def _place_blobs(settings: Settings, blobs: Blobs) -> None:
    """S3's contents elsewhere, where the settings say so. What lies elsewhere must be found again at the next start."""
    note = settings.data / "blobs-elsewhere"
    former = note.read_text().strip() if note.exists() else ""
    if former and former != settings.blobs:
        raise CannotStartError(f"Contents of this data directory lie at {former}: start with --blobs '{former}'.")
    if not settings.blobs:
        return
    try:
        external = ExternalBlobs(blobs.area("s3"), parse(settings.blobs))
        external.check()
    except (ValueError, OSError) as error:
        raise CannotStartError(f"--blobs {settings.blobs} cannot be used: {error}") from error
    blobs.put_area("s3", external)
    if not former:
        note.touch(mode=0o600)
        note.write_text(f"{settings.blobs}\n")


async def prepare(store: SQLiteStore, clock: Clock) -> accounts.AccessKey:
    """What every cloud has from its first start on: the first account with its root key, and a sealing key.

    Answers the root key. PILEUS_ROOT_ACCESS_KEY_ID and PILEUS_ROOT_SECRET_ACCESS_KEY, if set at first start, are it.
    """

    def change(tx: Transaction) -> accounts.AccessKey:
        drop_leases(tx)
        if not keyring.has_sealing_key(tx):
            keyring.put_sealing_key(tx, clock.time())
        if not keyring.has_keeping_key(tx):
            keyring.put_keeping_key(tx, clock.time())
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
