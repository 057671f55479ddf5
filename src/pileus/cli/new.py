"""`pileus new`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from pileus.cli.errors import CommandError

_STARTER = Path(__file__).parent / "starter"
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


def new(
    name: Annotated[Path, typer.Argument(help="The folder to make; its last part names the application.")],
) -> None:
    """Make a small working application: a page, a function that it calls with a guest's credentials, and a table."""
    own = name.name
    if not _BUCKET_NAME.fullmatch(own):
        raise CommandError(
            f"{own!r} cannot name a site; use 3 to 63 lower-case letters, digits and hyphens.", exit_code=2
        )
    if name.exists() and (not name.is_dir() or any(name.iterdir())):
        raise CommandError(f"{name} is there already and not empty; choose another name.")
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in sorted(_STARTER.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            target = name / path.relative_to(_STARTER)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(path.read_text().replace("RUNTIME", runtime).replace("NAME", own))
    print(f"{name} is made. Start the cloud with `pileus up`, then in another terminal:")
    print(f"  cd {name} && pileus deploy --stack {own}")
