"""Reserved and provisioned concurrency.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
"""

from __future__ import annotations

from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.lambda_ import configuration as configurations
from pileus.services.lambda_ import limits, service
from pileus.services.lambda_.access import on_function, on_whole_function
from pileus.services.lambda_.configuration import invalid
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.names import LATEST, FunctionName, function_name, unqualified
from pileus.services.lambda_.pages import page, position
from pileus.services.lambda_.records import (
    ALIASES,
    FUNCTIONS,
    RESERVED,
    VERSIONS,
    Alias,
    Version,
    get_function,
    get_version,
    not_found,
    version_number,
)
from pileus.services.operation import Shape
from pileus.store.interface import Reader, Transaction
from pileus.store.keys import pack


@service.operation("PutFunctionConcurrency", access=on_whole_function("PutFunctionConcurrency"))
async def put_function_concurrency(context: Context, request: Shape) -> Shape:
    name = unqualified(context, request)
    asked = request["ReservedConcurrentExecutions"]

    def change(tx: Transaction) -> None:
        function = FUNCTIONS.get(tx, *name.key)
        if function is None:
            raise not_found(name.at(LATEST))
        provisioned = _provisioned(tx, name)
        if asked < provisioned:
            raise AWSError(
                "InvalidParameterValueException",
                f" ReservedConcurrentExecutions  {asked} should not be lower than function's total provisioned"
                f" concurrency [{provisioned}].",
                Type=None,
            )
        _reserve(tx, name, asked - (function.reserved or 0))
        function.reserved = asked
        FUNCTIONS.put(tx, *name.key, value=function)

    await context.store.transact(change)
    return {"ReservedConcurrentExecutions": asked}


def _reserve(tx: Transaction, name: FunctionName, more: int) -> None:
    total = (RESERVED.get(tx, name.account, name.region) or 0) + more
    if more > 0 and limits.CONCURRENT_EXECUTIONS - total < limits.MINIMUM_UNRESERVED:
        raise AWSError(
            "InvalidParameterValueException",
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution"
            f" below its minimum value of [{limits.MINIMUM_UNRESERVED}].",
            Type=None,
        )
    RESERVED.put(tx, name.account, name.region, value=max(0, total))


@service.operation("GetFunctionConcurrency", access=on_whole_function("GetFunctionConcurrency"))
async def get_function_concurrency(context: Context, request: Shape) -> Shape:
    reserved = get_function(context.store, unqualified(context, request)).reserved
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


@service.operation("DeleteFunctionConcurrency", access=on_whole_function("DeleteFunctionConcurrency"))
async def delete_function_concurrency(context: Context, request: Shape) -> None:
    name = unqualified(context, request)

    def change(tx: Transaction) -> None:
        function = get_function(tx, name)
        _reserve(tx, name, -(function.reserved or 0))
        function.reserved = None
        FUNCTIONS.put(tx, *name.key, value=function)

    await context.store.transact(change)


@service.operation("PutProvisionedConcurrencyConfig", access=on_function("PutProvisionedConcurrencyConfig"))
async def put_provisioned_concurrency_config(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    asked = request["ProvisionedConcurrentExecutions"]
    if name.qualifier in ("", LATEST):
        raise invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
    since = configurations.now_text(context.cloud.clock.now())

    def change(tx: Transaction) -> None:
        held = _holder(tx, name)
        _check_one_holder(tx, name, held)
        function = get_function(tx, name)
        others = _provisioned(tx, name) - held.provisioned
        if function.reserved is not None and others + asked > function.reserved:
            raise invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for"
                " function"
            )
        unreserved = limits.CONCURRENT_EXECUTIONS - (RESERVED.get(tx, name.account, name.region) or 0)
        if function.reserved is None and asked > unreserved:
            raise AWSError(
                "InvalidParameterValueException",
                "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency"
                f" [{unreserved}].",
                Type=None,
            )
        if function.reserved is None and asked > unreserved - limits.MINIMUM_UNRESERVED:
            raise AWSError(
                "InvalidParameterValueException",
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below"
                f" its minimum value of [{limits.MINIMUM_UNRESERVED}].",
                Type=None,
            )
        _put(tx, name, held, asked, since)

    await context.store.transact(change)
    context.cloud.part(Execution).provision_soon(name)
    return {
        "RequestedProvisionedConcurrentExecutions": asked,
        "AvailableProvisionedConcurrentExecutions": 0,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
        "LastModified": since,
    }


