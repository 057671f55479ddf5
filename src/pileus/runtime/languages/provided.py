"""Programs that speak the Runtime API themselves: an executable called `bootstrap`."""

from __future__ import annotations

import functools

from pileus.runtime.interface import Directories, FunctionVersion
from pileus.runtime.languages.language import LAYERS, TASK, Language

IDENTIFIERS = ("provided.al2023", "provided.al2")


@functools.cache
def find(runtime: str) -> Language | None:
    return Language(runtime, program=_program) if runtime in IDENTIFIERS else None


def _program(function: FunctionVersion, directories: Directories) -> list[str]:
    """In the code, or else in a layer (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html)."""
    in_layer = not (directories.task / "bootstrap").exists() and any(
        (layer / "bootstrap").exists() for layer in directories.layers
    )
    return [f"{LAYERS if in_layer else TASK}/bootstrap"]
