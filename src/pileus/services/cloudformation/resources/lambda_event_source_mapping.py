"""AWS::Lambda::EventSourceMapping."""

from __future__ import annotations

from typing import Any

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, settled
from pileus.services.cloudformation.schemas import members

_SOURCE = ("EventSourceArn", "StartingPosition")
_CHANGEABLE = (
    "FunctionName", "Enabled", "BatchSize", "FilterCriteria", "MaximumBatchingWindowInSeconds", "ParallelizationFactor",
    "DestinationConfig", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts",
    "TumblingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig", "MetricsConfig",
)  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "Enabled": True, "BatchSize": 100, "FilterCriteria": {}, "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1, "DestinationConfig": {}, "MaximumRecordAgeInSeconds": -1,
    "BisectBatchOnFunctionError": False, "MaximumRetryAttempts": -1, "TumblingWindowInSeconds": 0,
    "FunctionResponseTypes": [], "ScalingConfig": {}, "MetricsConfig": {},
}  # fmt: skip


async def create(work: Work) -> None:
    made = await work.call("lambda", "CreateEventSourceMapping", **work.given(*_SOURCE, *_CHANGEABLE))
    await work.identify(made["UUID"])
    await _describe(work)


async def _describe(work: Work) -> None:
    found = await settled(work, "lambda", "GetEventSourceMapping", {"UUID": work.physical_id}, _busy)
    work.attributes = {"Id": work.physical_id, "EventSourceMappingArn": found.get("EventSourceMappingArn", "")}


def _busy(found: dict[str, Any]) -> bool:
    return str(found.get("State", "")).endswith("ing")


async def update(work: Work) -> None:
    changed = {name: work.properties.get(name, _DEFAULTS.get(name)) for name in _CHANGEABLE if work.changed(name)}
    await work.call("lambda", "UpdateEventSourceMapping", UUID=work.physical_id, **changed)
    await _describe(work)


async def delete(work: Work) -> None:
    await absent(work.call("lambda", "DeleteEventSourceMapping", UUID=work.physical_id), "ResourceNotFoundException")


EVENT_SOURCE_MAPPING = ResourceType(
    "AWS::Lambda::EventSourceMapping",
    properties=members("lambda", "CreateEventSourceMapping", (*_SOURCE, *_CHANGEABLE)),
    create=create, update=update, delete=delete,
    required=frozenset({"FunctionName"}),
    create_only=frozenset(_SOURCE),
    attributes=frozenset({"Id", "EventSourceMappingArn"}),
)  # fmt: skip
