"""How services call each other: as a client would, in process, with a principal that is authorised like any caller."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pileus.aws.identifiers import request_id
from pileus.security.principals import Principal
from pileus.services.context import Cloud, Context

if TYPE_CHECKING:
    from pileus.services.operation import Shape


class Client:
    """`via` are the services on whose behalf the call is made (aws:CalledVia); `cause` the request that led to it,
    whose address and agent the call keeps; `system_tags` mark what the calls make."""

    def __init__(
        self,
        cloud: Cloud,
        principal: Principal,
        region: str,
        *,
        cause: Context | None = None,
        via: tuple[str, ...] = (),
        system_tags: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self._cloud = cloud
        self._principal = principal
        self._region = region
        self._cause = cause
        self._via = via
        self._system_tags = system_tags

    async def call(self, service: str, operation: str, request: Shape) -> Shape:
        """`request` and the answer are in botocore's shapes. Raises AWSError."""
        details = {
            "principal": self._principal,
            "region": self._region,
            "request_id": request_id(),
            "service": service,
            "operation": operation,
            "received": self._cloud.clock.time(),
            "via": self._via,
            "system_tags": self._system_tags,
        }
        if self._cause is None:
            # What never leaves the process is read by nobody on the way.
            context = Context(cloud=self._cloud, secure=True, **details)  # type: ignore[arg-type]
        else:
            origin = self._cause.origin or self._cause.request_id
            context = dataclasses.replace(self._cause, headers={}, query="", found=None, origin=origin, **details)  # type: ignore[arg-type]
        return await self._cloud.perform(context, request)
