"""Ids in the forms that AWS gives them. Random ones come from the operating system's generator."""

from __future__ import annotations

import base64
import os
import secrets
import string

_UPPER = string.ascii_uppercase + string.digits
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


_random = b""
_UUID_BYTES = 16
_DRAWN_BYTES = 256 * _UUID_BYTES


def request_id() -> str:
    """A version 4 UUID (RFC 9562, 5.4). The operating system's random bytes are drawn many at once: each draw is a
    system call, and every request needs an id."""
    global _random
    if len(_random) < _UUID_BYTES:
        _random = os.urandom(_DRAWN_BYTES)
    digits, _random = _random[:_UUID_BYTES].hex(), _random[_UUID_BYTES:]
    return (
        f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}-{digits[20:]}"
    )


def _forget() -> None:
    """A forked process must not give the ids that its parent gives."""
    global _random
    _random = b""


os.register_at_fork(after_in_child=_forget)


def unique_id(prefix: str) -> str:
    """An IAM unique id such as AROA… (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html)."""
    return prefix + "".join(secrets.choice(_BASE32) for _ in range(17))


def upper(length: int) -> str:
    """Upper-case letters and digits, as DynamoDB's older request ids are written."""
    return "".join(secrets.choice(_UPPER) for _ in range(length))


def secret_access_key() -> str:
    """40 characters of base64, as AWS's secret access keys are."""
    return base64.b64encode(secrets.token_bytes(30)).decode()
