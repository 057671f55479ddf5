"""AWS::Lambda::EventInvokeConfig: retries and destinations of asynchronous invocations."""

from __future__ import annotations

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, must_be_free
from pileus.services.cloudformation.schemas import members

_GONE = "ResourceNotFoundException"
_TARGET = ("FunctionName", "Qualifier")
_SETTINGS = ("MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig")


async def create(work: Work) -> None:
    taken = f"{work.properties['FunctionName']} has a configuration for {work.properties['Qualifier']} already"
    await must_be_free(work, taken, _GONE, "lambda", "GetFunctionEventInvokeConfig", **work.given(*_TARGET))
    await update(work)
    await work.identify(f"{work.properties['FunctionName']}|{work.properties['Qualifier']}")


async def update(work: Work) -> None:
    """Put replaces the whole configuration, what is left out included."""
    await work.call("lambda", "PutFunctionEventInvokeConfig", **work.given(*_TARGET, *_SETTINGS))


async def delete(work: Work) -> None:
    request = work.given(*_TARGET)
    await absent(work.call("lambda", "DeleteFunctionEventInvokeConfig", **request), _GONE)


EVENT_INVOKE_CONFIG = ResourceType(
    "AWS::Lambda::EventInvokeConfig",
    properties=members("lambda", "PutFunctionEventInvokeConfig", (*_TARGET, *_SETTINGS)),
    create=create, update=update, delete=delete,
    required=frozenset(_TARGET),
    create_only=frozenset(_TARGET),
)  # fmt: skip
