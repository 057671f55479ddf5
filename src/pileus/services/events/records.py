"""What EventBridge keeps: rules with their targets, and when each is due."""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.aws.arn import arn, parse
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.aws.schedules import parse as parse_schedule
from pileus.services.context import Context
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

DEFAULT_BUS = "default"


class Rule(msgspec.Struct):
    schedule: str
    state: str = "ENABLED"
    description: str = ""
    tags: dict[str, str] = {}
    targets: list[dict[str, Any]] = []
    due: int = 0
    """Milliseconds; 0 while it is not scheduled."""


RULES = Records(Rule, "events", "rule")
"""(account, region, name)"""
DUE = Records(int, "events", "due")
"""(milliseconds, account, region, name): the enabled rules in the order in which they run."""

Key = tuple[str, str, str]


def rule_key(context: Context, request: Shape, member: str = "Name") -> Key:
    """The rule that a request names, on the default bus."""
    bus = (request.get("EventBusName") or DEFAULT_BUS).rpartition("/")[2]
    if bus != DEFAULT_BUS:
        raise AWSError("ResourceNotFoundException", f"Event bus {bus} does not exist.")
    return context.account, context.region, request[member]


def rule_arn(key: Key) -> str:
    account, region, name = key
    return arn("events", region, account, f"rule/{name}")


def get_rule(reader: Reader, key: Key) -> Rule:
    rule = RULES.get(reader, *key)
    if rule is None:
        raise AWSError(
            "ResourceNotFoundException", f"Rule {key[2]} does not exist on EventBus {DEFAULT_BUS}."
        )  # fmt: skip
    return rule


def put_rule(tx: Transaction, key: Key, rule: Rule, now: float) -> None:
    """Keeps a rule, and when it runs next."""
    if rule.due:
        DUE.delete(tx, rule.due, *key)
    following = parse_schedule(rule.schedule)(now) if rule.state == "ENABLED" else None
    rule.due = int(following * 1000) if following is not None else 0
    if rule.due:
        DUE.put(tx, rule.due, *key, value=1)
    RULES.put(tx, *key, value=rule)


def delete_rule(tx: Transaction, key: Key) -> None:
    rule = RULES.get(tx, *key)
    if rule is not None and rule.due:
        DUE.delete(tx, rule.due, *key)
    RULES.delete(tx, *key)


def on_rule(action: str, member: str = "Name") -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        return Access(f"events:{action}", rule_arn(rule_key(context, request, member)), _tag_keys(request))

    return rule


def on_tagged(action: str) -> AccessRule:
    return lambda context, request: Access(f"events:{action}", request["ResourceARN"], _tag_keys(request))


def _tag_keys(request: Shape) -> dict[str, Any]:
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
    keys: dict[str, Any] = {f"aws:requesttag/{key.lower()}": value for key, value in tags.items()}
    named = (*tags, *(request.get("TagKeys") or ()))
    return {**keys, "aws:tagkeys": named} if named else keys


def key_of_arn(context: Context, text: str) -> Key:
    try:
        parsed = parse(text)
    except ValueError as error:
        raise AWSError(
            "ValidationException",
            f"Parameter {text} is not valid. Reason: Provided Arn is not in correct format.",
            status=400,
        ) from error
    kind, _, name = parsed.resource.partition("/")
    if kind != "rule" or "/" in name:
        raise option_not_implemented(f"tags of the resource type {kind}")
    return context.account, context.region, name
