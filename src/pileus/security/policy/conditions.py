"""The Condition element: every operator, with AWS's rules for keys that are missing or have several values.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html and, for keys with
several values, …/reference_policies_condition-logic-multiple-context-keys-or-values.html.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

from pileus.security.policy.patterns import Patterns, Value, Values

Test = Callable[[str, Values], bool]
"""Whether one value of the request matches any of the policy's values."""

_NAME = re.compile(r"^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$")


class _Texts:
    """String operators: values compared whole, or as patterns."""

    def __init__(self, texts: list[str], variables: bool, *, wildcards: bool, fold: bool = False) -> None:
        self.fold = fold
        self.patterns = Patterns(
            (text.lower() for text in texts) if fold else texts, variables=variables, wildcards=wildcards
        )

    def __call__(self, actual: str, values: Values) -> bool:
        if self.fold:
            return self.patterns.match(actual.lower(), _Lowered(values))
        return self.patterns.match(actual, values)


class _Lowered(NamedTuple):
    values: Values

    def get(self, key: str, /) -> str | tuple[str, ...] | None:
        value = self.values.get(key)
        return value.lower() if isinstance(value, str) else value


class _Arns:
    """ARN operators: each of the six parts is compared by itself, wildcards in it included."""

    _SPLIT = re.compile(r":(?![^{]*\})")

    def __init__(self, texts: list[str], variables: bool) -> None:
        self.everything = "*" in texts
        split = [self._SPLIT.split(text, maxsplit=5) for text in texts]
        self.all_read = all(len(parts) == 6 or parts == ["*"] for parts in split)
        self.patterns = [[Patterns((part,), variables=variables) for part in parts] for parts in split]

    def unreadable(self, found: Value) -> bool:
        return not self.all_read or any(one.count(":") < 5 for one in ((found,) if isinstance(found, str) else found))

    def __call__(self, actual: str, values: Values) -> bool:
        if self.everything:
            return True
        parts = actual.split(":", 5)
        return any(
            len(parts) == len(pattern) == 6
            and all(one.match(part, values) for one, part in zip(pattern, parts, strict=True))
            for pattern in self.patterns
        )


