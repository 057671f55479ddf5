"""Recursive loops: functions that end up invoking themselves are stopped after some rounds.

The runtime's trace header travels with every SDK call of a function; how often each function was passed stands in its
Lineage. https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from pileus.aws import tracing
from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.lambda_ import service
from pileus.services.lambda_.access import on_whole_function
from pileus.services.lambda_.names import FunctionName, unqualified
from pileus.services.lambda_.records import FUNCTIONS, get_function
from pileus.services.operation import Shape
from pileus.store.interface import Reader, Transaction

_ROUNDS = 16
_FUNCTIONS_KEPT = 8


@lru_cache(4096)
def _mark(function: str) -> str:
    return hashlib.sha256(function.encode()).hexdigest()[:8]


def traced(reader: Reader, name: FunctionName, header: str, sampled: str = "0") -> str:
    """The X-Ray header for an invocation whose request came with `header`. Raises RecursiveInvocationException."""
    if not header:
        return f"{tracing.header(sampled)};Lineage={_mark(name.arn)}:1"
    fields = tracing.fields(header)
    rounds = dict(
        item.partition(":")[::2] for item in fields.get("Lineage", "").split("|") if ":" in item
    )  # fmt: skip
    own = _mark(name.arn)
    seen = rounds.get(own, "")
    count = int(seen[:6]) + 1 if seen.isascii() and seen.isdigit() else 1
    if count > _ROUNDS and get_function(reader, name).recursive_loop == "Terminate":
        raise AWSError(
            "RecursiveInvocationException",
            "Lambda has detected the function being invoked in a recursive loop and stopped it. To let it go on, set"
            " RecursiveLoop to Allow with PutFunctionRecursionConfig.",
            Type="User",
        )
    rounds.pop(own, None)
    lineage = [*list(rounds.items())[-_FUNCTIONS_KEPT + 1 :], (own, str(min(count, 32767)))]
    new = tracing.fields(tracing.header(sampled))
    trace = {
        "Root": fields.get("Root") or new["Root"],
        "Parent": fields.get("Parent") or new["Parent"],
        "Sampled": fields["Sampled"] if fields.get("Sampled") in ("0", "1") else sampled,
        "Lineage": "|".join(f"{key}:{rounds}" for key, rounds in lineage),
    }
    return ";".join(f"{key}={value}" for key, value in trace.items())


@service.operation("PutFunctionRecursionConfig", access=on_whole_function("PutFunctionRecursionConfig"))
async def put_function_recursion_config(context: Context, request: Shape) -> Shape:
    name = unqualified(context, request)

    def change(tx: Transaction) -> None:
        function = get_function(tx, name)
        function.recursive_loop = request["RecursiveLoop"]
        FUNCTIONS.put(tx, *name.key, value=function)

    await context.store.transact(change)
    return {"RecursiveLoop": request["RecursiveLoop"]}


@service.operation("GetFunctionRecursionConfig", access=on_whole_function("GetFunctionRecursionConfig"))
async def get_function_recursion_config(context: Context, request: Shape) -> Shape:
    return {"RecursiveLoop": get_function(context.store, unqualified(context, request)).recursive_loop}
