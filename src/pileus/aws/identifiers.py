"""Ids in the forms that AWS gives them. Random ones come from the operating system's generator."""

from __future__ import annotations

import base64
import os
import secrets
import string
import uuid

_UPPER = string.ascii_uppercase + string.digits
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def request_id() -> str:
    """A version 4 UUID, cheaper than uuid.uuid4()."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def unique_id(prefix: str) -> str:
    """An IAM unique id such as AROA… (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html)."""
    return prefix + "".join(secrets.choice(_BASE32) for _ in range(17))


def upper(length: int) -> str:
    """Upper-case letters and digits, as DynamoDB's older request ids are written."""
    return "".join(secrets.choice(_UPPER) for _ in range(length))


def secret_access_key() -> str:
    """40 characters of base64, as AWS's secret access keys are."""
    return base64.b64encode(secrets.token_bytes(30)).decode()
