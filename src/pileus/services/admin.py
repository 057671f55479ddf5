"""What a running cloud tells its owner beyond AWS's own operations: functions behind `/_pileus/<name>`.

A request to them is JSON, signed by SigV4 for the service `pileus` with the root key of an account, and sees that
account. They are for the command line and the console.

    @admin("why")
    async def why(context: Context, request: Shape) -> Shape: ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pileus.services.context import Cloud, Context

PublicDocument = Callable[["Cloud", str], dict[str, Any]]
AdminFunction = Callable[["Context", dict[str, Any]], Awaitable[dict[str, Any]]]

ADMIN: dict[str, AdminFunction] = {}


class Page(NamedTuple):
    """A file that the gateway serves to everyone at `/_pileus/<name>`."""

    headers: dict[str, str]
    body: bytes


PAGES: dict[str, Page] = {}
"""By name, the empty one being `/_pileus/` itself. The console puts its own here."""


def admin(name: str) -> Callable[[AdminFunction], AdminFunction]:
    def register(function: AdminFunction) -> AdminFunction:
        ADMIN[name] = function
        return function

    return register


PUBLIC: dict[str, PublicDocument] = {}
"""Documents that everyone may read without a signature, made of the cloud and the address that it was asked at."""


def public(name: str) -> Callable[[PublicDocument], PublicDocument]:
    def register(document: PublicDocument) -> PublicDocument:
        PUBLIC[name] = document
        return document

    return register
