"""What the command line needs to run a function under a debugger beside the cloud, with the function's own role."""

from __future__ import annotations

from typing import Any

from pileus.services.admin import admin
from pileus.services.context import Context
from pileus.services.lambda_ import packages
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.names import parse
from pileus.services.lambda_.records import not_found
from pileus.services.lambda_.roles import Roles


@admin("debug")
async def debug(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """The code, the layers and the environment of the function `FunctionName`, credentials of its role included."""
    name = parse(context, str(request.get("FunctionName", "")), str(request.get("Qualifier") or ""))
    if name.account != context.account:
        raise not_found(name)
    execution = context.cloud.part(Execution)
    version = execution.resolve(name)
    function = execution.runnable(name, version)
    credentials = await context.cloud.part(Roles).environment(function.role, function.name, function.region)
    return {
        "FunctionArn": name.qualified_arn,
        "Runtime": function.runtime,
        "Handler": function.handler,
        "Code": packages.location(context, version.package),
        "Layers": [packages.location(context, layer) for layer in version.layers],
        "Environment": {
            **dict(function.environment),
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": function.logging.group,
            "_HANDLER": function.handler,
            **credentials,
        },
    }
