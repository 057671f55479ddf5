"""What operations of CloudFormation ask to be allowed
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html), and how requests
name stacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.cloudformation.records import CHANGE_SETS, NAMES, STACKS, Stack
from pileus.services.context import Context
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store.interface import Reader

PASS_ROLE = "iam:PassRole"  # noqa: S105 - an action, no password


def invalid(message: str) -> AWSError:
    return AWSError("ValidationError", message, status=400)


def stack_id(context: Context, name: str) -> str | None:
    """The id of the stack with this name or id, None where there is none."""
    if not name.startswith("arn:"):
        return NAMES.get(context.store, context.account, context.region, name)
    return name if STACKS.get(context.store, context.account, context.region, name) else None


WITH_ID = "Stack with id {} does not exist"
IN_BRACKETS = "Stack [{}] does not exist"
IN_QUOTES = "Stack '{}' does not exist"
"""How operations say that a stack is not there: recorded, and not the same for all."""


def find_stack(context: Context, name: str, reader: Reader | None = None, *, missing: str = WITH_ID) -> Stack:
    """Deleted stacks are found by their id only."""
    found = stack_id(context, name)
    stack = STACKS.get(reader or context.store, context.account, context.region, found) if found else None
    if stack is None:
        raise invalid(missing.format(name))
    return stack


def on_stack(action: str, *, passes_role: bool = False) -> AccessRule:
    """Access to the stack that the request names, and to hand over the role that it names."""

    def rule(context: Context, request: Shape) -> Iterable[Access]:
        name = request.get("StackName") or ""
        change_set = request.get("ChangeSetName", "")
        if not name and change_set.startswith("arn:"):
            # A change set's ARN does not say whose it is: the stack is found by it.
            return [Access(f"cloudformation:{action}", _stack_of_change_set(context, change_set), _keys(request))]
        asked = [Access(f"cloudformation:{action}", _resource(context, name), _keys(request))]
        if passes_role and request.get("RoleARN"):
            keys = {"iam:passedtoservice": "cloudformation.amazonaws.com"}
            asked.append(Access(PASS_ROLE, request["RoleARN"], keys))
        return asked

    return rule


def _resource(context: Context, name: str) -> str:
    if not name:
        return "*"
    found = stack_id(context, name) or name
    return (
        found if found.startswith("arn:") else arn("cloudformation", context.region, context.account, f"stack/{name}/*")
    )


def _stack_of_change_set(context: Context, change_set_id: str) -> str:
    for _, found in CHANGE_SETS.scan(context.store, context.account, context.region):
        if found.id == change_set_id:
            return found.stack_id
    return "*"


def _keys(request: Shape) -> dict[str, str | tuple[str, ...]]:
    names = {
        "ChangeSetName": "cloudformation:changesetname", "RoleARN": "cloudformation:rolearn",
        "TemplateURL": "cloudformation:templateurl",
    }  # fmt: skip
    keys: dict[str, str | tuple[str, ...]] = {key: request[name] for name, key in names.items() if request.get(name)}
    tags = request.get("Tags") or []
    if tags:
        keys["aws:tagkeys"] = tuple(tag["Key"] for tag in tags)
        keys.update({f"aws:requesttag/{tag['Key'].lower()}": tag["Value"] for tag in tags})
    return keys


def anywhere(action: str) -> AccessRule:
    """For actions without a resource of their own."""
    return lambda context, request: Access(f"cloudformation:{action}")


def refuse(request: Shape, *options: str) -> None:
    """Options that would otherwise have to be ignored; an empty value asks for nothing."""
    deployment = request.get("DeploymentConfig") or {}
    if deployment.get("Mode", "STANDARD") != "STANDARD" or deployment.get("DisableRollback"):
        raise option_not_implemented("another DeploymentConfig than the standard one")
    for option in options:
        if not _empty(request.get(option)):
            raise option_not_implemented(f"the option {option}")


def _empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_empty(item) for item in value.values())
    return value in (None, False, "", [])
