"""Event source mappings: DynamoDB streams whose records functions are given in batches.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-eventsourcemapping.html
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from pileus.aws.arn import arn, parse
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.lambda_ import destinations, filters, service
from pileus.services.lambda_.access import on_everything, request_tags
from pileus.services.lambda_.configuration import invalid
from pileus.services.lambda_.names import FunctionName
from pileus.services.lambda_.names import parse as parse_name
from pileus.services.lambda_.pages import page, position
from pileus.services.lambda_.records import CHECKPOINTS, MAPPINGS, Mapping, get_version
from pileus.services.lambda_.roles import Roles
from pileus.services.lambda_.tags import check_tags
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store.interface import Transaction

# What applies to other kinds of sources, or is not there.
_REFUSED = (
    "KMSKeyArn", "MetricsConfig", "LoggingConfig", "ScalingConfig", "Topics", "Queues", "SourceAccessConfigurations",
    "SelfManagedEventSource", "AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig", "ProvisionedPollerConfig",
)  # fmt: skip


def _function_keys(name: FunctionName) -> dict[str, str]:
    return {"lambda:functionarn": name.qualified_arn}


def _on_create(context: Context, request: Shape) -> Access:
    name = parse_name(context, request["FunctionName"])
    return Access("lambda:CreateEventSourceMapping", "*", {**_function_keys(name), **request_tags(request)})


def _on_mapping(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        mapping = MAPPINGS.get(context.store, context.account, context.region, request["UUID"])
        keys = _function_keys(mapping.name) if mapping else {}
        return Access(f"lambda:{action}", _arn(context.account, context.region, request["UUID"]), keys)

    return rule


def _arn(account: str, region: str, identifier: str) -> str:
    return arn("lambda", region, account, f"event-source-mapping:{identifier}")


@service.operation("CreateEventSourceMapping", access=_on_create)
async def create_event_source_mapping(context: Context, request: Shape) -> Shape:
    source = request.get("EventSourceArn")
    if not source:
        raise invalid("Unrecognized event source.")
    name = parse_name(context, request["FunctionName"])
    check_tags(request.get("Tags") or {})
    mapping = Mapping(
        str(uuid.uuid4()),
        context.account,
        context.region,
        source,
        f"{name.name}:{name.qualifier}" if name.qualifier else name.name,
        request.get("StartingPosition") or "",
        context.cloud.clock.time(),
        tags=(request.get("Tags") or {}) | dict(context.system_tags),
    )
    _take(context, mapping, request)
    _check_source(source)
    if not mapping.starting_position:
        raise invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must"
            " not be null."
        )
    if mapping.starting_position == "AT_TIMESTAMP":
        raise invalid(f"Unsupported starting position for arn type: {source}")
    await _check_function(context, mapping, name)

    def change(tx: Transaction) -> None:
        for _, other in MAPPINGS.scan(tx, context.account, context.region):
            if (other.source, other.function) == (mapping.source, mapping.function):
                raise AWSError(
                    "ResourceConflictException",
                    f'The event source arn (" {source} ") and function (" {name.name} ") provided mapping already'
                    f" exists. Please update or delete the existing mapping with UUID {other.uuid}",
                    Type="User",
                )
        MAPPINGS.put(tx, context.account, context.region, mapping.uuid, value=mapping)

    await context.store.transact(change)
    return {**_shape(mapping), "State": "Creating"}


@service.operation("UpdateEventSourceMapping", access=_on_mapping("UpdateEventSourceMapping"))
async def update_event_source_mapping(context: Context, request: Shape) -> Shape:
    identifier = request["UUID"]
    before = _get(context, identifier)
    name = parse_name(context, request["FunctionName"]) if request.get("FunctionName") else before.name
    function = f"{name.name}:{name.qualifier}" if name.qualifier else name.name
    if request.get("FunctionName"):
        await _check_function(context, before, name)

    def change(tx: Transaction) -> Mapping:
        mapping = MAPPINGS.get(tx, context.account, context.region, identifier)
        if mapping is None:
            raise _not_there()
        mapping.function = function
        _take(context, mapping, request)
        mapping.modified = context.cloud.clock.time()
        MAPPINGS.put(tx, context.account, context.region, identifier, value=mapping)
        return mapping

    mapping = await context.store.transact(change)
    if mapping.enabled == before.enabled:
        return {**_shape(mapping), "State": "Updating"}
    return {**_shape(mapping), "State": "Enabling" if mapping.enabled else "Disabling"}


@service.operation("GetEventSourceMapping", access=_on_mapping("GetEventSourceMapping"))
async def get_event_source_mapping(context: Context, request: Shape) -> Shape:
    return _shape(_get(context, request["UUID"]))


@service.operation("DeleteEventSourceMapping", access=_on_mapping("DeleteEventSourceMapping"))
async def delete_event_source_mapping(context: Context, request: Shape) -> Shape:
    mapping = _get(context, request["UUID"])

    def change(tx: Transaction) -> None:
        MAPPINGS.delete(tx, context.account, context.region, mapping.uuid)
        CHECKPOINTS.delete_all(tx, mapping.uuid)

    await context.store.transact(change)
    return {**_shape(mapping), "State": "Deleting"}


@service.operation("ListEventSourceMappings", access=on_everything("ListEventSourceMappings"))
async def list_event_source_mappings(context: Context, request: Shape) -> Shape:
    name = parse_name(context, request["FunctionName"]) if request.get("FunctionName") else None
    source = request.get("EventSourceArn")
    rows = (
        row
        for row in MAPPINGS.scan(context.store, context.account, context.region, after=position(request.get("Marker")))
        if (not source or row[1].source == source) and (name is None or row[1].name == name)
    )
    shown, marker = page(rows, min(request.get("MaxItems") or 100, 100))
    return {"EventSourceMappings": [_shape(mapping) for _, mapping in shown], **marker}


def _get(context: Context, identifier: str) -> Mapping:
    mapping = MAPPINGS.get(context.store, context.account, context.region, identifier)
    if mapping is None:
        raise _not_there()
    return mapping


def _not_there() -> AWSError:
    return AWSError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")


def _check_source(source: str) -> None:
    try:
        parsed = parse(source)
    except ValueError:
        raise invalid("Unrecognized event source.") from None
    if parsed.service == "dynamodb" and "/stream/" in parsed.resource:
        return
    if parsed.service in ("sqs", "kinesis", "kafka", "mq", "rds"):
        raise option_not_implemented(
            f"event sources of the service {parsed.service}", "only DynamoDB streams are here."
        )
    raise invalid("Unrecognized event source.")


async def _check_function(context: Context, mapping: Mapping, name: FunctionName) -> None:
    """The function must be there, and its role must be able to read the stream."""
    try:
        version = get_version(context.store, name)
    except AWSError:
        raise invalid("Function does not exist") from None
    role = version.configuration.role
    _, principal = await context.cloud.part(Roles).assume(role, name.name, name.region)
    client = context.cloud.client(principal, region=name.region)
    try:
        await client.call("dynamodbstreams", "DescribeStream", {"StreamArn": mapping.source})
    except AWSError as error:
        if error.code in ("ResourceNotFoundException", "ValidationException"):
            raise invalid(f"Stream not found: {mapping.source}") from error
        raise invalid(
            f"Cannot access stream {mapping.source}. Please ensure the role can perform the GetRecords,"
            " GetShardIterator, DescribeStream, ListShards, and DescribeStreamSummary Actions on your stream in IAM."
        ) from error


def _take(context: Context, mapping: Mapping, request: Shape) -> None:
    """What the request says, checked, into the mapping."""
    for option in _REFUSED:
        if request.get(option):
            raise option_not_implemented(option)
    plain = {
        "enabled": "Enabled",
        "batch_size": "BatchSize",
        "window": "MaximumBatchingWindowInSeconds",
        "parallelization": "ParallelizationFactor",
        "tumbling": "TumblingWindowInSeconds",
        "retries": "MaximumRetryAttempts",
        "record_age": "MaximumRecordAgeInSeconds",
        "bisect": "BisectBatchOnFunctionError",
        "response_types": "FunctionResponseTypes",
    }
    for attribute, member in plain.items():
        if request.get(member) is not None:
            setattr(mapping, attribute, request[member])
    if mapping.tumbling and mapping.parallelization > 1:
        raise option_not_implemented(
            "TumblingWindowInSeconds with ParallelizationFactor", "a window's state goes from batch to batch."
        )
    if mapping.record_age != -1 and mapping.record_age < 60:
        raise invalid("MaximumRecordAgeInSeconds must be -1, or between 60 and 604800.")
    if "FilterCriteria" in request:
        patterns = [one.get("Pattern", "") for one in request["FilterCriteria"].get("Filters") or ()]
        filters.compiled(patterns)
        mapping.filters = patterns
    asked = request.get("DestinationConfig") or {}
    if (asked.get("OnSuccess") or {}).get("Destination"):
        raise invalid("Unsupported DestinationConfig parameter for given event source mapping type.")
    if "DestinationConfig" in request:
        mapping.on_failure = (asked.get("OnFailure") or {}).get("Destination") or ""
        destinations.check(context, mapping.name, mapping.on_failure)


def _shape(mapping: Mapping) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "UUID": mapping.uuid,
        "StartingPosition": mapping.starting_position,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window,
        "ParallelizationFactor": mapping.parallelization,
        "EventSourceArn": mapping.source,
        "FunctionArn": mapping.name.qualified_arn,
        "LastModified": datetime.fromtimestamp(mapping.modified, UTC),
        "LastProcessingResult": mapping.last_result,
        "State": "Enabled" if mapping.enabled else "Disabled",
        "StateTransitionReason": "User action",
        "DestinationConfig": {"OnFailure": {"Destination": mapping.on_failure} if mapping.on_failure else {}},
        "MaximumRecordAgeInSeconds": mapping.record_age,
        "BisectBatchOnFunctionError": mapping.bisect,
        "MaximumRetryAttempts": mapping.retries,
        "TumblingWindowInSeconds": mapping.tumbling,
        "FunctionResponseTypes": mapping.response_types,
        "EventSourceMappingArn": _arn(mapping.account, mapping.region, mapping.uuid),
    }
    if mapping.filters:
        shape["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in mapping.filters]}
    return shape
