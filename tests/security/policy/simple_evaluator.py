"""A second policy evaluator, written apart from the first and as simply as can be: slow, direct, no compiling.

It follows https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html word by word; tests
hold the engine against it on generated cases.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from datetime import UTC, datetime
from typing import Any

Values = dict[str, str | tuple[str, ...]]


def as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class MissingError(Exception):
    """A variable has no value."""


def substitute(text: Any, values: Any, special: Any) -> Any:
    """Replaces variables; `special` marks what is to stay a wildcard (the caller's own markers)."""

    def one(match: Any) -> Any:
        inside = match.group(1)
        if inside in ("*", "?", "$"):
            return protect(inside)
        name, comma, default = inside.partition(",")
        value = values.get(name.strip().lower())
        if value is None and comma and re.fullmatch(r"\s*'.*'\s*", default, re.DOTALL):
            value = default.strip()[1:-1]
        if not isinstance(value, str):
            raise MissingError
        return protect(value)

    return re.sub(r"\$\{([^{}]*)\}", one, special(text))


def protect(text: Any) -> Any:
    """Takes wildcards' meaning from characters."""
    return text.replace("*", "\ue000").replace("?", "\ue001")


def wild(pattern: Any, text: Any) -> Any:
    expression = "".join(
        ".*" if c == "*" else "." if c == "?" else re.escape({"\ue000": "*", "\ue001": "?"}.get(c, c)) for c in pattern
    )
    return re.fullmatch(expression, text, re.DOTALL) is not None


def matches_pattern(pattern: Any, text: Any, values: Any, variables: Any) -> Any:
    if variables:
        try:
            pattern = substitute(pattern, values, lambda same: same)
        except MissingError:
            return False
    return wild(pattern, text)


def number(text: Any) -> Any:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if found == found and abs(found) != float("inf") else None


def date(text: Any) -> Any:
    if re.fullmatch(r"\d{5,}", text):
        return float(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def address(text: Any) -> Any:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def compare(kind: Any, wanted: Any, actual: Any, values: Any, variables: Any) -> Any:
    """Whether one policy value matches one value of the request, for the positive operator `kind`."""
    if kind.startswith(("string", "arn")):
        if kind in ("stringlike", "arnlike", "arnequals"):
            if kind != "stringlike":
                if wanted == "*":
                    return True
                parts, own = re.split(r":(?![^{]*\})", wanted, maxsplit=5), actual.split(":", 5)
                return len(parts) == len(own) == 6 and all(
                    matches_pattern(p, o, values, variables) for p, o in zip(parts, own, strict=True)
                )
            return matches_pattern(wanted, actual, values, variables)
        if variables:
            try:
                wanted = substitute(wanted, values, protect).replace("\ue000", "*").replace("\ue001", "?")
            except MissingError:
                return False
        return wanted.lower() == actual.lower() if kind.endswith("ignorecase") else wanted == actual
    if kind.startswith(("numeric", "date")):
        read = number if kind.startswith("numeric") else date
        left, right = read(actual), read(wanted)
        if left is None or right is None:
            return False
        relation = kind.removeprefix("numeric").removeprefix("date")
        return {
            "equals": left == right,
            "lessthan": left < right,
            "lessthanequals": left <= right,
            "greaterthan": left > right,
            "greaterthanequals": left >= right,
        }[relation]
    if kind == "bool":
        truth = {"true": True, "false": False}
        return actual.lower() in truth and truth.get(wanted.lower()) is truth[actual.lower()]
    if kind == "binaryequals":
        return base64.b64decode(wanted) == base64.b64decode(actual)
    assert kind == "ipaddress"
    try:
        return ipaddress.ip_address(actual) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def condition_holds(operator: Any, key: Any, wanted: Any, values: Any, variables: Any, effect: Any) -> Any:
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists").lower()
    wanted = [str(one).lower() if isinstance(one, bool) else str(one) for one in as_list(wanted)]
    actual = values.get(key.lower())
    if name == "null":
        return any(one.lower() == ("true" if actual is None else "false") for one in wanted)
    positive = name.replace("stringnot", "string").replace("numericnot", "numeric").replace("datenot", "date")
    positive = positive.replace("arnnot", "arn").replace("notipaddress", "ipaddress")
    negated = positive != name
    if actual is None or actual == ():
        if rest.endswith("IfExists") or quantifier == "ForAllValues":
            return True
        return negated and quantifier != "ForAnyValue"
    if negated and effect == "Allow" and variables and name.startswith(("string", "arn")):
        for one in wanted:
            try:
                substitute(one, values, lambda same: same)
            except MissingError:
                return False
    values_of_request = [actual] if isinstance(actual, str) else list(actual)
    if negated and effect == "Allow" and name.startswith("arn"):
        if any(len(re.split(r":(?![^{]*\})", one, maxsplit=5)) != 6 and one != "*" for one in wanted):
            return False
        if any(one.count(":") < 5 for one in values_of_request):
            return False
    if negated and effect == "Allow" and not name.startswith(("string", "arn")):
        read = {"n": number, "d": date}.get(positive[0], address)
        if any(read(one) is None for one in [*wanted, *values_of_request]):
            return False
    each = [any(compare(positive, one, value, values, variables) for one in wanted) for value in values_of_request]
    if quantifier == "ForAllValues":
        return all(one != negated for one in each)
    if quantifier == "ForAnyValue":
        return any(one != negated for one in each)
    return any(each) != negated


def statement_applies(statement: Any, version: Any, action: Any, resource: Any, values: Any) -> Any:
    variables = version == "2012-10-17"
    actions = [one.lower() for one in as_list(statement.get("Action", statement.get("NotAction")))]
    if any(wild(one, action.lower()) for one in actions) == ("NotAction" in statement):
        return False
    patterns = as_list(statement.get("Resource", statement.get("NotResource", "*")))
    covered = any(matches_pattern(one, resource, values, variables) for one in patterns)
    if "NotResource" in statement:
        if statement["Effect"] == "Allow" and variables:
            for one in patterns:
                try:
                    substitute(one, values, lambda same: same)
                except MissingError:
                    return False
        covered = not covered
    return covered and all(
        condition_holds(operator, key, wanted, values, variables, statement["Effect"])
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def named(element: Any, principal: Any) -> Any:
    """0 not, 1 by account, 2 by role, 3 directly."""
    if element == "*":
        return 3
    best = 0
    for kind, names in element.items():
        for name in as_list(names):
            if kind == "Service":
                if principal["kind"] == "service" and name == principal["arn"]:
                    best = 3
            elif kind == "AWS":
                if name == "*":
                    best = 3
                elif principal["kind"] in ("service", "anonymous"):
                    continue
                elif name in (principal["account"], f"arn:aws:iam::{principal['account']}:root"):
                    best = max(best, 1)
                elif name == principal["arn"]:
                    best = 3
                elif name == principal.get("issuer"):
                    best = max(best, 2 if principal["kind"] == "role" else 3)
    return best


def decide(
    principal: Any,
    action: Any,
    resource: Any,
    values: Any,
    owner: Any,
    identity: Any,
    boundary: Any,
    session: Any,
    resource_policies: Any,
    trust: Any = False,
) -> Any:
    """identity, boundary, session: lists of documents or None; answers "allowed", "explicit" or "implicit"."""

    def effects(documents: Any) -> Any:
        found = set()
        for document in documents or ():
            for statement in as_list(document["Statement"]):
                if statement_applies(statement, document.get("Version"), action, resource, values):
                    found.add(statement["Effect"])
        return found

    grant = 0
    for document in resource_policies:
        for statement in as_list(document["Statement"]):
            level = named(statement["Principal"], principal)
            if level and statement_applies(statement, document.get("Version"), action, resource, values):
                if statement["Effect"] == "Deny":
                    return "explicit"
                grant = max(grant, level)
    layers = {"identity": identity, "boundary": boundary, "session": session}
    seen = {name: effects(documents) for name, documents in layers.items()}
    if any("Deny" in found for found in seen.values()):
        return "explicit"

    def allowed(*names: Any) -> Any:
        return all(layers[name] is None or "Allow" in seen[name] for name in names)

    if principal["kind"] in ("service", "anonymous"):
        return "allowed" if grant else "implicit"
    everything = allowed("identity", "boundary", "session")
    if principal["account"] != owner:
        return "allowed" if grant and everything else "implicit"
    if trust and not grant:
        return "implicit"
    if grant == 3:
        return "allowed"
    if grant == 2:
        return "allowed" if allowed("boundary", "session") else "implicit"
    return "allowed" if everything else "implicit"
