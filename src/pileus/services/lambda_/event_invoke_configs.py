"""How asynchronous invocations of a version or alias are retried, and where their outcomes go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.lambda_ import destinations, service
from pileus.services.lambda_.access import on_function, on_whole_function
from pileus.services.lambda_.configuration import invalid
from pileus.services.lambda_.names import LATEST, FunctionName, function_name
from pileus.services.lambda_.pages import page, position
from pileus.services.lambda_.records import (
    EVENT_INVOKE_CONFIGS,
    FUNCTIONS,
    EventInvokeConfig,
    get_version,
)
from pileus.services.operation import Shape
from pileus.store.interface import Transaction

_MEMBERS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


def _name(context: Context, request: Shape) -> FunctionName:
    name = function_name(context, request)
    return name.at(name.qualifier or LATEST)


@service.operation("PutFunctionEventInvokeConfig", access=on_function("PutFunctionEventInvokeConfig"))
async def put_function_event_invoke_config(context: Context, request: Shape) -> Shape:
    return await _change(context, request, replace=True)


@service.operation("UpdateFunctionEventInvokeConfig", access=on_function("UpdateFunctionEventInvokeConfig"))
async def update_function_event_invoke_config(context: Context, request: Shape) -> Shape:
    return await _change(context, request, replace=False)


async def _change(context: Context, request: Shape, *, replace: bool) -> Shape:
    name = _name(context, request)
    if not any(member in request for member in _MEMBERS):
        raise invalid("You must specify at least one of error handling or destination setting.")
    asked = request.get("DestinationConfig") or {}
    targets = {
        "on_success": (asked.get("OnSuccess") or {}).get("Destination"),
        "on_failure": (asked.get("OnFailure") or {}).get("Destination"),
    }
    _check_exists(context, name)
    for outcome, target in targets.items():
        destinations.check(context, name, target or "", _described(targets), failures=outcome == "on_failure")

    def change(tx: Transaction) -> EventInvokeConfig:
        config = EVENT_INVOKE_CONFIGS.get(tx, *name.key, name.qualifier)
        if config is None and not replace:
            raise _not_there(name)
        if config is None or replace:
            config = EventInvokeConfig(0.0)
        config.modified = context.cloud.clock.time()
        if "MaximumRetryAttempts" in request:
            config.maximum_retry_attempts = request["MaximumRetryAttempts"]
        if "MaximumEventAgeInSeconds" in request:
            config.maximum_event_age = request["MaximumEventAgeInSeconds"]
        for member, target in targets.items():
            if target is not None:
                setattr(config, member, target)
        EVENT_INVOKE_CONFIGS.put(tx, *name.key, name.qualifier, value=config)
        return config

    return _shape(name, await context.store.transact(change))


@service.operation("GetFunctionEventInvokeConfig", access=on_function("GetFunctionEventInvokeConfig"))
async def get_function_event_invoke_config(context: Context, request: Shape) -> Shape:
    name = _name(context, request)
    config = EVENT_INVOKE_CONFIGS.get(context.store, *name.key, name.qualifier)
    if config is None:
        raise _not_there(name)
    return _shape(name, config)


@service.operation("DeleteFunctionEventInvokeConfig", access=on_function("DeleteFunctionEventInvokeConfig"))
async def delete_function_event_invoke_config(context: Context, request: Shape) -> None:
    name = _name(context, request)

    def change(tx: Transaction) -> None:
        if EVENT_INVOKE_CONFIGS.get(tx, *name.key, name.qualifier) is None:
            raise _not_there(name)
        EVENT_INVOKE_CONFIGS.delete(tx, *name.key, name.qualifier)

    await context.store.transact(change)


@service.operation("ListFunctionEventInvokeConfigs", access=on_whole_function("ListFunctionEventInvokeConfigs"))
async def list_function_event_invoke_configs(context: Context, request: Shape) -> Shape:
    name = function_name(context, request).at("")
    _check_exists(context, name)
    rows = EVENT_INVOKE_CONFIGS.scan(context.store, *name.key, after=position(request.get("Marker")))
    shown, marker = page(rows, request.get("MaxItems") or 50)
    return {"FunctionEventInvokeConfigs": [_shape(name.at(str(key[3])), config) for key, config in shown], **marker}


def _described(targets: dict[str, str | None]) -> str:
    """The configuration as AWS's errors print it."""
    success, failure = targets["on_success"], targets["on_failure"]
    shown = f"OnSuccess(destination={success})" if success else "null"
    return (
        f"DestinationConfig(onSuccess={shown}, onFailure={f'OnFailure(destination={failure})' if failure else 'null'})"
    )


def _check_exists(context: Context, name: FunctionName) -> None:
    try:
        if FUNCTIONS.get(context.store, *name.key) is not None:
            get_version(context.store, name)
            return
    except AWSError:
        pass
    raise AWSError("ResourceNotFoundException", "The function doesn't exist.", Type="User")


def _not_there(name: FunctionName) -> AWSError:
    return AWSError(
        "ResourceNotFoundException",
        f"The function {name.qualified_arn} doesn't have an EventInvokeConfig",
        Type="User",
    )


def _shape(name: FunctionName, config: EventInvokeConfig) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "LastModified": datetime.fromtimestamp(config.modified, UTC),
        "FunctionArn": name.qualified_arn,
        "DestinationConfig": {
            "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
            "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
        },
    }
    if config.maximum_retry_attempts is not None:
        shape["MaximumRetryAttempts"] = config.maximum_retry_attempts
    if config.maximum_event_age is not None:
        shape["MaximumEventAgeInSeconds"] = config.maximum_event_age
    return shape
