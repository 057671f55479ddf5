"""The tokens of a filter pattern, taken one after the other."""

from __future__ import annotations

import re

from pileus.services.logs.comparisons import invalid_pattern


class Tokens:
    """Of `text`, by the named groups of `token`. Raises InvalidParameterException where something else stands."""

    def __init__(self, token: re.Pattern[str], text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._place = 0
        place, text = 0, text.rstrip()
        while place < len(text):
            found = token.match(text, place)
            if found is None or found.lastgroup is None:
                raise invalid_pattern()
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()

    @property
    def following(self) -> str:
        """The kind of the next one, empty at the end."""
        return self._tokens[self._place][0] if self._place < len(self._tokens) else ""

    def next(self, *kinds: str) -> str | None:
        """The next one's text where it is of one of the kinds; it is taken then."""
        if self.following not in kinds:
            return None
        self._place += 1
        return self._tokens[self._place - 1][1]
