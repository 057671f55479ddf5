"""DynamoDB's numbers: up to 38 significant digits, magnitudes from 1E-130 to 9.99…E+125, never floating point.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from functools import lru_cache

from pileus.services.dynamodb.errors import validation

_FORM = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII)
_DIGITS = 38
_HIGHEST, _LOWEST = 125, -130
# Enough for the sum of the largest and the smallest number.
_OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
_EXACT = Context(prec=400, traps=[])

# Where the sign, and for negative numbers the whole rest, decides the order.
_NEGATIVE, _ZERO, _POSITIVE = b"\x10", b"\x20", b"\x30"


def _parse(text: str) -> tuple[bool, str, int]:
    """Sign, significant digits and the exponent of the first one; no digits for zero."""
    if text.isdigit() and text.isascii() and text[0] != "0" and len(text) <= _DIGITS:
        return False, text.rstrip("0"), len(text) - 1
    match = _FORM.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise validation(f"The parameter cannot be converted to a numeric value{': ' + text if text else ''}")
    whole, fraction = match[2], match[3] or ""
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return False, "", 0
    exponent_text = match[4] or "0"
    # Nothing within the limits has an exponent this long; int() of a megabyte of digits would take its time.
    exponent = int(exponent_text) if len(exponent_text) < 12 else (-1 if exponent_text[0] == "-" else 1) * 10**12
    exponent += len(digits) - len(fraction) - 1
    digits = digits.rstrip("0")
    if exponent > _HIGHEST:
        raise validation(_OVERFLOW)
    if exponent < _LOWEST:
        raise validation("Number underflow. Attempting to store a number with magnitude smaller than supported range")
    if len(digits) > _DIGITS:
        raise validation("Attempting to store more than 38 significant digits in a Number")
    return match[1] == "-", digits, exponent


def canonical(text: str) -> str:
    """The one way in which DynamoDB writes this number: no exponent, no superfluous zeros."""
    if text.isdigit() and text.isascii() and len(text) <= _DIGITS and (text[0] != "0" or text == "0"):
        return text
    negative, digits, exponent = _parse(text)
    if not digits:
        return "0"
    sign = "-" if negative else ""
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    if len(digits) <= exponent + 1:
        return sign + digits + "0" * (exponent + 1 - len(digits))
    return f"{sign}{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


@lru_cache(4096)
def size(number: str) -> int:
    """Bytes that DynamoDB counts for a canonical number: one for two digits (pairs start at even powers of ten),
    one for the exponent, one more for a sign."""
    negative, digits, exponent = _parse(number)
    if not digits:
        return 1
    count = len(digits)
    aligned = 0 if count % 2 or exponent % 2 else 1
    return 1 + (count + 1) // 2 + aligned + negative


@lru_cache(4096)
def encode(number: str) -> bytes:
    """Bytes that sort as the numbers do, none of them a prefix of another's.

    Sign, exponent, then the digits in pairs, 1 to 100 each, ended by 0; of a negative number all complemented, so
    that larger magnitudes come first.
    """
    negative, digits, exponent = _parse(number)
    if not digits:
        return _ZERO
    if len(digits) % 2:
        digits += "0"
    pairs = [int(digits[i : i + 2]) + 1 for i in range(0, len(digits), 2)]
    biased = exponent - _LOWEST
    if negative:
        return _NEGATIVE + bytes((255 - biased, *(101 - pair for pair in pairs), 102))
    return _POSITIVE + bytes((biased, *pairs, 0))


def decimal(number: str) -> Decimal:
    return Decimal(number)


def _result(number: Decimal) -> str:
    if len(number.normalize(_EXACT).as_tuple().digits) > _DIGITS:
        # The error's name is odd, but it is DynamoDB's.
        raise validation(_OVERFLOW)
    return canonical(str(number))


def add(left: str, right: str) -> str:
    return _result(_EXACT.add(Decimal(left), Decimal(right)))


def subtract(left: str, right: str) -> str:
    return _result(_EXACT.subtract(Decimal(left), Decimal(right)))
