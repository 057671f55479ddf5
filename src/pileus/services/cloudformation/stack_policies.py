"""Stack policies: which resources an update may touch, whoever asks for it. SetStackPolicy, GetStackPolicy.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from pileus.security.policy.document import Statement
from pileus.security.policy.patterns import Patterns
from pileus.services.cloudformation import service
from pileus.services.cloudformation.access import find_stack, invalid, on_stack
from pileus.services.cloudformation.records import OPERATIONS, STACKS, Stack
from pileus.services.cloudformation.submission import fetch
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.store.interface import Transaction

Action = Literal["Update:Modify", "Update:Replace", "Update:Delete"]

LARGEST = 16_384
LARGEST_DURING_UPDATE = 51_200
_PREFIX = "LogicalResourceId/"
_ACTIONS = frozenset({"Update:Modify", "Update:Replace", "Update:Delete", "Update:*"})
_ELEMENTS = frozenset({"Sid", "Effect", "Action", "NotAction", "Principal", "Resource", "NotResource", "Condition"})


def check(text: str) -> None:
    """Raises AWSError for what is no stack policy. An empty object takes the policy away."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not all(map(_fits, _written(document))):
        raise invalid("Error validating stack policy: Invalid stack policy")


def _written(document: dict[str, Any]) -> list[Any]:
    if set(document) - {"Version", "Id", "Statement"}:
        return [None]
    statements = document.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]


def _fits(statement: Any) -> bool:
    if (
        not isinstance(statement, dict)
        or set(statement) - _ELEMENTS
        or statement.get("Effect") not in ("Allow", "Deny")
    ):
        return False
    actions = _texts(statement, "Action", "NotAction")
    resources = _texts(statement, "Resource", "NotResource")
    return (
        statement.get("Principal") == "*"
        and bool(actions) and set(actions) <= _ACTIONS
        and bool(resources) and all(text == "*" or text.startswith(_PREFIX) for text in resources)
        and _fits_condition(statement.get("Condition", {}))
    )  # fmt: skip


def _texts(statement: dict[str, Any], *names: str) -> list[str]:
    """The one of the elements that is there; nothing where that is not so, or it holds something else."""
    given = [statement[name] for name in names if name in statement]
    listed = given[0] if len(given) == 1 and isinstance(given[0], list) else given
    return listed if len(given) == 1 and all(isinstance(item, str) for item in listed) else []


def _fits_condition(condition: Any) -> bool:
    if not isinstance(condition, dict) or set(condition) - {"StringEquals", "StringLike"}:
        return False
    return all(
        isinstance(keys, dict) and set(keys) == {"ResourceType"} and bool(_texts(keys, "ResourceType"))
        for keys in condition.values()
    )


class StackPolicy:
    def __init__(self, text: str) -> None:
        written = _written(json.loads(text)) if text else []
        self._statements = [Statement(item, number, variables=False) for number, item in enumerate(written, start=1)]

    def denial(self, action: Action, logical_id: str, resource_type: str) -> str:
        """Why the update may not do this; empty where it may. A policy denies what it does not allow."""
        if not self._statements:
            return ""
        matching = list(self._matching(action, logical_id, resource_type))
        denying = next((statement for statement in matching if not statement.allows), None)
        if denying is not None:
            said = f"Statement [#{denying.number}] does not allow"
        elif matching:
            return ""
        else:
            said = "No statement allows"
        return f"Action denied by stack policy: {said} [{action}] for resource [{_PREFIX}{logical_id}];"

    def _matching(self, action: Action, logical_id: str, resource_type: str) -> Iterator[Statement]:
        values = {"resourcetype": resource_type}
        for statement in self._statements:
            covered = Patterns(statement.actions).match(action.lower(), values) is not statement.excludes_actions
            covered = covered and statement.covers_resource(f"{_PREFIX}{logical_id}", values)
            if covered and statement.conditions_hold(values):
                yield statement


async def given(context: Context, request: Shape, name: str = "StackPolicy") -> str | None:
    """The policy that a request brings or points at, None where it brings none. Raises AWSError."""
    body, url = request.get(f"{name}Body"), request.get(f"{name}URL")
    if body is not None and url is not None:
        raise invalid(f"You cannot specify both {name}URL and {name}Body")
    text = await fetch(context, url, LARGEST) if url is not None else body
    if text is not None:
        check(text)
    return text


@service.operation("SetStackPolicy", access=on_stack("SetStackPolicy"))
async def set_stack_policy(context: Context, request: Shape) -> None:
    stack = find_stack(context, request["StackName"])
    policy = await given(context, request)
    if policy is None:
        raise invalid("You must specify either StackPolicyBody or StackPolicyURL")

    def change(tx: Transaction) -> None:
        now = find_stack(context, stack.id, tx)
        now.policy = policy
        STACKS.put(tx, now.account, now.region, now.id, value=now)

    await context.store.transact(change)


@service.operation("GetStackPolicy", access=on_stack("GetStackPolicy"))
async def get_stack_policy(context: Context, request: Shape) -> Shape:
    """During an update with a policy of its own, that one."""
    stack = find_stack(context, request["StackName"])
    policy = _in_force(context, stack)
    return {"StackPolicyBody": policy} if policy else {}


def _in_force(context: Context, stack: Stack) -> str:
    operation = OPERATIONS.get(context.store, stack.account, stack.region, stack.id) if stack.busy else None
    return (operation.policy if operation is not None else "") or stack.policy
