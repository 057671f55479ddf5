"""Targets of rules: the functions that they run."""

from __future__ import annotations

from typing import Any

import orjson

from pileus.aws.arn import parse
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.events import service
from pileus.services.events.records import RULES, get_rule, on_rule, rule_arn, rule_key
from pileus.services.operation import Access, Shape
from pileus.store.interface import Transaction

_TARGETS = 5
_KNOWN = frozenset({"Id", "Arn", "Input", "InputPath"})


def _on_put(context: Context, request: Shape) -> Access:
    arns = tuple(target["Arn"] for target in request["Targets"])
    return Access("events:PutTargets", rule_arn(rule_key(context, request, "Rule")), {"events:targetarn": arns})


@service.operation("PutTargets", access=_on_put)
async def put_targets(context: Context, request: Shape) -> Shape:
    key = rule_key(context, request, "Rule")
    for target in request["Targets"]:
        _check(target)

    def change(tx: Transaction) -> None:
        rule = get_rule(tx, key)
        named = {target["Id"]: target for target in (*rule.targets, *request["Targets"])}
        if len(named) > _TARGETS:
            raise AWSError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
        rule.targets = list(named.values())
        RULES.put(tx, *key, value=rule)

    await context.store.transact(change)
    return {"FailedEntryCount": 0, "FailedEntries": []}


def _check(target: dict[str, Any]) -> None:
    for option in target.keys() - _KNOWN:
        raise option_not_implemented(f"the target option {option}")
    try:
        kind = parse(target["Arn"]).service
    except ValueError:
        text = f"Parameter {target['Arn']} is not valid. Reason: Provided Arn is not in correct format."
        raise AWSError("ValidationException", text) from None
    if kind != "lambda":
        raise option_not_implemented("targets other than functions")
    if target.get("Input") and target.get("InputPath"):
        raise AWSError(
            "ValidationException",
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}.",
        )
    if target.get("Input"):
        try:
            orjson.loads(target["Input"])
        except ValueError:
            raise AWSError("ValidationException", f"JSON syntax error in input for target {target['Id']}") from None


@service.operation("RemoveTargets", access=on_rule("RemoveTargets", "Rule"))
async def remove_targets(context: Context, request: Shape) -> Shape:
    key = rule_key(context, request, "Rule")

    def change(tx: Transaction) -> None:
        rule = get_rule(tx, key)
        rule.targets = [target for target in rule.targets if target["Id"] not in request["Ids"]]
        RULES.put(tx, *key, value=rule)

    await context.store.transact(change)
    return {"FailedEntryCount": 0, "FailedEntries": []}


@service.operation("ListTargetsByRule", access=on_rule("ListTargetsByRule", "Rule"))
async def list_targets_by_rule(context: Context, request: Shape) -> Shape:
    return {"Targets": get_rule(context.store, rule_key(context, request, "Rule")).targets}


@service.operation("ListRuleNamesByTarget", access=lambda context, request: Access("events:ListRuleNamesByTarget"))
async def list_rule_names_by_target(context: Context, request: Shape) -> Shape:
    wanted = request["TargetArn"]
    names = [
        str(key[2])
        for key, rule in RULES.scan(context.store, context.account, context.region)
        if any(target["Arn"] == wanted for target in rule.targets)
    ]
    return {"RuleNames": names}
