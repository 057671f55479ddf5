"""One step of an operation: a resource made, changed or deleted, by the calls of the stack's principal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from pileus.aws.errors import AWSError
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.journal import Journal, LostError
from pileus.services.cloudformation.records import Operation, Resource, Stack
from pileus.services.cloudformation.resources.resource import ResourceType, Work
from pileus.services.cloudformation.responses import Response, Responses
from pileus.services.context import Cloud

log = logging.getLogger(__name__)

MARK = "aws:cloudformation:"
Tags = tuple[tuple[str, str], ...]


class MarkingCaller(Protocol):
    """A Caller whose calls mark with `marks` what they make."""

    async def __call__(
        self, service: str, operation: str, request: dict[str, Any], marks: Tags, /
    ) -> dict[str, Any]: ...


class StepError(Exception):
    """A resource could not be made, changed or deleted."""

    def __init__(self, logical_id: str, reason: str) -> None:
        super().__init__(reason)
        self.logical_id = logical_id
        self.reason = reason


class Steps:
    """The steps of one operation. `halted` is set when one has failed: what is waited for elsewhere need not come."""

    def __init__(
        self, cloud: Cloud, operation: Operation, stack: Stack, journal: Journal, caller: MarkingCaller
    ) -> None:
        self.halted = asyncio.Event()
        self._cloud = cloud
        self._operation = operation
        self._stack = stack
        self._journal = journal
        self._caller = caller

    def work(self, resource: Resource, kind: ResourceType, *, resumed: bool = False) -> Work:
        async def remember(physical_id: str) -> None:
            resource.physical_id = physical_id
            reason = "Resource creation Initiated"
            await self._journal.record(resource, resource.status, reason=reason)

        async def call(service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
            return await self._caller(service, operation, request, self._marks(resource))

        settings, stack = self._cloud.settings, self._stack
        scheme = "https" if settings.tls_certificate else "http"
        return Work(
            call, stack.region, stack.account, stack.name, resource.logical_id,
            resource.properties, suffix=resource.suffix, resumed=resumed, remember=remember,
            type=resource.type, stack_id=stack.id, answer=self._answer, pause=self._pause,
            capabilities=tuple(self._operation.goal.capabilities), keeps_failures=stack.on_failure == "DO_NOTHING",
            physical_id=resource.physical_id, site=f"{scheme}://{{}}.localhost:{settings.port}",
        )  # fmt: skip

    def _marks(self, resource: Resource) -> Tags:
        """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html"""
        values = {"stack-name": self._stack.name, "stack-id": self._stack.id, "logical-id": resource.logical_id}
        return tuple((f"{MARK}{name}", value) for name, value in values.items())

    async def _pause(self, seconds: float) -> None:
        if self._operation.kind == "DELETE" or self._operation.phase != "forward":
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.halted.wait(), seconds)
            verb = "creation" if self._operation.kind == "CREATE" else "update"
            raise TemplateError(f"Resource {verb} cancelled")

    async def _answer(self, seconds: float) -> Response:
        return await self._cloud.part(Responses).open(seconds)

    async def take(self, step: Callable[[Work], Awaitable[None]], work: Work) -> None:
        """Raises StepError."""
        try:
            await step(work)
        except AWSError as error:
            raise StepError(work.logical_id, f"{error.message or error.code} (Error Code: {error.code})") from None
        except TemplateError as problem:
            raise StepError(work.logical_id, problem.message) from None
        except LostError:
            raise
        except Exception:
            log.exception("provisioning %s of %s", work.logical_id, work.stack_name)
            raise StepError(work.logical_id, "Internal Failure") from None
