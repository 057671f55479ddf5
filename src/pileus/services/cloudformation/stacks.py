"""Stacks: CreateStack, UpdateStack, ContinueUpdateRollback, DeleteStack, DescribeStacks, ListStacks,
UpdateTerminationProtection."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError
from pileus.aws.identifiers import request_id
from pileus.services.cloudformation import service, stack_policies
from pileus.services.cloudformation.access import (
    IN_BRACKETS,
    PASS_ROLE,
    anywhere,
    find_stack,
    invalid,
    on_stack,
    refuse,
)
from pileus.services.cloudformation.changes import Source, plan
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.exports import ImportLog
from pileus.services.cloudformation.journal import ROLLBACK_FAILED, STACK_TYPE, template_of
from pileus.services.cloudformation.parameters import NO_ECHO, hidden
from pileus.services.cloudformation.provisioning import scope_of
from pileus.services.cloudformation.records import (
    NAMES,
    OPERATIONS,
    STACKS,
    SUMMARIES,
    Change,
    Event,
    Operation,
    Stack,
    StackSummary,
    Version,
    add_event,
    resources_of,
)
from pileus.services.cloudformation.resources import TYPES
from pileus.services.cloudformation.runner import Runner, begin
from pileus.services.cloudformation.steps import MARK
from pileus.services.cloudformation.submission import refused, submit
from pileus.services.cloudformation.template import desired, outputs
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.store import paging
from pileus.store.interface import Reader, Transaction

Kind = Literal["CREATE", "UPDATE", "DELETE"]
UNSUPPORTED = (
    "RollbackConfiguration", "NotificationARNs", "ResourceTypes", "DisableValidation",
)  # fmt: skip
UPDATABLE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
PAGE = 100
_NAME = re.compile("[a-zA-Z][-a-zA-Z0-9]*")
_NAME_LENGTH = 128


def moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def present(shape: dict[str, Any]) -> Shape:
    """Without the members that there is nothing to say of."""
    return {name: value for name, value in shape.items() if value not in (None, "")}


def new_stack(context: Context, name: str, status: str) -> Stack:
    """Raises AWSError for a name that no stack can have: the model does not say which ones can."""
    failed = f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must "
    if not _NAME.fullmatch(name):
        raise invalid(f"{failed}satisfy regular expression pattern: {_NAME.pattern}")
    if len(name) > _NAME_LENGTH:
        raise invalid(f"{failed}have length less than or equal to {_NAME_LENGTH}")
    identifier = arn("cloudformation", context.region, context.account, f"stack/{name}/{request_id()}")
    return Stack(identifier, name, context.account, context.region, context.cloud.clock.time(), status)


def put_stack(tx: Transaction, stack: Stack) -> None:
    STACKS.put(tx, stack.account, stack.region, stack.id, value=stack)


def reserve(tx: Transaction, stack: Stack) -> None:
    """Gives the stack its name. Raises AWSError where another has it."""
    key = (stack.account, stack.region, stack.name)
    if NAMES.get(tx, *key) not in (None, stack.id):
        raise AWSError("AlreadyExistsException", f"Stack [{stack.name}] already exists", status=400)
    NAMES.put(tx, *key, value=stack.id)


def current(tx: Reader, stack: Stack) -> Stack:
    """The stack as it is now. Raises AWSError while another operation is at it."""
    now = STACKS.get(tx, stack.account, stack.region, stack.id)
    if now is None:
        raise invalid(f"Stack with id {stack.name} does not exist")
    return now


def open_operation(
    context: Context,
    tx: Transaction,
    stack: Stack,
    kind: Kind,
    goal: Version,
    *,
    token: str = "",
    retain: list[str] | None = None,
    policy: str = "",
    retain_except_on_create: bool = False,
) -> Operation:
    """Puts the stack into the operation's first state, with the first line of its journal and its first event."""
    now = context.cloud.clock.time()
    stack.status = f"{kind}_IN_PROGRESS"
    if kind == "UPDATE":
        stack.updated = now
    operation = Operation(
        stack.id, stack.account, stack.region, kind, context.principal, goal, now, token=token, retain=retain or [],
        policy=policy or stack.policy, retain_except_on_create=retain_except_on_create,
    )  # fmt: skip
    write_beginning(context, tx, stack, operation)
    return operation


def write_beginning(context: Context, tx: Transaction, stack: Stack, operation: Operation) -> None:
    stack.reason = "User Initiated"
    put_stack(tx, stack)
    begin(context, tx, operation)
    event = Event(
        request_id(), operation.started, stack.name, stack.id, STACK_TYPE, stack.status, stack.reason,
        token=operation.token,
    )  # fmt: skip
    add_event(tx, stack, event)


def updatable(stack: Stack) -> None:
    if stack.status not in UPDATABLE:
        raise invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")


