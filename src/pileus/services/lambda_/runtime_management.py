"""When a function's runtime is brought up to date: Pileus runs the interpreter that the machine has, so always."""

from __future__ import annotations

from pileus.aws.errors import option_not_implemented
from pileus.services.context import Context
from pileus.services.lambda_ import service
from pileus.services.lambda_.access import on_function
from pileus.services.lambda_.names import LATEST, function_name
from pileus.services.lambda_.records import VERSIONS, Version, get_version, version_number
from pileus.services.operation import Shape
from pileus.store.interface import Transaction


@service.operation("PutRuntimeManagementConfig", access=on_function("PutRuntimeManagementConfig"))
async def put_runtime_management_config(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    name = name.at(name.qualifier or LATEST)
    if request["UpdateRuntimeOn"] == "Manual":
        raise option_not_implemented("UpdateRuntimeOn Manual", "there is one version of each runtime, the machine's.")

    def change(tx: Transaction) -> Version:
        version = get_version(tx, name)
        version.runtime_update = {"UpdateRuntimeOn": request["UpdateRuntimeOn"]}
        VERSIONS.put(tx, *name.key, version_number(version.configuration.version), value=version)
        return version

    version = await context.store.transact(change)
    return {**version.runtime_update, "FunctionArn": name.qualified_arn}


@service.operation("GetRuntimeManagementConfig", access=on_function("GetRuntimeManagementConfig"))
async def get_runtime_management_config(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    name = name.at(name.qualifier or LATEST)
    version = get_version(context.store, name)
    return {"UpdateRuntimeOn": "Auto", **version.runtime_update, "FunctionArn": name.qualified_arn}
