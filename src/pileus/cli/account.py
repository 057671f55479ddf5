"""`pileus account create`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from pileus.cli.errors import CommandError
from pileus.cli.running import DEFAULT_DATA, Data, exports, find, one_line, variables


def create(
    name: Annotated[str, typer.Argument(help="What to call the account.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Make another account and print its root key as shell lines, with its number as PILEUS_ACCOUNT_ID."""
    from pileus.aws.clock import Clock
    from pileus.gateway import data_directory
    from pileus.security import accounts
    from pileus.services.context import Settings

    if not name.strip():
        raise CommandError("An account needs a name; give it one.", exit_code=2)
    data = find(data)
    with one_line():
        data_directory.read_running(data)
        store = data_directory.open_store(Settings(data))
        now = Clock().time()
        try:
            key = asyncio.run(store.transact(lambda tx: accounts.create_account(tx, name, now)))
        finally:
            store.close()
    print(exports({**variables(data, key.account), "PILEUS_ACCOUNT_ID": key.account}))