def planned(context: Context, stack: Stack, goal: Version) -> tuple[list[Change], bool]:
    """What would change, and whether anything at all would: outputs and tags count too. Raises AWSError."""
    template = template_of(goal)
    resources = resources_of(context.store, stack)

    def value(logical_id: str, attribute: str | None) -> Any:
        resource = resources.get(logical_id)
        if resource is None:
            return ""
        return resource.physical_id if attribute is None else resource.attributes.get(attribute, "")

    scope = scope_of(stack, goal, template, value, ImportLog(context.store, stack).value)
    try:
        changes = plan(
            desired(template, scope, TYPES), resources, TYPES, scope, _source(goal),
            None if stack.version is None else _source(stack.version),
        )  # fmt: skip
        if changes or stack.version is None:
            return changes, True
        return [], outputs(template, scope) != stack.outputs or goal.tags != stack.version.tags
    except TemplateError as problem:
        raise refused(problem) from None


def _source(version: Version) -> Source:
    return Source(template_of(version), version.values, version.tags)


@service.operation(
    "CreateStack", access=on_stack("CreateStack", passes_role=True), actions=("cloudformation:CreateStack", PASS_ROLE)
)
async def create_stack(context: Context, request: Shape) -> Shape:
    refuse(request, *UNSUPPORTED)
    if request.get("OnFailure") and "DisableRollback" in request:
        raise invalid("Either DisableRollback or OnFailure can be specified, not both.")
    goal = await submit(context, request, role_arn=request.get("RoleARN", ""))
    stack = new_stack(context, request["StackName"], "CREATE_IN_PROGRESS")
    stack.version = goal
    stack.on_failure = "DO_NOTHING" if request.get("DisableRollback") else request.get("OnFailure", "ROLLBACK")
    stack.timeout_minutes = request.get("TimeoutInMinutes")
    stack.termination_protection = bool(request.get("EnableTerminationProtection"))
    stack.policy = await stack_policies.given(context, request) or ""
    _nest(context, stack)
    planned(context, stack, goal)

    def change(tx: Transaction) -> Operation:
        reserve(tx, stack)
        return open_operation(
            context, tx, stack, "CREATE", goal, token=request.get("ClientRequestToken", ""),
            retain_except_on_create=bool(request.get("RetainExceptOnCreate")),
        )  # fmt: skip

    context.cloud.part(Runner).start(await context.store.transact(change))
    return {"StackId": stack.id}


def _nest(context: Context, stack: Stack) -> None:
    """A stack that CloudFormation makes as a resource of another is marked like any resource."""
    parent_id = dict(context.system_tags).get(f"{MARK}stack-id")
    if parent_id is not None:
        parent = find_stack(context, parent_id)
        stack.parent_id, stack.root_id = parent.id, parent.root_id or parent.id


@service.operation(
    "UpdateStack", access=on_stack("UpdateStack", passes_role=True), actions=("cloudformation:UpdateStack", PASS_ROLE)
)
async def update_stack(context: Context, request: Shape) -> Shape:
    refuse(request, *UNSUPPORTED, "DisableRollback")
    stack = find_stack(context, request["StackName"], missing=IN_BRACKETS)
    updatable(stack)
    role = request.get("RoleARN") or (stack.version.role_arn if stack.version else "")
    goal = await submit(context, request, role_arn=role, previous=stack.version)
    policy = await stack_policies.given(context, request)
    during = await stack_policies.given(context, request, "StackPolicyDuringUpdate") or ""
    if not planned(context, stack, goal)[1] and policy is None:
        raise invalid("No updates are to be performed.")

    def change(tx: Transaction) -> Operation:
        now = current(tx, stack)
        updatable(now)
        if policy is not None:
            now.policy = policy
        return open_operation(
            context, tx, now, "UPDATE", goal, token=request.get("ClientRequestToken", ""), policy=during,
            retain_except_on_create=bool(request.get("RetainExceptOnCreate")),
        )  # fmt: skip

    context.cloud.part(Runner).start(await context.store.transact(change))
    return {"StackId": stack.id}


@service.operation(
    "DeleteStack", access=on_stack("DeleteStack", passes_role=True), actions=("cloudformation:DeleteStack", PASS_ROLE)
)
async def delete_stack(context: Context, request: Shape) -> Shape:
    """Deleting what is not there succeeds, as on AWS."""
    refuse(request, "DeletionMode")
    try:
        stack = find_stack(context, request["StackName"])
    except AWSError:
        return {}
    retain = request.get("RetainResources") or []

    def change(tx: Transaction) -> Operation | None:
        now = current(tx, stack)
        if now.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
            return None
        if now.busy:
            raise invalid(f"Stack:{now.id} is in {now.status} state and can not be deleted.")
        if now.termination_protection:
            raise invalid(f"Stack [{now.name}] cannot be deleted while TerminationProtection is enabled")
        if retain and now.status != "DELETE_FAILED":
            raise invalid(
                f"Invalid operation on stack [{now.id}]. When you delete a stack, specify which resources to retain "
                "only when the stack is in the DELETE_FAILED state."
            )
        goal = now.version or Version("", "{}")
        if request.get("RoleARN"):
            goal.role_arn = request["RoleARN"]
        token = request.get("ClientRequestToken", "")
        return open_operation(context, tx, now, "DELETE", goal, token=token, retain=retain)

    operation = await context.store.transact(change)
    if operation is not None:
        context.cloud.part(Runner).start(operation)
    return {}


