"""RevisionIds of versions and aliases as others move them: a changed policy or changed tags leave another one there.

https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html#lambda-AddPermission-request-RevisionId
"""

from __future__ import annotations

from pileus.services.lambda_.names import FunctionName
from pileus.services.lambda_.records import ALIASES, VERSIONS, Alias, Version, version_number
from pileus.store.interface import Reader, Transaction


def current(reader: Reader, name: FunctionName) -> str:
    """Of the version or the alias that the qualifier says; empty where there is none."""
    holder = _holder(reader, name)
    if holder is None:
        return ""
    return holder.revision if isinstance(holder, Alias) else holder.configuration.revision_id


def move(tx: Transaction, name: FunctionName, revision: str) -> None:
    holder = _holder(tx, name)
    if isinstance(holder, Alias):
        holder.revision = revision
        ALIASES.put(tx, *name.key, name.qualifier, value=holder)
    elif holder is not None:
        holder.configuration.revision_id = revision
        VERSIONS.put(tx, *name.key, version_number(name.qualifier), value=holder)


def _holder(reader: Reader, name: FunctionName) -> Alias | Version | None:
    number = version_number(name.qualifier)
    if number is None:
        return ALIASES.get(reader, *name.key, name.qualifier)
    return VERSIONS.get(reader, *name.key, number)
