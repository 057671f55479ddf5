"""`pileus env`."""

from __future__ import annotations

from pileus.cli.running import DEFAULT_DATA, Data, exports, variables


def env(data: Data = DEFAULT_DATA) -> None:
    """Print shell lines that point AWS tools at the running cloud, as its root: `eval "$(pileus env)"`."""
    print(exports(variables(data)))
