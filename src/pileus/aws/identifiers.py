"""Ids in the forms that AWS gives them. Random ones come from the operating system's generator."""

from __future__ import annotations

import base64
import os
import secrets
import string

_UPPER = string.ascii_uppercase + string.digits
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


_beginning = ""
_counter = 0


def request_id() -> str:
    """A UUID of version 4 by its form (RFC 9562, 5.4): what it begins with is random and the process's own, its end
    counts from a random number on. No two are the same; nothing may rest on their not being guessed."""
    global _beginning, _counter
    if not _beginning:
        digits = os.urandom(16).hex()
        _beginning = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}-"
        _counter = int(digits[20:], 16)
    _counter = (_counter + 1) & 0xFFFFFFFFFFFF
    return f"{_beginning}{_counter:012x}"


def _forget() -> None:
    """A forked process must not give the ids that its parent gives."""
    global _beginning
    _beginning = ""


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
