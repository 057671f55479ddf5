"""The journal of an operation: every change of a stack and its resources, with the event that tells it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from pileus.aws.identifiers import request_id
from pileus.services.cloudformation.parameters import NO_ECHO, hidden
from pileus.services.cloudformation.records import (
    LEASES,
    OPERATIONS,
    RESOURCES,
    STACKS,
    Event,
    Operation,
    Resource,
    Stack,
    Version,
    add_event,
)
from pileus.services.cloudformation.sections import Template
from pileus.services.context import Cloud
from pileus.store.interface import Transaction

ROLLBACK_FAILED = "UPDATE_ROLLBACK_FAILED"
STACK_TYPE = "AWS::CloudFormation::Stack"


class LostError(Exception):
    """Another process has taken the operation over."""


def template_of(version: Version) -> Template:
    return Template(json.loads(version.processed))


def secrets_of(version: Version) -> list[str]:
    """The values of parameters that are declared NoEcho, as JSON writes them inside a string."""
    declared = template_of(version).section("Parameters")
    values = (value for name, value in version.values.items() if name in declared and hidden(declared[name]))
    return [json.dumps(value)[1:-1] for value in values if value]


def masked(written: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        written = written.replace(secret, NO_ECHO)
    return written


class Journal:
    """Written by the process that holds the operation's lease as `owner`, and by no other."""

    def __init__(self, cloud: Cloud, operation: Operation, stack: Stack, owner: str) -> None:
        self._cloud = cloud
        self._operation = operation
        self._stack = stack
        self._owner = owner
        self._secrets = secrets_of(operation.goal)
        self._touched = False

    @property
    def key(self) -> tuple[str, str, str]:
        return self._stack.account, self._stack.region, self._stack.id

    def touch(self) -> None:
        """The operation itself has changed: the next line writes it too."""
        self._touched = True

    def put(self, tx: Transaction, resource: Resource) -> None:
        RESOURCES.put(tx, *self.key, resource.logical_id, value=resource)

    async def record(self, resource: Resource, status: str, *, reason: str | None = None, keep: bool = True) -> None:
        """Writes down where a resource stands, and tells it. `keep` is False for one that another has replaced."""
        resource.status = status
        resource.updated = self._cloud.clock.time()
        resource.reason = reason if reason is not None else ("" if status.endswith("COMPLETE") else resource.reason)

        def change(tx: Transaction) -> None:
            if keep:
                self.put(tx, resource)
            add_event(tx, self._stack, self.event(resource, status, resource.reason))

        await self.commit(change)

    async def mark(self, status: str, reason: str = "", also: Callable[[Transaction], None] | None = None) -> None:
        """Brings the stack into a state. One that is not in progress ends the operation in the same commit: whoever
        sees the state may begin the next."""
        going_on = status.endswith("_IN_PROGRESS")
        self._stack.status = status
        self._stack.reason = reason
        self._touched = going_on

        def change(tx: Transaction) -> None:
            if also is not None:
                also(tx)
            STACKS.put(tx, *self.key, value=self._stack)
            own = Resource(self._stack.name, STACK_TYPE, status, 0.0, physical_id=self._stack.id)
            add_event(tx, self._stack, self.event(own, status, reason))
            if not going_on:
                LEASES.delete(tx, *self.key)
                if status == ROLLBACK_FAILED:
                    OPERATIONS.put(tx, *self.key, value=self._operation)
                else:
                    OPERATIONS.delete(tx, *self.key)

        await self.commit(change)

    async def commit(self, change: Callable[[Transaction], None]) -> None:
        """One line of the journal, and what it is about. Raises LostError where another process writes it now."""
        touched, self._touched = self._touched, False

        def all_of_it(tx: Transaction) -> None:
            lease = LEASES.get(tx, *self.key)
            if lease is None or lease.owner != self._owner:
                raise LostError(self._stack.id)
            change(tx)
            if touched:
                OPERATIONS.put(tx, *self.key, value=self._operation)

        await self._cloud.store.transact(all_of_it)

    def event(self, resource: Resource, status: str, reason: str = "") -> Event:
        properties = ""
        if resource.physical_id != self._stack.id:
            properties = masked(json.dumps(resource.properties, default=str), self._secrets)
        return Event(
            request_id(), self._cloud.clock.time(), resource.logical_id, resource.physical_id, resource.type, status,
            reason, properties, self._operation.token,
        )  # fmt: skip
