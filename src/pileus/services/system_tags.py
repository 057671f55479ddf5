"""Tags that begin with `aws:`: the cloud's own, which nobody sets or takes away by a request, and which count towards
no limit (https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html)."""

from __future__ import annotations

from collections.abc import Mapping


def reserved(key: str) -> bool:
    return key[:4].lower() == "aws:"


def system(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if reserved(key)}


def own(tags: Mapping[str, str]) -> dict[str, str]:
    """Those that people set."""
    return {key: value for key, value in tags.items() if not reserved(key)}
