from __future__ import annotations

from pileus.runtime.languages.language import Language

IDENTIFIERS: tuple[str, ...] = ()


def find(runtime: str) -> Language | None:
    return None
