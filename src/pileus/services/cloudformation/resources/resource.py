"""What a resource type is, and the step of work that makes, changes or deletes one resource.

A type is data (its properties, which of them replace the resource, its attributes) and three functions that call
other services as the one who asked for the stack.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pileus.aws.errors import AWSError
from pileus.services.cloudformation.documents import TemplateError


class Caller(Protocol):
    """Calls an operation of another service, authorised as the stack's principal."""

    async def __call__(self, service: str, operation: str, request: dict[str, Any], /) -> dict[str, Any]: ...


class Answer(Protocol):
    """What a custom resource's function has to say, and the URL where it says it."""

    url: str

    async def arrived(self) -> dict[str, Any] | None: ...


async def _no_answer(seconds: float) -> Answer:
    raise NotImplementedError


async def _nobody(physical_id: str) -> None:
    """Remembers nothing: the identify of a step without a journal."""


@dataclass
class Work:
    """One step. `previous` are the properties before an update. `resumed` says that an earlier try was cut off by
    the end of the process, so that what it was about to make may be there already."""

    caller: Caller
    region: str
    account: str
    stack_name: str
    logical_id: str
    properties: dict[str, Any]
    type: str = ""
    stack_id: str = ""
    previous: dict[str, Any] = field(default_factory=dict)
    physical_id: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    suffix: str = ""
    resumed: bool = False
    site: str = "http://{}.localhost"
    """Where a bucket answers as a website."""
    remember: Callable[[str], Awaitable[None]] = _nobody
    capabilities: tuple[str, ...] = ()
    """What the one who asked for the stack has acknowledged."""
    keeps_failures: bool = False
    """Whether what fails is left for somebody to look at it."""
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits for what may take long. Raises TemplateError where it need not come any more, because another of the
    stack's resources has failed."""
    answer: Callable[[float], Awaitable[Answer]] = _no_answer
    """Opens a place where a custom resource may answer for so many seconds."""

    async def call(self, service: str, operation: str, /, **request: Any) -> dict[str, Any]:
        """Members that are None are left out."""
        present = {name: value for name, value in request.items() if value is not None}
        return await self.caller(service, operation, present)

    async def create(self, service: str, operation: str, /, exists: str, **request: Any) -> dict[str, Any]:
        """A call that makes the thing. `exists` is the error of a thing that is there already: after an interrupted
        try it is ours."""
        try:
            return await self.call(service, operation, **request)
        except AWSError as error:
            if self.resumed and error.code == exists:
                return {}
            raise

    async def identify(self, physical_id: str) -> None:
        """To be called as soon as the thing exists: from then on a rollback deletes it."""
        self.physical_id = physical_id
        await self.remember(physical_id)

    def name(self, given: str, limit: int) -> str:
        """The name in the property `given`, or one made of the stack's and the resource's names, the same at
        every try."""
        own = self.properties.get(given)
        if own:
            return str(own)
        room = limit - len(self.suffix) - 1
        head = f"{self.stack_name}-{self.logical_id}"[:room].rstrip("-")
        return f"{head}-{self.suffix}"

    def changed(self, *names: str) -> bool:
        return any(self.properties.get(name) != self.previous.get(name) for name in names)

    def given(self, *names: str) -> dict[str, Any]:
        """These properties, as far as they are there."""
        return {name: self.properties[name] for name in names if name in self.properties}


Step = Callable[[Work], Awaitable[None]]


async def nothing(work: Work) -> None:
    """The step of a type that has nothing to do there."""


@dataclass(frozen=True)
class ResourceType:
    """`name_property` is the one that names the resource, so that two cannot be there at once; `create_only` are
    those whose change replaces it; `tags` is the property that the stack's own tags are added to. `open` is a type that
    takes any further properties, and says only when it is made which attributes it has; `attribute_prefix` begins the
    names of those that depend on what it is made of. `automatic` is a type that may change although its properties do
    not, so that every update asks it."""

    name: str
    properties: Mapping[str, Any]
    create: Step
    delete: Step
    update: Step = nothing
    required: frozenset[str] = frozenset()
    create_only: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    name_property: str = ""
    tags: str = ""
    capability: str = ""
    open: bool = False
    attribute_prefix: str = ""
    automatic: bool = False

    def has(self, attribute: str) -> bool:
        dynamic = bool(self.attribute_prefix) and attribute.startswith(self.attribute_prefix)
        return self.open or dynamic or attribute in self.attributes


def document(value: Any) -> str:
    """A policy as the APIs take it."""
    return value if isinstance(value, str) else json.dumps(value)


def tag_map(tags: list[dict[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags or []}


async def absent(step: Awaitable[Any], *codes: str) -> None:
    """Waits for a deletion; that the thing is gone already is as good."""
    try:
        await step
    except AWSError as error:
        if error.code not in codes:
            raise


async def must_be_free(work: Work, taken: str, missing: str, service: str, operation: str, /, **request: Any) -> None:
    """Refuses to take over what is there already, before a call that would overwrite it. `missing` is the error of
    what is not there, `taken` what to say of what is. After an interrupted try it is ours."""
    if work.resumed:
        return
    try:
        await work.call(service, operation, **request)
    except AWSError as error:
        if error.code == missing:
            return
        raise
    raise TemplateError(taken)


async def settled(
    work: Work,
    service: str,
    operation: str,
    request: dict[str, Any],
    busy: Callable[[Any], bool],
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Any:
    """Asks again until the answer is not `busy` any more: some things are made after the call that makes them."""
    pause = 0.02
    while True:
        answer = await work.call(service, operation, **request)
        if not busy(answer):
            return answer
        await wait(pause)
        pause = min(1.0, pause * 1.5)
