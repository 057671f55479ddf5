"""Aliases: names for versions, with a share of invocations for a second one."""

from __future__ import annotations

from typing import Any

from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.lambda_ import configuration as configurations
from pileus.services.lambda_ import service
from pileus.services.lambda_.access import on_whole_function, to_function
from pileus.services.lambda_.configuration import invalid
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.names import LATEST, FunctionName, function_name
from pileus.services.lambda_.pages import page, position
from pileus.services.lambda_.records import (
    ALIASES,
    EVENT_INVOKE_CONFIGS,
    FUNCTIONS,
    POLICIES,
    URL_CONFIGS,
    URL_OWNERS,
    VERSIONS,
    Alias,
    get_function,
    not_found,
    version_number,
)
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store.interface import Reader, Transaction


def _on_alias(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        return to_function(context, action, function_name(context, request).at(""))

    return rule


def _alias(context: Context, request: Shape) -> FunctionName:
    return function_name(context, request).at(request["Name"])


@service.operation("CreateAlias", access=_on_alias("CreateAlias"))
async def create_alias(context: Context, request: Shape) -> Shape:
    name = _alias(context, request)

    def change(tx: Transaction) -> Alias:
        if FUNCTIONS.get(tx, *name.key) is None:
            raise not_found(name.at(request["FunctionVersion"]))
        if ALIASES.get(tx, *name.key, name.qualifier) is not None:
            raise AWSError("ResourceConflictException", f"Alias already exists: {name.qualified_arn}", Type="User")
        alias = Alias(request["FunctionVersion"], request.get("Description") or "", configurations.revision())
        alias.weights = (request.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        _check(tx, name, alias)
        ALIASES.put(tx, *name.key, name.qualifier, value=alias)
        return alias

    return _shape(name, await context.store.transact(change))


@service.operation("UpdateAlias", access=_on_alias("UpdateAlias"))
async def update_alias(context: Context, request: Shape) -> Shape:
    name = _alias(context, request)

    def change(tx: Transaction) -> Alias:
        alias = ALIASES.get(tx, *name.key, name.qualifier)
        if alias is None:
            raise AWSError("ResourceNotFoundException", f"Alias not found: {name.qualified_arn}", Type="User")
        configurations.check_revision_id(alias.revision, request.get("RevisionId"))
        alias.version = request.get("FunctionVersion") or alias.version
        if "Description" in request:
            alias.description = request["Description"]
        if "RoutingConfig" in request:
            alias.weights = request["RoutingConfig"].get("AdditionalVersionWeights") or {}
        _check(tx, name, alias)
        alias.revision = configurations.revision()
        ALIASES.put(tx, *name.key, name.qualifier, value=alias)
        return alias

    alias = await context.store.transact(change)
    if alias.provisioned:
        context.cloud.part(Execution).provision_soon(name)
    return _shape(name, alias)


@service.operation("GetAlias", access=_on_alias("GetAlias"))
async def get_alias(context: Context, request: Shape) -> Shape:
    name = _alias(context, request)
    alias = ALIASES.get(context.store, *name.key, name.qualifier)
    if alias is None:
        raise AWSError("ResourceNotFoundException", f"Cannot find alias arn: {name.qualified_arn}", Type="User")
    return _shape(name, alias)


@service.operation("DeleteAlias", access=_on_alias("DeleteAlias"))
async def delete_alias(context: Context, request: Shape) -> None:
    """Deleting an alias that does not exist succeeds, as on AWS."""
    name = _alias(context, request)

    def change(tx: Transaction) -> None:
        key = (*name.key, name.qualifier)
        url = URL_CONFIGS.get(tx, *key)
        if url is not None:
            URL_OWNERS.delete(tx, url.id)
        for records in (ALIASES, POLICIES, EVENT_INVOKE_CONFIGS, URL_CONFIGS):
            records.delete(tx, *key)

    await context.store.transact(change)


@service.operation("ListAliases", access=on_whole_function("ListAliases"))
async def list_aliases(context: Context, request: Shape) -> Shape:
    name = function_name(context, request).at("")
    get_function(context.store, name)
    wanted = request.get("FunctionVersion")
    rows = (
        row
        for row in ALIASES.scan(context.store, *name.key, after=position(request.get("Marker")))
        if not wanted or wanted in (row[1].version, *row[1].weights)
    )
    shown, marker = page(rows, request.get("MaxItems") or 50)
    return {"Aliases": [_shape(name.at(str(key[3])), alias) for key, alias in shown], **marker}


def _check(reader: Reader, name: FunctionName, alias: Alias) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html"""
    if len(alias.weights) > 1:
        raise invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if alias.version in alias.weights:
        raise invalid(
            f"Invalid function version {alias.version}. Function version {alias.version} is already included in routing"
            " configuration."
        )
    if alias.weights and alias.version == LATEST:
        raise AWSError(
            "InvalidParameterValueException",
            "$LATEST is not supported for an alias pointing to more than 1 version",
            Type=None,
        )
    for version in (alias.version, *alias.weights):
        number = version_number(version)
        if number is None or VERSIONS.get(reader, *name.key, number) is None:
            raise not_found(name.at(version))


def _shape(name: FunctionName, alias: Alias) -> Shape:
    shape: dict[str, Any] = {
        "AliasArn": name.qualified_arn,
        "Name": name.qualifier,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    }
    return {**shape, "RoutingConfig": {"AdditionalVersionWeights": alias.weights}} if alias.weights else shape
