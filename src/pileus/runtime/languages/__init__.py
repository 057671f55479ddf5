"""The languages that functions are written in: one file each, all of one form (`language.Language`)."""

from __future__ import annotations

from pileus.runtime.languages import java, node, provided, python
from pileus.runtime.languages.language import Language

_FAMILIES = (python, node, java, provided)


def find(runtime: str) -> Language | None:
    """The language of a runtime identifier (`python3.12`), None for an identifier that Pileus does not know."""
    for family in _FAMILIES:
        language: Language | None = family.find(runtime)
        if language is not None:
            return language
    return None


def identifiers() -> list[str]:
    return [identifier for family in _FAMILIES for identifier in family.IDENTIFIERS]
