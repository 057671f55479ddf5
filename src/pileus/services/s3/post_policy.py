"""The policy of a browser's upload form (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pileus.aws.errors import AWSError

# Fields that no condition has to name.
_FREE = frozenset({"policy", "x-amz-signature", "signature", "awsaccesskeyid", "file", "x-amz-content-sha256"})


_SIMPLE = "Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."


class Limits:
    """What the policy allows of the file's length."""

    def __init__(self) -> None:
        self.least = 0
        self.most: int | None = None

    def check(self, size: int) -> None:
        if self.most is not None and size > self.most:
            raise AWSError(
                "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed size",
                status=400,
                ProposedSize=str(size),
                MaxSizeAllowed=str(self.most),
            )
        if size < self.least:
            raise AWSError(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                status=400,
                ProposedSize=str(size),
                MinSizeAllowed=str(self.least),
            )


def check(encoded: str, fields: Mapping[str, str], bucket: str, now: float) -> Limits:
    """Holds the form's fields against its policy. Raises InvalidPolicyDocument for one that cannot be read,
    AccessDenied for fields that it does not allow."""
    document = _read(encoded)
    if _expiration(document) <= now:
        raise _denied("Invalid according to Policy: Policy expired.")
    conditions = document.get("conditions")
    if not isinstance(conditions, list):
        raise _invalid("Invalid Policy: Missing 'conditions' list.")
    values = {**fields, "bucket": bucket}
    named: set[str] = {"bucket"}
    limits = Limits()
    for condition in conditions:
        _apply(condition, values, named, limits)
    for name in values:
        if name not in named and name not in _FREE and not name.startswith(("x-ignore-", "x-amz-checksum-")):
            raise _denied(f"Invalid according to Policy: Extra input fields: {name}")
    return limits


def _read(encoded: str) -> dict[str, Any]:
    try:
        document = json.loads(base64.b64decode(encoded, validate=False))
    except (binascii.Error, ValueError, RecursionError):
        raise _invalid("Invalid Policy: Invalid JSON.") from None
    if not isinstance(document, dict):
        raise _invalid("Invalid Policy: Invalid JSON.")
    return document


def _expiration(document: Mapping[str, Any]) -> float:
    text = document.get("expiration")
    if not isinstance(text, str):
        raise _invalid("Invalid Policy: Policy missing expiration.")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(f"Invalid Policy: Invalid 'expiration' value: '{text}'") from None
    if "T" not in text:
        raise _invalid(f"Invalid Policy: Invalid 'expiration' value: '{text}'")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _apply(condition: Any, values: Mapping[str, str], named: set[str], limits: Limits) -> None:
    if isinstance(condition, dict):
        if len(condition) != 1:
            raise _invalid(_SIMPLE)
        for name, wanted in condition.items():
            _match("eq", name.lower(), wanted, values, named, condition)
        return
    if not isinstance(condition, list) or not condition or not isinstance(condition[0], str):
        raise _invalid("Invalid Policy: Invalid Condition.")
    operator = condition[0].lower()
    if len(condition) != 3:
        raise _invalid("Invalid Policy: Invalid Condition: wrong number of arguments.")
    if operator == "content-length-range":
        try:
            least, most = int(condition[1]), int(condition[2])
        except (TypeError, ValueError, OverflowError):
            raise _failed(condition) from None
        limits.least = max(limits.least, least)
        limits.most = most if limits.most is None else min(limits.most, most)
    elif operator in ("eq", "starts-with"):
        name = condition[1]
        if not isinstance(name, str) or not name.startswith("$"):
            raise _failed(condition)
        _match(operator, name[1:].lower(), condition[2], values, named, condition)
    else:
        raise _invalid(f"Invalid Policy: Invalid Condition: unknown operation '{condition[0]}'.")


def _match(operator: str, name: str, wanted: Any, values: Mapping[str, str], named: set[str], condition: Any) -> None:
    if not isinstance(wanted, str):
        raise _invalid("Invalid Policy: Invalid Condition: values must be strings.")
    named.add(name)
    value = values.get(name, "")
    if operator == "eq":
        holds = value == wanted
    elif name == "content-type":
        # It may be a list, each item of which must begin so.
        holds = all(item.strip().startswith(wanted) for item in value.split(","))
    else:
        holds = value.startswith(wanted)
    if not holds:
        raise _failed(condition)


def _failed(condition: Any) -> AWSError:
    return _denied(f"Invalid according to Policy: Policy Condition failed: {json.dumps(condition)}")


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidPolicyDocument", message, status=400)


def _denied(message: str) -> AWSError:
    return AWSError("AccessDenied", message, status=403)
