"""X-Ray's header, as far as it is passed on.

https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
"""

from __future__ import annotations

import os
import time


def header(sampled: str) -> str:
    """Of a new trace; `sampled` is 0 or 1."""
    digits = os.urandom(20).hex()
    return f"Root=1-{int(time.time()):08x}-{digits[:24]};Parent={digits[24:]};Sampled={sampled}"


def fields(text: str) -> dict[str, str]:
    return dict(part.strip().partition("=")[::2] for part in text.split(";") if "=" in part)
