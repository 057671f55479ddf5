"""Carries a stack from one state to the next, step by step, so that a crash at any moment loses nothing.

Every step is written down before it is taken and when it is done. Going on after a crash is running the operation
again: resources that are as they should be are left alone, and one that was cut off is taken up where it was.
Resources are handled beside each other, each after those that it requires.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from pileus.aws.errors import AWSError
from pileus.aws.identifiers import upper
from pileus.services.cloudformation.changes import differences, replaces, resolve
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.exports import ImportLog, check_unused, publish
from pileus.services.cloudformation.intrinsics import Scope
from pileus.services.cloudformation.journal import ROLLBACK_FAILED, Journal, template_of
from pileus.services.cloudformation.parameters import typed
from pileus.services.cloudformation.records import (
    NAMES,
    RESOURCES,
    Operation,
    Resource,
    Stack,
    Version,
    add_event,
    resources_of,
)
from pileus.services.cloudformation.resources import TYPES
from pileus.services.cloudformation.resources.resource import ResourceType
from pileus.services.cloudformation.sections import Template
from pileus.services.cloudformation.stack_policies import Action, StackPolicy
from pileus.services.cloudformation.steps import MarkingCaller, StepError, Steps
from pileus.services.cloudformation.template import Desired, desired, outputs
from pileus.services.cloudformation.walking import walk
from pileus.services.context import Cloud
from pileus.store.interface import Transaction


class ForwardError(Exception):
    """What was asked for could not be reached."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Run:
    """One operation on one stack, in the process that holds its lease as `owner`. `caller` makes the calls of its
    steps."""

    def __init__(self, cloud: Cloud, operation: Operation, stack: Stack, caller: MarkingCaller, owner: str) -> None:
        self.cloud = cloud
        self.operation = operation
        self.stack = stack
        self.resources = resources_of(cloud.store, stack)
        self.imports = ImportLog(cloud.store, stack)
        self.template = template_of(operation.goal)
        self.policy = StackPolicy(operation.policy if operation.kind == "UPDATE" else "")
        self.journal = Journal(cloud, operation, stack, owner)
        self.steps = Steps(cloud, operation, stack, self.journal, caller)

    async def execute(self) -> None:
        await {"CREATE": self._create, "UPDATE": self._update, "DELETE": self._delete}[self.operation.kind]()

    # --- the three operations ---------------------------------------------------------------------------------------

    async def _create(self) -> None:
        if self.operation.phase == "forward":
            try:
                await self._forward()
                await self._succeed("CREATE_COMPLETE")
                return
            except ForwardError as error:
                if self.stack.on_failure == "DO_NOTHING":
                    await self.journal.mark("CREATE_FAILED", error.reason)
                    return
                status = "DELETE_IN_PROGRESS" if self.stack.on_failure == "DELETE" else "ROLLBACK_IN_PROGRESS"
                self.operation.phase = "rollback"
                await self.journal.mark(status, f"{error.reason} Rollback requested by user.")
        done = "DELETE" if self.stack.on_failure == "DELETE" else "ROLLBACK"
        failed = await self._delete_all(self.resources.values())
        if failed:
            await self.journal.mark(f"{done}_FAILED", _failed("delete", failed))
        elif done == "DELETE":
            await self._bury()
        else:
            await self.journal.mark("ROLLBACK_COMPLETE")

    async def _update(self) -> None:
        operation = self.operation
        if operation.phase == "forward":
            try:
                await self._forward()
                wanted = self._wanted()
                operation.garbage += [item for name, item in self.resources.items() if name not in wanted]
                operation.phase = "cleanup"
                await self._succeed("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
            except ForwardError as error:
                operation.phase = "rollback"
                operation.garbage = []
                await self.journal.mark("UPDATE_ROLLBACK_IN_PROGRESS", error.reason)
        if operation.phase == "rollback":
            try:
                await self._restore()
            except StepError as error:
                await self.journal.mark(ROLLBACK_FAILED, _failed("update", [error.logical_id]))
                return
            operation.phase = "rollback_cleanup"
            await self.journal.mark("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        # What cannot be deleted now stays, and is told about in the events: the stack is what it should be.
        await self._delete_all(operation.garbage)
        await self.journal.mark("UPDATE_COMPLETE" if operation.phase == "cleanup" else "UPDATE_ROLLBACK_COMPLETE")

    async def _delete(self) -> None:
        try:
            check_unused(self.cloud.store, self.stack)
        except AWSError as error:
            await self.journal.mark("DELETE_FAILED", f"Delete canceled. {error.message}")
            return
        failed = await self._delete_all(list(self.resources.values()), retain=self.operation.retain)
        if failed:
            await self.journal.mark("DELETE_FAILED", _failed("delete", failed))
        else:
            await self._bury()

    # --- making and changing ----------------------------------------------------------------------------------------

    def _scope(self) -> Scope:
        return scope_of(self.stack, self.operation.goal, self.template, self._value, self.imports.value)

    def _value(self, logical_id: str, attribute: str | None) -> Any:
        resource = self.resources.get(logical_id)
        if resource is None:
            raise TemplateError(f"Template format error: Unresolved resource dependencies [{logical_id}]")
        if attribute is None:
            return resource.physical_id
        if attribute not in resource.attributes:
            raise TemplateError(f"Attribute '{attribute}' does not exist in schema of {logical_id}")
        return resource.attributes[attribute]

    def _wanted(self) -> dict[str, Desired]:
        return desired(self.template, self._scope(), TYPES)

    async def _forward(self) -> None:
        scope = self._scope()
        deadline = None
        if self.stack.timeout_minutes is not None and self.operation.kind == "CREATE":
            deadline = self.operation.started + 60 * self.stack.timeout_minutes
        try:
            wanted = self._wanted()
        except TemplateError as problem:
            raise ForwardError(problem.message) from None

        denied = []
        for name, resource in self.resources.items():
            if name not in wanted and self.policy.denial("Update:Delete", name, resource.type):
                denied.append(name)
                with contextlib.suppress(StepError):
                    await self._permit("Update:Delete", resource)
        if denied:
            raise ForwardError(_failed("update", denied))

        async def step(name: str) -> None:
            if deadline is not None and self.cloud.clock.time() > deadline:
                raise StepError(name, "Stack creation time exceeded the specified timeout")
            await self._reconcile(wanted[name], scope)

        requirements = {name: item.requires for name, item in wanted.items()}
        failures = await walk(requirements, step, StepError, self.steps.halted.set)
        if failures:
            before = self.operation.before
            names = [error.logical_id for error in failures if isinstance(error, StepError)]
            verbs = {"create": [name for name in names if not before.get(name)],
                     "update": [name for name in names if before.get(name)]}  # fmt: skip
            raise ForwardError(" ".join(_failed(verb, named) for verb, named in verbs.items() if named))

    async def _reconcile(self, item: Desired, scope: Scope) -> None:
        kind = TYPES[item.type]
        current = self.resources.get(item.logical_id)
        if current is not None and current.making:
            await self._make(current, kind, resumed=True)
            return
        before = self.operation.before.get(item.logical_id) or current
        if current is not None and before is not None and current.physical_id != before.physical_id:
            return  # Replaced already, before the process ended.
        try:
            properties = resolve(item, kind, scope, self.operation.goal.tags)
        except TemplateError as problem:
            self._keep(item.logical_id)
            verb = "UPDATE" if current else "CREATE"
            base = current or Resource(item.logical_id, item.type, "", 0.0)
            raise await self._fail(base, f"{verb}_FAILED", problem.message) from None
        if current is None or before is None:
            await self._make(self._new(item, properties), kind)
            return
        changed = differences(before.properties, properties)
        if current.type != item.type or replaces(kind, changed):
            await self._permit("Update:Replace", current)
            await self._replace(item, current, properties, kind)
            return
        done = current.status == "UPDATE_COMPLETE" and current.properties == properties
        if kind.automatic:
            done = done and item.logical_id in self.operation.before
        elif not changed:
            await self._describe(item, current)
            return
        if not done:
            await self._permit("Update:Modify", current)
            self._keep(item.logical_id)
            await self._update_in_place(_renewed(before, item, properties), before.properties, kind)

    async def _permit(self, action: Action, resource: Resource) -> None:
        """Raises StepError for what the stack policy does not let this update do."""
        reason = self.policy.denial(action, resource.logical_id, resource.type)
        if reason:
            self._keep(resource.logical_id)
            raise await self._fail(msgspec.structs.replace(resource), "UPDATE_FAILED", reason)

    def _new(self, item: Desired, properties: dict[str, Any]) -> Resource:
        return Resource(
            item.logical_id, item.type, "CREATE_IN_PROGRESS", 0.0, properties=properties, metadata=item.metadata,
            requires=list(item.requires), deletion_policy=item.deletion_policy,
            update_replace_policy=item.update_replace_policy, suffix=upper(12), making=True,
        )  # fmt: skip

    async def _make(self, resource: Resource, kind: ResourceType, *, resumed: bool = False) -> None:
        name = resource.logical_id
        self._keep(name)
        self.resources[name] = resource
        if not resumed:
            await self.journal.record(resource, resource.status)
        verb = resource.status.removesuffix("_IN_PROGRESS")
        work = self.steps.work(resource, kind, resumed=resumed)
        try:
            await self.steps.take(kind.create, work)
        except StepError as error:
            raise await self._fail(resource, f"{verb}_FAILED", error.reason) from None
        resource.physical_id, resource.attributes, resource.making = work.physical_id, work.attributes, False
        await self.journal.record(resource, f"{verb}_COMPLETE")

    async def _describe(self, item: Desired, current: Resource) -> None:
        """Takes over what CloudFormation itself keeps of a resource that is otherwise as it should be."""
        fresh = _renewed(current, item, current.properties)
        if fresh != current:
            self._keep(item.logical_id)
            self.resources[item.logical_id] = fresh
            await self.journal.commit(lambda tx: self.journal.put(tx, fresh))

    def _keep(self, name: str) -> None:
        """Remembers a resource as it was before this operation touched it."""
        if name not in self.operation.before:
            current = self.resources.get(name)
            self.operation.before[name] = None if current is None else msgspec.structs.replace(current)
            self.journal.touch()

    async def _update_in_place(self, fresh: Resource, previous: dict[str, Any], kind: ResourceType) -> None:
        self.resources[fresh.logical_id] = fresh
        fresh.previous = previous
        await self.journal.record(fresh, "UPDATE_IN_PROGRESS")
        work = self.steps.work(fresh, kind)
        work.previous, work.physical_id, work.attributes = previous, fresh.physical_id, dict(fresh.attributes)
        try:
            await self.steps.take(kind.update, work)
        except StepError as error:
            raise await self._fail(fresh, "UPDATE_FAILED", error.reason) from None
        if work.physical_id != fresh.physical_id:
            # A custom resource that made another thing: the old one goes when all else is done.
            old = msgspec.structs.replace(fresh, properties=previous, previous=None)
            self.operation.garbage.append(old)
            self.journal.touch()
        fresh.physical_id, fresh.attributes, fresh.previous = work.physical_id, work.attributes, None
        await self.journal.record(fresh, "UPDATE_COMPLETE")

    async def _replace(self, item: Desired, current: Resource, properties: dict[str, Any], kind: ResourceType) -> None:
        named = kind.name_property
        if (
            current.type == item.type
            and named
            and named in properties
            and properties[named] == current.properties.get(named)
        ):
            message = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {properties[named]} and update the stack again."
            )
            self._keep(item.logical_id)
            raise await self._fail(current, "UPDATE_FAILED", message)
        fresh = self._new(item, properties)
        fresh.status = "UPDATE_IN_PROGRESS"
        fresh.reason = "Requested update requires the creation of a new physical resource; hence creating one."
        self.operation.garbage.append(msgspec.structs.replace(current))
        self.journal.touch()
        await self._make(fresh, kind)

    # --- going back -------------------------------------------------------------------------------------------------

    async def _restore(self) -> None:
        """Every resource that was touched as it was before; what was made instead becomes garbage."""
        operation = self.operation
        made = {item.physical_id for item in operation.garbage}
        for name, before in operation.before.items():
            current = self.resources.get(name)
            if current is None:
                continue
            if before is not None and current.physical_id == before.physical_id and not current.making:
                # A change back that was cut off or failed has the old properties already, and has to be made again.
                same = current.properties == before.properties
                previous = current.previous if same else current.properties
                if previous is not None and name not in operation.retain:
                    fresh = msgspec.structs.replace(before, reason="", previous=None)
                    await self._update_in_place(fresh, previous, TYPES[before.type])
                    continue
            elif current.physical_id and current.physical_id not in made:
                operation.garbage.append(current)
                self.journal.touch()
            await self._forget(current, before)

    async def _forget(self, current: Resource, before: Resource | None) -> None:
        name = current.logical_id
        if before is not None:
            self.resources[name] = before
            await self.journal.commit(lambda tx: self.journal.put(tx, before))
            return
        if not current.physical_id:
            del self.resources[name]
            await self.journal.commit(lambda tx: RESOURCES.delete(tx, *self.journal.key, name))

    # --- deleting ---------------------------------------------------------------------------------------------------

    async def _delete_all(self, resources: Iterable[Resource], retain: Iterable[str] = ()) -> list[str]:
        """Logical ids of those that could not be deleted. Nothing goes before what requires it."""
        by_key = {(item.logical_id, item.physical_id): item for item in resources}
        users: dict[str, set[str]] = {name: set() for name, _ in reversed(by_key)}
        for item in by_key.values():
            for need in item.requires:
                users.setdefault(need, set()).add(item.logical_id)
        failed: list[str] = []

        async def step(name: str) -> None:
            for item in [item for item in by_key.values() if item.logical_id == name]:
                try:
                    if users[name].isdisjoint(failed):
                        await self._remove(item, skip=name in retain)
                        continue
                except StepError:
                    pass
                failed.append(name)

        await walk(users, step, StepError)
        return failed

    async def _remove(self, item: Resource, *, skip: bool) -> None:
        kind = TYPES[item.type]
        own = self.resources.get(item.logical_id)
        current = own is not None and own.physical_id == item.physical_id
        policy = item.deletion_policy if self._leaves(item) else item.update_replace_policy
        if item.status == "DELETE_COMPLETE" or (not item.physical_id and not current):
            return
        if item.physical_id and (skip or (policy != "Delete" and not self._undoing(policy))):
            await self._end(item, "DELETE_SKIPPED", current)
            return
        if item.physical_id:
            await self.journal.record(item, "DELETE_IN_PROGRESS", keep=current)
            work = self.steps.work(item, kind)
            work.physical_id, work.attributes = item.physical_id, dict(item.attributes)
            try:
                await self.steps.take(kind.delete, work)
            except StepError as error:
                raise await self._fail(item, "DELETE_FAILED", error.reason, keep=current) from None
        await self._end(item, "DELETE_COMPLETE", current)

    def _leaves(self, item: Resource) -> bool:
        """Whether the template does without the resource, rather than with another in its place."""
        if self.operation.kind != "UPDATE" or self.operation.phase == "rollback_cleanup":
            return True
        own = self.resources.get(item.logical_id)
        return own is None or own.physical_id == item.physical_id

    def _undoing(self, policy: str) -> bool:
        """RetainExceptOnCreate holds once the operation that made the resource has succeeded."""
        excepted = policy == "RetainExceptOnCreate" or self.operation.retain_except_on_create
        return excepted and self.operation.phase in ("rollback", "rollback_cleanup")

    async def _end(self, item: Resource, status: str, current: bool) -> None:
        def change(tx: Transaction) -> None:
            if current:
                RESOURCES.delete(tx, *self.journal.key, item.logical_id)
            if item.physical_id:
                add_event(tx, self.stack, self.journal.event(item, status))

        item.status = status
        if current:
            del self.resources[item.logical_id]
        await self.journal.commit(change)

    async def _bury(self) -> None:
        self.stack.deleted = self.cloud.clock.time()

        def change(tx: Transaction) -> None:
            NAMES.delete(tx, self.stack.account, self.stack.region, self.stack.name)
            publish(tx, self.stack, [])
            self.imports.clear(tx)

        await self.journal.mark("DELETE_COMPLETE", also=change)

    async def _fail(self, resource: Resource, status: str, reason: str, *, keep: bool = True) -> StepError:
        self.resources.setdefault(resource.logical_id, resource)
        await self.journal.record(resource, status, reason=reason, keep=keep)
        return StepError(resource.logical_id, reason)

    async def _succeed(self, status: str) -> None:
        """The stack is what was asked for: its outputs count, its exports are public."""
        stack = self.stack
        earlier = stack.version, stack.outputs, stack.status
        try:
            stack.outputs = outputs(self.template, self._scope())
            stack.version = self.operation.goal
            await self.journal.mark(status, also=self._publish)
        except (TemplateError, AWSError) as error:
            stack.version, stack.outputs, stack.status = earlier
            raise ForwardError(error.message) from None

    def _publish(self, tx: Transaction) -> None:
        publish(tx, self.stack, self.stack.outputs)
        self.imports.write(tx)


def _failed(verb: str, logical_ids: list[str]) -> str:
    return f"The following resource(s) failed to {verb}: [{', '.join(logical_ids)}]."


def _renewed(resource: Resource, item: Desired, properties: dict[str, Any]) -> Resource:
    """`resource` with what the template says of it now."""
    return msgspec.structs.replace(
        resource, properties=properties, metadata=item.metadata, requires=list(item.requires), reason="",
        deletion_policy=item.deletion_policy, update_replace_policy=item.update_replace_policy,
    )  # fmt: skip


def scope_of(
    stack: Stack, version: Version, template: Template, resource: Callable[[str, str | None], Any],
    export: Callable[[str], str],
) -> Scope:  # fmt: skip
    return Scope(
        stack.region, stack.account, stack.name, stack.id,
        parameters=typed(template.section("Parameters"), version.values),
        mappings=template.section("Mappings"), conditions=template.section("Conditions"),
        resource=resource, export=export,
    )  # fmt: skip
