"""Running an earlier invocation again."""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.aws.identifiers import request_id as new_request_id
from pileus.services.admin import admin
from pileus.services.context import Context
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.recordings import Recordings


@admin("replay")
async def replay(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Runs the invocation `RequestId` again: the same function, event, client context and identity."""
    found = await context.cloud.part(Recordings).find(context.account, str(request.get("RequestId", "")))
    execution = context.cloud.part(Execution)
    version = execution.resolve(found.name)
    again = msgspec.structs.replace(found.invocation, request_id=new_request_id(), tail=True, trace_id="")
    outcome = await execution.run(found.name, version, again)
    return {
        "FunctionName": found.name.qualified_arn,
        "RequestId": again.request_id,
        "Event": found.invocation.payload.decode("utf-8", "replace"),
        "Payload": outcome.payload.decode("utf-8", "replace"),
        "FunctionError": outcome.function_error,
        "Log": outcome.log_tail.decode("utf-8", "replace"),
    }
