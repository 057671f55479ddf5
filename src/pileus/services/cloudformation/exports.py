"""Exports: outputs that other stacks of the account and region may use by name, and who uses them."""

from __future__ import annotations

from pileus.aws.errors import AWSError
from pileus.services.cloudformation import service
from pileus.services.cloudformation.access import anywhere
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.records import EXPORTS, IMPORTS, Export, Stack, imports_of
from pileus.services.context import Context
from pileus.services.operation import Shape
from pileus.store import paging
from pileus.store.interface import Reader, Transaction
from pileus.store.keys import Element

PAGE = 100


class ImportLog:
    """The exports that a stack's template asked for while it was computed."""

    def __init__(self, reader: Reader, stack: Stack) -> None:
        self._reader = reader
        self._stack = stack
        self._used: set[str] = set()

    def value(self, name: str) -> str:
        export = EXPORTS.get(self._reader, self._stack.account, self._stack.region, name)
        if export is None:
            raise TemplateError(f"No export named {name} found.")
        self._used.add(name)
        return export.value

    def write(self, tx: Transaction) -> None:
        stack = self._stack
        self.clear(tx)
        for name in self._used:
            IMPORTS.put(tx, stack.account, stack.region, name, stack.id, value=stack.name)

    def clear(self, tx: Transaction) -> None:
        stack = self._stack
        for key, _ in list(IMPORTS.scan(tx, stack.account, stack.region)):
            if key[3] == stack.id:
                IMPORTS.delete(tx, *key)


def publish(tx: Transaction, stack: Stack, outputs: list[dict[str, str]]) -> None:
    """Makes `outputs` the stack's exports. Raises AWSError where another stack has the name, or uses one that would
    change or go."""
    fresh = {output["ExportName"]: output["OutputValue"] for output in outputs if "ExportName" in output}
    own = {
        str(key[2]): export
        for key, export in EXPORTS.scan(tx, stack.account, stack.region)
        if export.stack_id == stack.id
    }
    for name, export in own.items():
        user = next((user for _, user in imports_of(tx, stack.account, stack.region, name)), None)
        if user is not None and fresh.get(name) != export.value:
            verb = "update" if name in fresh else "delete"
            raise AWSError("ValidationError", f"Cannot {verb} export {name} as it is in use by {user}", status=400)
        if name not in fresh:
            EXPORTS.delete(tx, stack.account, stack.region, name)
    for name, value in fresh.items():
        taken = EXPORTS.get(tx, stack.account, stack.region, name)
        if taken is not None and taken.stack_id != stack.id:
            other = taken.stack_id.split("/")[1]
            raise AWSError(
                "ValidationError", f"Export with name {name} is already exported by stack {other}", status=400
            )
        EXPORTS.put(tx, stack.account, stack.region, name, value=Export(value, stack.id))


def check_unused(reader: Reader, stack: Stack) -> None:
    """Raises AWSError where another stack uses one of the exports."""
    for key, export in EXPORTS.scan(reader, stack.account, stack.region):
        name = str(key[2])
        user = next((user for _, user in imports_of(reader, stack.account, stack.region, name)), None)
        if export.stack_id == stack.id and user is not None:
            raise AWSError("ValidationError", f"Cannot delete export {name} as it is in use by {user}", status=400)


@service.operation("ListExports", access=anywhere("ListExports"))
async def list_exports(context: Context, request: Shape) -> Shape:
    exports = EXPORTS.scan(context.store, context.account, context.region, after=_after(request))
    rows, token = paging.page(exports, PAGE)
    shown = [{"ExportingStackId": export.stack_id, "Name": str(key[2]), "Value": export.value} for key, export in rows]
    return {"Exports": shown} | ({"NextToken": token} if token else {})


@service.operation("ListImports", access=anywhere("ListImports"))
async def list_imports(context: Context, request: Shape) -> Shape:
    name = request["ExportName"]
    imports = IMPORTS.scan(context.store, context.account, context.region, name, after=_after(request))
    rows, token = paging.page(imports, PAGE)
    if not rows:
        raise AWSError("ValidationError", f"Export '{name}' is not imported by any stack.", status=400)
    return {"Imports": [stack for _, stack in rows]} | ({"NextToken": token} if token else {})


def _after(request: Shape) -> tuple[Element, ...] | None:
    try:
        return paging.decode(request.get("NextToken"))
    except ValueError:
        raise AWSError("ValidationError", "Invalid NextToken", status=400) from None
