"""Running what is due: each target of a rule is invoked asynchronously, as EventBridge itself.

Whether it may is for the function's own policy to say. An invocation is accepted durably before the rule moves on, so
that a crash repeats it rather than loses it; what fell due while the cloud was down runs once.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

import orjson

from pileus.aws.errors import AWSError
from pileus.aws.identifiers import request_id
from pileus.aws.schedules import parse
from pileus.security.principals import service as service_principal
from pileus.services.context import Cloud
from pileus.services.events import service
from pileus.services.events.records import DUE, RULES, Key, Rule, put_rule, rule_arn
from pileus.store.interface import Transaction

_log = logging.getLogger(__name__)


@service.every(1, "schedules")
async def fire(cloud: Cloud) -> None:
    """Runs the rules that are due, the earliest first."""
    now = cloud.clock.time() * 1000
    # Read no further than to the first that is not due.
    for (due, account, region, name), _ in list(
        takewhile(lambda row: int(str(row[0][0])) <= now, DUE.scan(cloud.store))
    ):
        key = (str(account), str(region), str(name))
        rule = RULES.get(cloud.store, *key)
        if rule is not None and rule.due == due:
            await _run(cloud, key, rule)
        await cloud.store.transact(lambda tx, key=key, due=int(str(due)): _move_on(tx, key, due, cloud.clock.time()))  # type: ignore[misc]


def _move_on(tx: Transaction, key: Key, due: int, now: float) -> None:
    rule = RULES.get(tx, *key)
    if rule is not None and rule.due == due:
        following = parse(rule.schedule)(due / 1000)
        put_rule(tx, key, rule, due / 1000 if following is None or following > now else now)
    else:
        DUE.delete(tx, due, *key)


async def _run(cloud: Cloud, key: Key, rule: Rule) -> None:
    account, region, _ = key
    client = cloud.client(service_principal("events.amazonaws.com", account, rule_arn(key)), region=region)
    about = event(key, rule.due / 1000)
    for target in rule.targets:
        asked = {"FunctionName": target["Arn"], "InvocationType": "Event", "Payload": payload(target, about)}
        try:
            await client.call("lambda", "Invoke", asked)
        except AWSError as error:
            _log.warning("the rule %s could not run %s: %s", rule_arn(key), target["Arn"], error)


def event(key: Key, moment: float) -> dict[str, Any]:
    """What targets are told of a schedule."""
    account, region, _ = key
    return {
        "version": "0",
        "id": request_id(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [rule_arn(key)],
        "detail": {},
    }


def payload(target: dict[str, Any], about: dict[str, Any]) -> bytes:
    """The event as a target wants it: whole, a part of it, or a constant instead."""
    if target.get("Input"):
        return str(target["Input"]).encode()
    value: Any = about
    for step in str(target.get("InputPath") or "$").split(".")[1:]:
        value = value.get(step) if isinstance(value, dict) else None
    return orjson.dumps(value)