@service.operation("GetProvisionedConcurrencyConfig", access=on_function("GetProvisionedConcurrencyConfig"))
async def get_provisioned_concurrency_config(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    _check_published(name)
    held = _holder(context.store, name)
    if not held.provisioned:
        raise AWSError(
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
            Type="User",
        )
    return _shape(context, name, held)


@service.operation("DeleteProvisionedConcurrencyConfig", access=on_function("DeleteProvisionedConcurrencyConfig"))
async def delete_provisioned_concurrency_config(context: Context, request: Shape) -> None:
    name = function_name(context, request)
    _check_published(name)
    await context.store.transact(lambda tx: _put(tx, name, _holder(tx, name), 0, ""))
    context.cloud.part(Execution).provision_soon(name)


@service.operation("ListProvisionedConcurrencyConfigs", access=on_whole_function("ListProvisionedConcurrencyConfigs"))
async def list_provisioned_concurrency_configs(context: Context, request: Shape) -> Shape:
    name = function_name(context, request).at("")
    get_function(context.store, name)
    held = [*_holders(context.store, name)]
    after = position(request.get("Marker"))
    rows = (((other.qualifier,), (other, holder)) for other, holder in held if holder.provisioned)
    ordered = sorted(rows, key=lambda row: row[0])
    shown, marker = page(
        (row for row in ordered if after is None or pack(*row[0]) > pack(*after)), request.get("MaxItems") or 50
    )
    return {
        "ProvisionedConcurrencyConfigs": [
            {"FunctionArn": other.qualified_arn, **_shape(context, other, holder)} for _, (other, holder) in shown
        ],
        **marker,
    }


def _check_published(name: FunctionName) -> None:
    if name.qualifier in ("", LATEST):
        raise invalid("The function resource provided must be an alias or a published version.")


def _holder(reader: Reader, name: FunctionName) -> Alias | Version:
    """The alias or version that provisioned concurrency is, or may be, configured on."""
    if version_number(name.qualifier) is not None:
        return get_version(reader, name)
    alias = ALIASES.get(reader, *name.key, name.qualifier)
    if alias is None:
        raise AWSError("ResourceNotFoundException", f"Cannot find alias arn: {name.qualified_arn}", Type="User")
    return alias


def _holders(reader: Reader, name: FunctionName) -> list[tuple[FunctionName, Alias | Version]]:
    versions = [(name.at(str(key[3])), version) for key, version in VERSIONS.scan(reader, *name.key) if key[3]]
    return [*versions, *((name.at(str(key[3])), alias) for key, alias in ALIASES.scan(reader, *name.key))]


def _provisioned(reader: Reader, name: FunctionName) -> int:
    return sum(holder.provisioned for _, holder in _holders(reader, name))


def _check_one_holder(reader: Reader, name: FunctionName, held: Alias | Version) -> None:
    """A version's environments are provisioned by itself or by an alias, not by both."""
    if isinstance(held, Alias):
        number = version_number(held.version)
        version = VERSIONS.get(reader, *name.key, number)
        if version is not None and version.provisioned:
            raise AWSError(
                "ResourceConflictException",
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
                Type="User",
            )
    elif any(alias.version == name.qualifier and alias.provisioned for _, alias in ALIASES.scan(reader, *name.key)):
        raise AWSError(
            "ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias", Type="User"
        )  # fmt: skip


def _put(tx: Transaction, name: FunctionName, held: Alias | Version, count: int, since: str) -> None:
    held.provisioned = count
    held.provisioned_since = since
    if isinstance(held, Alias):
        ALIASES.put(tx, *name.key, name.qualifier, value=held)
    else:
        VERSIONS.put(tx, *name.key, version_number(name.qualifier), value=held)


def _shape(context: Context, name: FunctionName, held: Alias | Version) -> dict[str, Any]:
    execution = context.cloud.part(Execution)
    version = get_version(context.store, name)
    ready, idle = execution.runtime.provisioned(execution.runnable(name, version))
    failed = execution.provision_failures.get(name)
    status = "READY" if ready >= held.provisioned else "FAILED" if failed else "IN_PROGRESS"
    shape = {
        "RequestedProvisionedConcurrentExecutions": held.provisioned,
        "AvailableProvisionedConcurrentExecutions": idle,
        "AllocatedProvisionedConcurrentExecutions": ready,
        "Status": status,
        "LastModified": held.provisioned_since,
    }
    return {**shape, "StatusReason": failed} if failed and status == "FAILED" else shape