def number(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def moment(text: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 date (https://www.w3.org/TR/NOTE-datetime) or of such seconds."""
    try:
        if re.fullmatch(r"-?\d{5,}(\.\d+)?", text):
            seconds = float(text)
            return seconds if abs(seconds) < 2**63 else None
        if re.fullmatch(r"\d{4}(-\d\d)?", text):
            text = f"{text}-01-01" if len(text) == 4 else f"{text}-01"
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


class _Compared:
    """Operators on numbers, dates, truth values, bytes and addresses: read from text, then compared."""

    def __init__(self, texts: list[str], read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> None:
        values = [read(text) for text in texts]
        self.wanted = [value for value in values if value is not None]
        self.all_read = len(self.wanted) == len(values)
        self.read = read
        self.compare = compare

    def __call__(self, actual: str, values: Values) -> bool:
        value = self.read(actual)
        return value is not None and any(self.compare(value, limit) for limit in self.wanted)

    def unreadable(self, found: Value) -> bool:
        return not self.all_read or any(
            self.read(one) is None for one in ((found,) if isinstance(found, str) else found)
        )


def _compared(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[[list[str], bool], Test]:
    return lambda texts, variables: _Compared(texts, read, compare)


def _truth(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=4096)
def network(text: str) -> Network | None:
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    if mapped is not None and found.prefixlen >= 96:
        return ipaddress.ip_network((mapped, found.prefixlen - 96), strict=False)
    return found


def _inside(address: Network, wanted: Network) -> bool:
    return address.version == wanted.version and address.subnet_of(wanted)  # type: ignore[arg-type]


class Operator(NamedTuple):
    build: Callable[[list[str], bool], Test]
    negated: bool = False


def _texts(*, wildcards: bool = False, fold: bool = False) -> Callable[[list[str], bool], Test]:
    return lambda texts, variables: _Texts(texts, variables, wildcards=wildcards, fold=fold)


OPERATORS: dict[str, Operator] = {
    "stringequals": Operator(_texts()),
    "stringnotequals": Operator(_texts(), negated=True),
    "stringequalsignorecase": Operator(_texts(fold=True)),
    "stringnotequalsignorecase": Operator(_texts(fold=True), negated=True),
    "stringlike": Operator(_texts(wildcards=True)),
    "stringnotlike": Operator(_texts(wildcards=True), negated=True),
    "numericequals": Operator(_compared(number, operator.eq)),
    "numericnotequals": Operator(_compared(number, operator.eq), negated=True),
    "numericlessthan": Operator(_compared(number, operator.lt)),
    "numericlessthanequals": Operator(_compared(number, operator.le)),
    "numericgreaterthan": Operator(_compared(number, operator.gt)),
    "numericgreaterthanequals": Operator(_compared(number, operator.ge)),
    "dateequals": Operator(_compared(moment, operator.eq)),
    "datenotequals": Operator(_compared(moment, operator.eq), negated=True),
    "datelessthan": Operator(_compared(moment, operator.lt)),
    "datelessthanequals": Operator(_compared(moment, operator.le)),
    "dategreaterthan": Operator(_compared(moment, operator.gt)),
    "dategreaterthanequals": Operator(_compared(moment, operator.ge)),
    "bool": Operator(_compared(_truth, operator.eq)),
    "binaryequals": Operator(_compared(_decoded, operator.eq)),
    "ipaddress": Operator(_compared(network, _inside)),
    "notipaddress": Operator(_compared(network, _inside), negated=True),
    "arnequals": Operator(_Arns),
    "arnlike": Operator(_Arns),
    "arnnotequals": Operator(_Arns, negated=True),
    "arnnotlike": Operator(_Arns, negated=True),
}


def parse_operator(name: str) -> tuple[str, str, bool] | None:
    """Quantifier (or ""), operator in lower case, whether IfExists ends it; None for an operator that AWS has not."""
    found = _NAME.match(name)
    if not found:
        return None
    known = found[2].lower()
    if known == "null":
        return None if found[3] else (found[1] or "", known, False)
    return (found[1] or "", known, bool(found[3])) if known in OPERATORS else None


class Condition:
    """One operator on one key. `cautious`, for Allow: a negated comparison with what has no value, or is not of the
    operator's type, fails; otherwise nonsense would grant."""

    __slots__ = (
        "_cautious",
        "_negated",
        "_patterns",
        "_quantifier",
        "_test",
        "_when_missing",
        "key",
        "operator",
        "texts",
        "variables",
    )

    def __init__(self, name: str, key: str, texts: Iterable[str], *, variables: bool, cautious: bool) -> None:
        """Raises ValueError for an unknown operator."""
        parsed = parse_operator(name)
        if parsed is None:
            raise ValueError(f"unknown condition operator {name!r}")
        self._quantifier, known, if_exists = parsed
        self.operator = name
        self.key = key.lower()
        self.texts = tuple(texts)
        self._test: Test | None = None
        self._negated = False
        self._cautious = False
        self._patterns: tuple[Patterns, ...] = ()
        self.variables: frozenset[str] = frozenset()
        if known == "null":
            self._when_missing = any(_truth(text) is True for text in self.texts)
            return
        build, self._negated = OPERATORS[known]
        self._test = build(list(self.texts), variables)
        if self._quantifier:
            self._when_missing = if_exists or self._quantifier == "ForAllValues"
        else:
            self._when_missing = if_exists or self._negated
        self._cautious = cautious and self._negated
        if isinstance(self._test, _Texts):
            self._patterns = (self._test.patterns,)
        elif isinstance(self._test, _Arns):
            self._patterns = tuple(part for parts in self._test.patterns for part in parts)
        self.variables = frozenset().union(*(pattern.variables for pattern in self._patterns))

    def holds(self, values: Values) -> bool:
        found = values.get(self.key)
        if self._test is None:
            return self._when_missing if found is None else any(_truth(text) is False for text in self.texts)
        if found is None or found == ():
            return self._when_missing
        if self._cautious and self._doubtful(found, values):
            return False
        if isinstance(found, str):
            return self._test(found, values) != self._negated
        if self._quantifier == "ForAllValues":
            return all(self._test(one, values) != self._negated for one in found)
        if self._quantifier == "ForAnyValue":
            return any(self._test(one, values) != self._negated for one in found)
        return any(self._test(one, values) for one in found) != self._negated

    def _doubtful(self, found: Value, values: Values) -> bool:
        if isinstance(self._test, _Compared | _Arns) and self._test.unreadable(found):
            return True
        return any(pattern.unresolved(values) for pattern in self._patterns)
