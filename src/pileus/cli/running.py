"""The running cloud as the commands find it: by its data directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.aws.errors import AWSError
from pileus.cli.errors import CommandError

if TYPE_CHECKING:
    import ssl

DEFAULT_DATA = Path(os.environ.get("PILEUS_DATA", ".pileus"))

Data = Annotated[Path, typer.Option("--data", help="The data directory of the cloud.", envvar="PILEUS_DATA")]


@contextmanager
def one_line() -> Iterator[None]:
    """What the cloud says of a failure is the line that the person reads."""
    from pileus.gateway.data_directory import CannotStartError

    try:
        yield
    except CannotStartError as error:
        raise CommandError(str(error)) from error
    except AWSError as error:
        raise CommandError(error.message) from error


def find(data: Path) -> Path:
    """The data directory that `data` means: the default one is looked for in the folders around this one, too, so
    that commands work inside a project. Another user's is never taken: its address would be told our calls."""
    if data != DEFAULT_DATA or data.is_absolute():
        return data
    for folder in (Path.cwd(), *Path.cwd().parents):
        found = folder / data
        if (found / "running.json").exists() and found.stat().st_uid == os.getuid():
            return found
    return data


def variables(data: Path, account: str = "") -> dict[str, str]:
    """By which AWS's tools find the cloud, as the root of `account`, the first one where empty. Raises
    CommandError."""
    from pileus.gateway import data_directory
    from pileus.security import accounts
    from pileus.services.context import Settings

    data = find(data)
    with one_line():
        running = data_directory.read_running(data)
        store = data_directory.open_store(Settings(data))
    key = accounts.root_key(store, account or accounts.FIRST_ACCOUNT)
    store.close()
    if key is None:
        raise CommandError(f"There is no account {account or accounts.FIRST_ACCOUNT} in {data}.")
    return {
        "AWS_ENDPOINT_URL": running["address"],
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_REGION": running["region"],
        "AWS_DEFAULT_REGION": running["region"],
    }


def trust(address: str) -> ssl.SSLContext | None:
    """Whose certificates count where the cloud speaks TLS: those that boto3 and the AWS CLI trust, too."""
    import ssl

    if not address.startswith("https:"):
        return None
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)


def exports(values: dict[str, str]) -> str:
    """Lines for a POSIX shell."""
    import shlex

    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())
