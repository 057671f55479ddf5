"""Rules: a schedule, and whether it is in force."""

from __future__ import annotations

from collections.abc import Iterable

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.aws.schedules import parse
from pileus.services.context import Context
from pileus.services.events import service
from pileus.services.events.records import (
    DEFAULT_BUS,
    RULES,
    Key,
    Rule,
    delete_rule,
    get_rule,
    key_of_arn,
    on_rule,
    on_tagged,
    put_rule,
    rule_arn,
    rule_key,
)
from pileus.services.operation import Access, Shape
from pileus.services.system_tags import reserved
from pileus.store import paging
from pileus.store.interface import Transaction

_RULES = 300


@service.operation("PutRule", access=on_rule("PutRule"))
async def put_rule_operation(context: Context, request: Shape) -> Shape:
    key = rule_key(context, request)
    if request.get("EventPattern"):
        raise option_not_implemented("EventPattern", "rules run on schedules; there are no events to match.")
    if request.get("RoleArn"):
        raise option_not_implemented("RoleArn", "functions say in their own policy who may invoke them.")
    schedule = request.get("ScheduleExpression") or ""
    if not schedule:
        raise AWSError("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.")
    try:
        if not schedule.startswith(("rate(", "cron(")):
            raise ValueError("rules know no other schedules")
        parse(schedule)
    except ValueError:
        raise AWSError("ValidationException", "Parameter ScheduleExpression is not valid.") from None

    def change(tx: Transaction) -> None:
        rule = RULES.get(tx, *key)
        if rule is None:
            if sum(1 for _ in RULES.scan(tx, *key[:2])) >= _RULES:
                raise AWSError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
            tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
            _refuse_reserved(tags)
            rule = Rule(schedule, tags=tags | dict(context.system_tags))
        rule.schedule = schedule
        rule.state = request.get("State") or "ENABLED"
        rule.description = request.get("Description") or ""
        put_rule(tx, key, rule, context.cloud.clock.time())

    await context.store.transact(change)
    return {"RuleArn": rule_arn(key)}


@service.operation("DeleteRule", access=on_rule("DeleteRule"))
async def delete_rule_operation(context: Context, request: Shape) -> None:
    """Deleting a rule that does not exist succeeds, as on AWS."""
    key = rule_key(context, request)

    def change(tx: Transaction) -> None:
        rule = RULES.get(tx, *key)
        if rule is not None and rule.targets:
            raise AWSError("ValidationException", "Rule can't be deleted since it has targets.")
        delete_rule(tx, key)

    await context.store.transact(change)


@service.operation("DescribeRule", access=on_rule("DescribeRule"))
async def describe_rule(context: Context, request: Shape) -> Shape:
    key = rule_key(context, request)
    return {**_shape(key, get_rule(context.store, key)), "CreatedBy": context.account}


@service.operation("ListRules", access=lambda context, request: Access("events:ListRules"))
async def list_rules(context: Context, request: Shape) -> Shape:
    prefix = request.get("NamePrefix") or ""
    rule_key(context, {**request, "Name": prefix})
    try:
        after = paging.decode(request.get("NextToken"))
    except ValueError:
        raise AWSError("ValidationException", "Parameter NextToken is not valid.") from None
    rows = RULES.scan(context.store, context.account, context.region, after=after)
    shown, token = paging.page((row for row in rows if str(row[0][2]).startswith(prefix)), request.get("Limit") or 100)
    rules = [_shape((context.account, context.region, str(key[2])), rule) for key, rule in shown]
    return {"Rules": rules, **({"NextToken": token} if token else {})}


@service.operation("EnableRule", access=on_rule("EnableRule"))
async def enable_rule(context: Context, request: Shape) -> None:
    await _set_state(context, rule_key(context, request), "ENABLED")


@service.operation("DisableRule", access=on_rule("DisableRule"))
async def disable_rule(context: Context, request: Shape) -> None:
    await _set_state(context, rule_key(context, request), "DISABLED")


async def _set_state(context: Context, key: Key, state: str) -> None:
    def change(tx: Transaction) -> None:
        rule = get_rule(tx, key)
        rule.state = state
        put_rule(tx, key, rule, context.cloud.clock.time())

    await context.store.transact(change)


@service.operation("ListTagsForResource", access=on_tagged("ListTagsForResource"))
async def list_tags_for_resource(context: Context, request: Shape) -> Shape:
    rule = get_rule(context.store, key_of_arn(context, request["ResourceARN"]))
    return {"Tags": [{"Key": key, "Value": value} for key, value in rule.tags.items()]}


@service.operation("TagResource", access=on_tagged("TagResource"))
async def tag_resource(context: Context, request: Shape) -> None:
    added = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    _refuse_reserved(added)
    await _retag(context, request["ResourceARN"], added, frozenset())


@service.operation("UntagResource", access=on_tagged("UntagResource"))
async def untag_resource(context: Context, request: Shape) -> None:
    _refuse_reserved(request["TagKeys"])
    await _retag(context, request["ResourceARN"], {}, frozenset(request["TagKeys"]))


def _refuse_reserved(names: Iterable[str]) -> None:
    for name in names:
        if reserved(name):
            raise AWSError("ValidationException", f"Tag keys that begin with aws: are reserved for the system: {name}")


async def _retag(context: Context, resource: str, added: dict[str, str], gone: frozenset[str]) -> None:
    key = key_of_arn(context, resource)

    def change(tx: Transaction) -> None:
        rule = get_rule(tx, key)
        rule.tags = {name: value for name, value in {**rule.tags, **added}.items() if name not in gone}
        RULES.put(tx, *key, value=rule)

    await context.store.transact(change)


def _shape(key: Key, rule: Rule) -> Shape:
    shape = {
        "Name": key[2],
        "Arn": rule_arn(key),
        "State": rule.state,
        "ScheduleExpression": rule.schedule,
        "EventBusName": DEFAULT_BUS,
    }
    return {**shape, "Description": rule.description} if rule.description else shape