@service.operation(
    "ContinueUpdateRollback",
    access=on_stack("ContinueUpdateRollback", passes_role=True),
    actions=("cloudformation:ContinueUpdateRollback", PASS_ROLE),
)
async def continue_update_rollback(context: Context, request: Shape) -> Shape:
    stack = find_stack(context, request["StackName"])

    def change(tx: Transaction) -> Operation:
        now = current(tx, stack)
        operation = OPERATIONS.get(tx, now.account, now.region, now.id)
        if now.status != ROLLBACK_FAILED or operation is None:
            raise invalid(f"Stack:{now.id} is in {now.status} state and can not continue to roll back.")
        operation.principal = context.principal
        operation.started = context.cloud.clock.time()
        operation.token = request.get("ClientRequestToken", "")
        operation.retain = request.get("ResourcesToSkip") or []
        if request.get("RoleARN"):
            operation.goal.role_arn = request["RoleARN"]
        now.status = "UPDATE_ROLLBACK_IN_PROGRESS"
        write_beginning(context, tx, now, operation)
        return operation

    context.cloud.part(Runner).start(await context.store.transact(change))
    return {}


@service.operation("DescribeStacks", access=on_stack("DescribeStacks"))
async def describe_stacks(context: Context, request: Shape) -> Shape:
    if request.get("StackName"):
        return {"Stacks": [_described(find_stack(context, request["StackName"]))]}
    stacks, token = _page(context, request, lambda stack: stack.deleted is None)
    return present({"Stacks": [_described(find_stack(context, stack.id)) for stack in stacks], "NextToken": token})


@service.operation("ListStacks", access=anywhere("ListStacks"))
async def list_stacks(context: Context, request: Shape) -> Shape:
    statuses = request.get("StackStatusFilter") or []
    stacks, token = _page(context, request, lambda stack: not statuses or stack.status in statuses)
    return present({"StackSummaries": [_summary(context, stack) for stack in stacks], "NextToken": token})


@service.operation("UpdateTerminationProtection", access=on_stack("UpdateTerminationProtection"))
async def update_termination_protection(context: Context, request: Shape) -> Shape:
    stack = find_stack(context, request["StackName"])

    def change(tx: Transaction) -> None:
        now = current(tx, stack)
        now.termination_protection = request["EnableTerminationProtection"]
        put_stack(tx, now)

    await context.store.transact(change)
    return {"StackId": stack.id}


def _page(
    context: Context, request: Shape, wanted: Callable[[StackSummary], bool]
) -> tuple[list[StackSummary], str | None]:
    try:
        after = paging.decode(request.get("NextToken"))
    except ValueError:
        raise invalid("Invalid NextToken") from None
    found = SUMMARIES.scan(context.store, context.account, context.region, after=after)
    rows, token = paging.page(((key, stack) for key, stack in found if wanted(stack)), PAGE)
    return [stack for _, stack in rows], token


def _summary(context: Context, stack: StackSummary) -> Shape:
    known = None if stack.version is None else stack.version.description
    description = _description(find_stack(context, stack.id)) if known is None else known
    return _head(stack) | present({"TemplateDescription": description})


def _head(stack: StackSummary) -> Shape:
    return present({
        "StackId": stack.id, "StackName": stack.name,
        "CreationTime": moment(stack.created), "LastUpdatedTime": moment(stack.updated),
        "DeletionTime": moment(stack.deleted), "StackStatus": stack.status, "StackStatusReason": stack.reason,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        "ParentId": stack.parent_id, "RootId": stack.root_id,
    })  # fmt: skip


def _described(stack: Stack) -> Shape:
    version = stack.version or Version("", "{}")
    return _head(stack) | present({
        "ChangeSetId": stack.change_set_id, "Description": _description(stack),
        "Parameters": described_parameters(version) or None, "RollbackConfiguration": {},
        "DisableRollback": stack.on_failure == "DO_NOTHING", "NotificationARNs": [],
        "TimeoutInMinutes": stack.timeout_minutes, "Capabilities": version.capabilities or None,
        "Outputs": stack.outputs or None, "RoleARN": version.role_arn,
        "Tags": [{"Key": key, "Value": value} for key, value in version.tags.items()],
        "EnableTerminationProtection": stack.termination_protection,
    })  # fmt: skip


def _description(stack: Stack) -> str:
    return template_of(stack.version).description if stack.version else ""


def described_parameters(version: Version) -> list[Shape]:
    declared = template_of(version).section("Parameters")
    return [
        {"ParameterKey": name, "ParameterValue": NO_ECHO if hidden(declared.get(name, {})) else value}
        | ({"ResolvedValue": version.resolved[name]} if name in version.resolved else {})
        for name, value in version.parameters.items()
    ]
