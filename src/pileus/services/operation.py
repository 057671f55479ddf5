"""How a service declares its operations: one function each, with all that the path of a request needs to know.

    service = Service("dynamodb")

    @service.operation("GetItem", access=on_table)
    async def get_item(context: Context, request: Shape) -> Shape: ...

`request` and the answer are in botocore's shapes (blobs as bytes, timestamps as aware datetimes, streaming bodies as
`aws.body.Body`). The gateway decodes, validates against the model, authenticates and authorises before the function
runs.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pileus.security.access import Access

if TYPE_CHECKING:
    from pileus.services.context import Cloud, Context

__all__ = ["Access", "AccessRule", "Function", "Operation", "Periodic", "Service", "Shape", "unauthorized"]

Shape = dict[str, Any]
Function = Callable[["Context", Shape], Awaitable[Shape | None]]


Reword = Callable[[str, Shape, list[str]], str]
"""Says what a request breaks of its model where a service does so in an order or in words of its own: of the operation,
the request and the faults in the usual words."""

HEADERS = "\0headers"
"""In an answer: headers that its model has no members for."""

AccessRule = Callable[["Context", Shape], Access | Iterable[Access]]


def unauthorized(context: Context, request: Shape) -> Iterable[Access]:
    """For operations that AWS lets everyone call, with no policy asked: the reason stands in each one's docstring."""
    return ()


@dataclass(frozen=True, slots=True)
class Operation:
    service: Service
    name: str
    function: Function
    access: AccessRule
    actions: tuple[str, ...]


class Service:
    """A service of AWS by its botocore name. `package` is found from where the instance is made.

    `opaque` names model shapes that reach operations as the wire has them, unchecked, because the service words
    their errors itself (DynamoDB's AttributeValue). In bytes, `largest_body` bounds a request that does not stream, and
    `largest_head` its target and headers.
    """

    def __init__(
        self,
        name: str,
        package: str,
        *,
        opaque: frozenset[str] = frozenset(),
        largest_body: int = 1 << 20,
        largest_head: int = 64 << 10,
    ) -> None:
        self.name = name
        self.package = package
        self.opaque = opaque
        self.largest_body = largest_body
        self.largest_head = largest_head
        self.reword: Reword | None = None
        self.operations: dict[str, Operation] = {}
        self.periodic: list[Periodic] = []
        self.on_start: list[Callable[[Cloud], Awaitable[None]]] = []
        self.on_stop: list[Callable[[Cloud], Awaitable[None]]] = []

    def operation(
        self, name: str, *, access: AccessRule, actions: Iterable[str] | None = None
    ) -> Callable[[Function], Function]:
        """Declares the function below as `name`. `actions` are all that `access` may ask for (`prefix:Action`),
        `<service>:<name>` where left out; tests hold them against AWS's service authorization reference."""

        def register(function: Function) -> Function:
            asked = tuple(actions) if actions is not None else (f"{self.prefix}:{name}",)
            self.operations[name] = Operation(self, name, function, access, asked)
            return function

        return register

    @property
    def prefix(self) -> str:
        """The service prefix of its actions."""
        return self.name

    def every(self, seconds: float, name: str) -> Callable[[Callable[[Cloud], Awaitable[None]]], Any]:
        """Runs the function below every so many seconds, in one process at a time (a lease in the store)."""

        def register(function: Callable[[Cloud], Awaitable[None]]) -> Callable[[Cloud], Awaitable[None]]:
            self.periodic.append(Periodic(f"{self.name}.{name}", seconds, function))
            return function

        return register

    def load(self) -> None:
        """Imports every module of the package, so that their operations are declared."""
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")


@dataclass(frozen=True, slots=True)
class Periodic:
    name: str
    seconds: float
    function: Callable[[Cloud], Awaitable[None]]
