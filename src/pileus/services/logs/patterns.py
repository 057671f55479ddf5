"""Filter patterns: which messages a search is for.

Terms (`ERROR`, `"two words"`, `?either`, `-not`), selections of JSON messages (`selections`) and of messages of fields
(`delimited`), as https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html has them. Regular
expressions are refused: no engine at hand finds them in time linear in the message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from pileus.services.logs.comparisons import invalid_pattern, refuse_expression, unquoted
from pileus.services.logs.delimited import delimited
from pileus.services.logs.selections import selection

Matches = Callable[[str], bool]

_TERM = re.compile(r'\s*([?-]?)("(?:[^"\\]|\\.)*"|[^\s"]+)')


@lru_cache(256)
def compiled(pattern: str) -> Matches:
    """Raises InvalidParameterException for what is no pattern."""
    text = pattern.strip()
    if not text:
        return lambda message: True
    if text.startswith("{") and text.endswith("}"):
        return selection(text[1:-1])
    if text.startswith("[") and text.endswith("]"):
        return delimited(text[1:-1])
    return _terms(text)


def _terms(text: str) -> Matches:
    every: list[str] = []
    some: list[str] = []
    none: list[str] = []
    place = 0
    while place < len(text):
        found = _TERM.match(text, place)
        if found is None:
            raise invalid_pattern()
        mark, term = found[1], found[2]
        refuse_expression(term)
        {"": every, "?": some, "-": none}[mark].append(unquoted(term))
        place = found.end()
    if some and every:
        # AWS ignores the optional terms where others are required.
        some = []

    def matches(message: str) -> bool:
        return (
            all(term in message for term in every)
            and (not some or any(term in message for term in some))
            and not any(term in message for term in none)
        )

    return matches
