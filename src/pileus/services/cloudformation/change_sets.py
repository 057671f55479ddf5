"""Change sets: CreateChangeSet, DescribeChangeSet, ExecuteChangeSet, DeleteChangeSet, ListChangeSets.

A change set is computed before CreateChangeSet answers; its status tells what came out, as waiters expect.
"""

from __future__ import annotations

import json
from typing import Any

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError
from pileus.aws.identifiers import request_id
from pileus.services.cloudformation import service
from pileus.services.cloudformation.access import (
    IN_BRACKETS,
    PASS_ROLE,
    find_stack,
    invalid,
    on_stack,
    refuse,
    stack_id,
)
from pileus.services.cloudformation.intrinsics import text
from pileus.services.cloudformation.journal import STACK_TYPE, masked, secrets_of
from pileus.services.cloudformation.records import (
    CHANGE_SETS,
    Change,
    ChangeSet,
    Detail,
    Event,
    Operation,
    Stack,
    Version,
    add_event,
)
from pileus.services.cloudformation.runner import Runner
from pileus.services.cloudformation.stacks import (
    UNSUPPORTED,
    Kind,
    current,
    described_parameters,
    moment,
    new_stack,
    open_operation,
    planned,
    present,
    put_stack,
    reserve,
    updatable,
)
from pileus.services.cloudformation.submission import submit
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.store.interface import Transaction

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


def _key(found: ChangeSet) -> tuple[str, str, str, str]:
    region, account = found.stack_id.split(":")[3:5]
    return account, region, found.stack_id, found.name


def find_change_set(context: Context, request: Shape) -> tuple[Stack, ChangeSet]:
    """By ARN, or by name with the stack's name or id. Raises AWSError."""
    name = request["ChangeSetName"]
    within = (context.account, context.region)
    missing = AWSError("ChangeSetNotFoundException", f"ChangeSet [{name}] does not exist", status=404)
    if name.startswith("arn:"):
        found = next((found for _, found in CHANGE_SETS.scan(context.store, *within) if found.id == name), None)
    else:
        if not request.get("StackName"):
            raise invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
        stack = find_stack(context, request["StackName"], missing=IN_BRACKETS)
        found = CHANGE_SETS.get(context.store, *within, stack.id, name)
    if found is None:
        raise missing
    return find_stack(context, found.stack_id), found


@service.operation(
    "CreateChangeSet",
    access=on_stack("CreateChangeSet", passes_role=True),
    actions=("cloudformation:CreateChangeSet", PASS_ROLE),
)
async def create_change_set(context: Context, request: Shape) -> Shape:
    """IncludeNestedStacks asks for more to be shown: that it is not, DescribeChangeSet says. ImportExistingResources
    asks for nothing unless a named resource is there already: then the change set fails when it is executed, and says
    so."""
    refuse(request, *UNSUPPORTED, "ResourcesToImport", "DeploymentMode")
    kind = request.get("ChangeSetType", "UPDATE")
    if kind == "IMPORT":
        refuse({"ChangeSetType IMPORT": True}, "ChangeSetType IMPORT")
    stack = _stack_for(context, request["StackName"], kind, request["ChangeSetName"])
    role = request.get("RoleARN") or (stack.version.role_arn if stack.version else "")
    goal = await submit(context, request, role_arn=role, previous=stack.version, reviewed=True)
    changes, anything = planned(context, stack, goal)
    _hide(changes, stack.version, goal)
    name = request["ChangeSetName"]
    identifier = arn("cloudformation", context.region, context.account, f"changeSet/{name}/{request_id()}")
    made = ChangeSet(
        identifier, name, stack.id, kind, context.cloud.clock.time(),
        status="CREATE_COMPLETE" if anything else "FAILED",
        execution_status="AVAILABLE" if anything else "UNAVAILABLE",
        version=goal, reason="" if anything else NO_CHANGES, description=request.get("Description", ""),
        changes=changes, on_failure=request.get("OnStackFailure", ""),
    )  # fmt: skip

    def change(tx: Transaction) -> None:
        taken = CHANGE_SETS.get(tx, *_key(made))
        if taken is not None and taken.execution_status != "EXECUTE_COMPLETE":
            raise AWSError(
                "AlreadyExistsException", f"ChangeSet {name} cannot be created because it already exists", status=400
            )
        if stack.status == "REVIEW_IN_PROGRESS":
            reserve(tx, stack)
            stack.reason = "User Initiated"
            put_stack(tx, stack)
            event = Event(request_id(), made.created, stack.name, stack.id, STACK_TYPE, stack.status, "User Initiated")
            add_event(tx, stack, event)
        CHANGE_SETS.put(tx, *_key(made), value=made)

    await context.store.transact(change)
    return {"Id": made.id, "StackId": stack.id}


def _stack_for(context: Context, name: str, kind: str, change_set: str) -> Stack:
    found = stack_id(context, name)
    if kind == "UPDATE":
        stack = find_stack(context, name, missing=IN_BRACKETS)
        updatable(stack)
        return stack
    if found is None:
        return new_stack(context, name, "REVIEW_IN_PROGRESS")
    stack = find_stack(context, found)
    if stack.status != "REVIEW_IN_PROGRESS":
        raise invalid(f"Stack [{name}] already exists and cannot be created again with the changeSet [{change_set}].")
    return stack


