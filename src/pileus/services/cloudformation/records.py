"""What CloudFormation keeps: stacks, their resources and events, change sets, exports, and operations under way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from pileus.security.principals import Principal
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

OnFailure = Literal["ROLLBACK", "DELETE", "DO_NOTHING"]
RETENTION = 90 * 86400.0
"""Deleted stacks are described for 90 days."""


class Described(msgspec.Struct, kw_only=True):
    description: str | None = None
    """The template's, None where it was not kept beside it yet."""


class Version(Described):
    """All that a stack is asked to be: a template with what fills it. `processed` is it as JSON, transforms done."""

    body: str
    processed: str
    parameters: dict[str, str] = {}
    capabilities: list[str] = []
    tags: dict[str, str] = {}
    role_arn: str = ""
    resolved: dict[str, str] = {}
    """The values of parameters that name others in the parameter store, as they were when this was asked for."""

    @property
    def values(self) -> dict[str, str]:
        return self.parameters | self.resolved


class Resource(msgspec.Struct):
    """`making` says that what the physical id stands for is still being made. `requires` are the resources that
    have to outlive this one. `suffix` ends the name that it is given where it names none."""

    logical_id: str
    type: str
    status: str
    updated: float
    physical_id: str = ""
    properties: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    requires: list[str] = []
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    reason: str = ""
    suffix: str = ""
    making: bool = False
    previous: dict[str, Any] | None = None
    """The properties that a change under way, or one that failed, comes from."""


class StackSummary(msgspec.Struct):
    """What lists tell of a stack: read without its template."""

    id: str
    name: str
    account: str
    region: str
    created: float
    status: str
    version: Described | None = None
    reason: str = ""
    updated: float | None = None
    deleted: float | None = None
    parent_id: str = ""
    """Of a nested stack, the stack that it is a resource of; `root_id` is the outermost."""
    root_id: str = ""


class Stack(StackSummary):
    version: Version | None = None
    outputs: list[dict[str, str]] = []
    on_failure: OnFailure = "ROLLBACK"
    timeout_minutes: int | None = None
    termination_protection: bool = False
    change_set_id: str = ""
    policy: str = ""
    """The stack policy, empty where there is none."""

    @property
    def busy(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


class Operation(msgspec.Struct):
    """The journal of an operation under way, enough to go on after the end of the process that began it.

    `before` holds the resources as they were, None for those that were not there; `garbage` what is to be deleted
    at the end; `retain` are the resources that are to be left as they are. It is kept where a rollback failed, so that
    it can be continued.
    """

    stack_id: str
    account: str
    region: str
    kind: Literal["CREATE", "UPDATE", "DELETE"]
    principal: Principal
    goal: Version
    started: float
    token: str = ""
    phase: Literal["forward", "cleanup", "rollback", "rollback_cleanup"] = "forward"
    before: dict[str, Resource | None] = {}
    garbage: list[Resource] = []
    retain: list[str] = []
    policy: str = ""
    """The stack policy that holds during this update."""
    retain_except_on_create: bool = False
    """Whether a rollback deletes what the operation made, although a DeletionPolicy says Retain."""


class Lease(msgspec.Struct):
    """Which process is at an operation, and when it last said so."""

    owner: str
    beat: float


class Event(msgspec.Struct):
    id: str
    time: float
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str = ""
    properties: str = ""
    token: str = ""


class Detail(msgspec.Struct):
    """Why a resource changes: what of it (`name` is empty but for properties), and what changes that."""

    attribute: str
    name: str = ""
    recreation: str = "Never"
    source: str = "DirectModification"
    evaluation: str = "Static"
    entity: str = ""


class Change(msgspec.Struct):
    """One line of a change set. `replacement` is empty for what is added or removed; `before` and `after` are the
    properties, as far as they are known. Where `certain` is not, only the change itself can tell whether it is one."""

    action: Literal["Add", "Modify", "Remove"]
    logical_id: str
    type: str
    physical_id: str = ""
    replacement: str = ""
    scope: list[str] = []
    details: list[Detail] = []
    policy_action: str = ""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    certain: bool = True


class ChangeSet(msgspec.Struct):
    id: str
    name: str
    stack_id: str
    kind: str
    created: float
    status: str
    execution_status: str
    version: Version
    reason: str = ""
    description: str = ""
    changes: list[Change] = []
    on_failure: OnFailure | Literal[""] = ""


class Export(msgspec.Struct):
    value: str
    stack_id: str


STACKS = Records(Stack, "cloudformation", "stack")
"""Under account, region and stack id."""
SUMMARIES = Records(StackSummary, "cloudformation", "stack")
"""The same records."""
NAMES = Records(str, "cloudformation", "name")
"""The id of the stack that has the name now, under account, region and name."""
RESOURCES = Records(Resource, "cloudformation", "resource")
"""Under account, region, stack id and logical id."""
EVENTS = Records(Event, "cloudformation", "event")
"""Under account, region, stack id and a number that grows."""
OPERATIONS = Records(Operation, "cloudformation", "operation")
"""Under account, region and stack id."""
LEASES = Records(Lease, "cloudformation", "lease")
"""Under the operation's key."""
CHANGE_SETS = Records(ChangeSet, "cloudformation", "change-set")
"""Under account, region, stack id and change set name."""
EXPORTS = Records(Export, "cloudformation", "export")
"""Under account, region and export name."""
IMPORTS = Records(str, "cloudformation", "import")
"""The importing stack's name, under account, region, export name and stack id."""


def resources_of(reader: Reader, stack: Stack) -> dict[str, Resource]:
    found = RESOURCES.scan(reader, stack.account, stack.region, stack.id)
    return {resource.logical_id: resource for _, resource in found}


def add_event(tx: Transaction, stack: Stack, event: Event) -> None:
    """Numbers follow the clock and never repeat, so that the order of events is the order of commits."""
    within = (stack.account, stack.region, stack.id)
    last = next(iter(EVENTS.scan(tx, *within, reverse=True, limit=1)), None)
    number = int(event.time * 1e6)
    if last is not None:
        number = max(number, int(str(last[0][3])) + 1)
    EVENTS.put(tx, *within, number, value=event)


def imports_of(reader: Reader, account: str, region: str, export: str) -> Iterator[tuple[str, str]]:
    """(stack id, stack name) of the stacks that use an export."""
    for key, name in IMPORTS.scan(reader, account, region, export):
        yield str(key[3]), name
