"""Code signing is not available; a function says so when asked, and nothing can be configured."""

from __future__ import annotations

from pileus.services.context import Context
from pileus.services.lambda_ import service
from pileus.services.lambda_.access import on_whole_function
from pileus.services.lambda_.names import function_name
from pileus.services.lambda_.records import get_function
from pileus.services.operation import Shape


@service.operation("GetFunctionCodeSigningConfig", access=on_whole_function("GetFunctionCodeSigningConfig"))
async def get_function_code_signing_config(context: Context, request: Shape) -> Shape:
    name = function_name(context, request).at("")
    get_function(context.store, name)
    return {"FunctionName": name.name}