@service.operation("DescribeChangeSet", access=on_stack("DescribeChangeSet"))
async def describe_change_set(context: Context, request: Shape) -> Shape:
    stack, found = find_change_set(context, request)
    version = found.version
    return present({
        "ChangeSetName": found.name, "ChangeSetId": found.id, "StackId": stack.id, "StackName": stack.name,
        "Description": found.description, "Parameters": described_parameters(version) or None,
        "CreationTime": moment(found.created), "ExecutionStatus": found.execution_status, "Status": found.status,
        "StatusReason": found.reason, "NotificationARNs": [], "RollbackConfiguration": {},
        "Capabilities": version.capabilities or None,
        "Tags": [{"Key": key, "Value": value} for key, value in version.tags.items()] or None,
        "Changes": _changes(found, values=bool(request.get("IncludePropertyValues"))), "IncludeNestedStacks": False,
        "OnStackFailure": found.on_failure,
    })  # fmt: skip


def _changes(found: ChangeSet, *, values: bool) -> list[Shape]:
    """With `values`, what a property was and will be; what nobody can tell beforehand is then not a change."""
    shown = (change for change in found.changes if change.certain or not values)
    return [{"Type": "Resource", "ResourceChange": _change(change, values=values)} for change in shown]


def _change(change: Change, *, values: bool) -> Shape:
    contexts = {"BeforeContext": change.before, "AfterContext": change.after} if values else {}
    return present({
        "Action": change.action, "LogicalResourceId": change.logical_id, "PhysicalResourceId": change.physical_id,
        "ResourceType": change.type, "Replacement": change.replacement, "Scope": change.scope,
        "PolicyAction": change.policy_action,
        "Details": [_detail(change, item, values=values) for item in change.details],
        **{name: json.dumps({"Properties": item}) for name, item in contexts.items() if item is not None},
    })  # fmt: skip


def _detail(change: Change, item: Detail, *, values: bool) -> Shape:
    target: dict[str, Any] = {"Attribute": item.attribute, "Name": item.name, "RequiresRecreation": item.recreation}
    if values and item.name:
        before, after = ((made or {}).get(item.name) for made in (change.before, change.after))
        kind = "Add" if before is None else "Remove" if after is None else "Modify"
        target |= {
            "Path": f"/Properties/{item.name}", "BeforeValue": _text(before), "AfterValue": _text(after),
            "AttributeChangeType": kind,
        }  # fmt: skip
    return present({
        "Target": present(target), "Evaluation": item.evaluation, "ChangeSource": item.source,
        "CausingEntity": item.entity,
    })  # fmt: skip


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value) if isinstance(value, dict | list) else text(value)


def _hide(changes: list[Change], *versions: Version | None) -> None:
    """Properties without the values of parameters that are declared NoEcho."""
    secrets = [secret for version in versions if version is not None for secret in secrets_of(version)]
    for change in changes:
        for name in ("before", "after"):
            written = json.dumps(getattr(change, name), default=str)
            setattr(change, name, json.loads(masked(written, secrets)))


@service.operation("ExecuteChangeSet", access=on_stack("ExecuteChangeSet"))
async def execute_change_set(context: Context, request: Shape) -> Shape:
    _, found = find_change_set(context, request)
    if found.kind == "UPDATE":
        refuse(request, "DisableRollback")

    def change(tx: Transaction) -> Operation:
        now = CHANGE_SETS.get(tx, *_key(found))
        if now is None or now.execution_status != "AVAILABLE":
            state = now.status if now is not None else "DELETED"
            message = f"ChangeSet [{found.id}] cannot be executed in its current status of [{state}]"
            raise AWSError("InvalidChangeSetStatusException", message, status=400)
        stack = current(tx, find_stack(context, found.stack_id))
        kind: Kind = "CREATE" if stack.status == "REVIEW_IN_PROGRESS" else "UPDATE"
        if kind == "UPDATE":
            updatable(stack)
        else:
            stack.version = found.version
            stack.on_failure = "DO_NOTHING" if request.get("DisableRollback") else found.on_failure or "ROLLBACK"
        # What was planned against the stack as it was holds no longer, for this one and all others.
        CHANGE_SETS.delete_all(tx, *_key(found)[:3])
        stack.change_set_id = found.id
        stack.updated = context.cloud.clock.time()
        token = request.get("ClientRequestToken", "")
        done = found
        done.execution_status = "EXECUTE_COMPLETE"
        CHANGE_SETS.put(tx, *_key(found), value=done)
        return open_operation(
            context, tx, stack, kind, found.version, token=token,
            retain_except_on_create=bool(request.get("RetainExceptOnCreate")),
        )  # fmt: skip

    context.cloud.part(Runner).start(await context.store.transact(change))
    return {}


@service.operation("DeleteChangeSet", access=on_stack("DeleteChangeSet"))
async def delete_change_set(context: Context, request: Shape) -> Shape:
    try:
        _, found = find_change_set(context, request)
    except AWSError as error:
        if error.code == "ChangeSetNotFoundException":
            return {}
        raise
    await context.store.transact(lambda tx: CHANGE_SETS.delete(tx, *_key(found)))
    return {}


@service.operation("ListChangeSets", access=on_stack("ListChangeSets"))
async def list_change_sets(context: Context, request: Shape) -> Shape:
    stack = find_stack(context, request["StackName"], missing=IN_BRACKETS)
    found = [item for _, item in CHANGE_SETS.scan(context.store, stack.account, stack.region, stack.id)]
    # One that was executed is known by its ARN only.
    return {"Summaries": [_summary(stack, item) for item in found if item.execution_status != "EXECUTE_COMPLETE"]}


def _summary(stack: Stack, found: ChangeSet) -> Shape:
    return present({
        "StackId": stack.id, "StackName": stack.name, "ChangeSetId": found.id, "ChangeSetName": found.name,
        "ExecutionStatus": found.execution_status, "Status": found.status, "StatusReason": found.reason,
        "CreationTime": moment(found.created), "Description": found.description, "IncludeNestedStacks": False,
    })  # fmt: skip
