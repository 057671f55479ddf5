"""`pileus account create`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from pileus.cli.running import DEFAULT_DATA, Data, exports, one_line, variables


def create(
    name: Annotated[str, typer.Argument(help="What to call the account.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Make another account and print its root key as shell lines, with its number as PILEUS_ACCOUNT_ID."""
    from pileus.aws.clock import Clock
    from pileus.gateway import cloud as clouds
    from pileus.security import accounts
    from pileus.services.context import Settings

    with one_line():
        clouds.read_running(data)
        store = clouds.open_store(Settings(data))
        now = Clock().time()
        try:
            key = asyncio.run(store.transact(lambda tx: accounts.create_account(tx, name, now)))
        finally:
            store.close()
    print(exports({**variables(data, key.account), "PILEUS_ACCOUNT_ID": key.account}))
