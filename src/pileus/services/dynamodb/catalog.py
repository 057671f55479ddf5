"""Finding tables. A table's compiled form is kept as long as its record in the store stays as it is, byte for byte."""

from __future__ import annotations

import re

from pileus.aws import arn as arns
from pileus.aws.errors import constraints_broken
from pileus.services.context import Cloud, Context
from pileus.services.dynamodb.constraints import name_faults
from pileus.services.dynamodb.errors import resource_not_found, validation
from pileus.services.dynamodb.schema import Table, record_key
from pileus.store.interface import Reader, Store

_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}", re.ASCII)
_CACHED = 4096


class Catalog:
    """The tables that this process has used."""

    def __init__(self, cloud: Cloud) -> None:
        self._tables: dict[tuple[str, str, str], Table] = {}

    def find(self, reader: Reader, account: str, region: str, name: str) -> Table | None:
        """As `reader`, a transaction or a snapshot, sees it."""
        identity = (account, region, name)
        key = self._key(identity)
        return self._compiled(identity, key, reader.get(key))

    def current(self, store: Store, identity: tuple[str, str, str]) -> Table | None:
        """As it is now, for the path of a request."""
        table = self._tables.get(identity)
        if table is None:
            key = record_key(*identity)
            return self._compiled(identity, key, store.recall(key))
        stored = store.recall(table.store_key)
        return table if stored == table.stored else self._compiled(identity, table.store_key, stored)

    def _key(self, identity: tuple[str, str, str]) -> bytes:
        table = self._tables.get(identity)
        return table.store_key if table is not None else record_key(*identity)

    def _compiled(self, identity: tuple[str, str, str], key: bytes, stored: bytes | None) -> Table | None:
        if stored is None:
            self._tables.pop(identity, None)
            return None
        table = self._tables.get(identity)
        if table is None or table.stored != stored:
            if len(self._tables) >= _CACHED:
                self._tables.clear()
            table = self._tables[identity] = Table(stored, key)
        return table


def locate(context: Context, name: str) -> tuple[str, str, str]:
    """Account, region and name of a table that a request names, by its name or its ARN."""
    if name.startswith("arn:"):
        try:
            parsed = arns.parse(name)
        except ValueError:
            parsed = None
        if parsed is None or parsed.service != "dynamodb" or not parsed.resource.startswith("table/"):
            raise validation(f"Invalid TableArn: Invalid ResourceArn provided as input {name}")
        if parsed.region != context.region:
            raise validation(f"Invalid TableArn: The region of {name} is not the one of this endpoint")
        return parsed.account, parsed.region, parsed.resource.split("/")[1]
    return context.principal.account, context.region, name


def _check_read_name(name: str) -> None:
    """For operations on items, whose words are newer."""
    faults = list(name_faults(name, shortest=1))
    if faults:
        raise validation(constraints_broken(faults))
    check_name(name)


def check_name(name: str, parameter: str = "TableName") -> None:
    if name.startswith("arn:"):
        return
    if not 3 <= len(name) <= 255:
        raise validation(f"{parameter} must be at least 3 characters long and at most 255 characters long")
    if not _NAME.fullmatch(name):
        first = parameter[0].lower() + parameter[1:]
        raise validation(
            f"1 validation error detected: Value '{name}' at '{first}' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        )


def find_table(context: Context, name: str) -> Table | None:
    return find_at(context, locate(context, name))


def find_at(context: Context, place: tuple[str, str, str]) -> Table | None:
    cloud = context.cloud
    return cloud.part(Catalog).current(cloud.store, place)


def open_table(context: Context, name: str) -> Table:
    """The table, for reading and writing items."""
    table = find_table(context, name)
    if table is None:
        _check_read_name(name)
        raise resource_not_found()
    if table.record.status == "CREATING":
        # It is being restored.
        raise resource_not_found()
    return table


def described_table(context: Context, name: str) -> Table:
    """The table, for operations on tables, which word its absence differently."""
    check_name(name)
    table = find_table(context, name)
    if table is None:
        raise resource_not_found(f"Requested resource not found: Table: {locate(context, name)[2]} not found")
    return table
