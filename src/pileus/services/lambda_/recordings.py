"""The last invocations of this process, kept in memory so that they can be run again.

Never on disk: payloads hold what users type into login forms.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import msgspec

from pileus.aws.errors import AWSError
from pileus.aws.identifiers import request_id as new_request_id
from pileus.runtime.interface import Invocation
from pileus.services.admin import admin
from pileus.services.context import Cloud, Context
from pileus.services.lambda_.names import FunctionName

_MOST = 1000
_MOST_BYTES = 32 << 20


class Recording(NamedTuple):
    name: FunctionName
    invocation: Invocation
    time: float


class Recordings:
    def __init__(self, cloud: Cloud) -> None:
        self._clock = cloud.clock
        self._kept: OrderedDict[str, Recording] = OrderedDict()
        self._bytes = 0

    def add(self, name: FunctionName, invocation: Invocation) -> None:
        """Retries of an event have its id: the last one stands."""
        self._drop(invocation.request_id)
        self._kept[invocation.request_id] = Recording(name, invocation, self._clock.time())
        self._bytes += len(invocation.payload)
        while len(self._kept) > _MOST or self._bytes > _MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, identifier: str) -> None:
        gone = self._kept.pop(identifier, None)
        if gone is not None:
            self._bytes -= len(gone.invocation.payload)

    def find(self, account: str, identifier: str) -> Recording | None:
        found = self._kept.get(identifier)
        return found if found is not None and found.name.account == account else None


@admin("replay")
async def replay(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Runs the invocation `RequestId` again: the same function, event, client context and identity."""
    from pileus.services.lambda_.execution import Execution

    found = context.cloud.part(Recordings).find(context.account, str(request.get("RequestId", "")))
    if found is None:
        raise AWSError(
            "ResourceNotFoundException",
            f"No such invocation: the last {_MOST} since the cloud was started can be run again.",
            status=404,
        )
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
