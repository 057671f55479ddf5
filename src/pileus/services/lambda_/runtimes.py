"""Runtime identifiers: of functions they are refused in Lambda's own words (recorded), of layers in the model's."""

from __future__ import annotations

from typing import Any

from pileus.aws.errors import AWSError
from pileus.aws.model import operation_model
from pileus.runtime import languages
from pileus.services.context import Context
from pileus.services.lambda_.configuration import invalid, supported_runtime
from pileus.services.lambda_.execution import Execution
from pileus.services.operation import Shape


def check_runtime(context: Context, request: Shape) -> None:
    """Of a function that is made or changed: AWS offers it, Pileus knows it, and the language is on this machine."""
    if request.get("Runtime") is not None:
        _text(request["Runtime"])
    runtime = supported_runtime(request)
    if runtime is None:
        return
    if languages.find(runtime) is None:
        raise invalid(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set:"
            f" [{', '.join(languages.identifiers())}] or be a valid ARN"
        )
    if missing := context.cloud.part(Execution).runtime.missing(runtime):
        raise invalid(missing)


def check_compatible(request: Shape) -> None:
    """Of layers that are published or looked for."""
    for member in ("CompatibleRuntime", "CompatibleRuntimes"):
        value = request.get(member)
        asked = [] if value is None else value if isinstance(value, list) else [value]
        if any(_text(runtime) not in _every() for runtime in asked):
            shown = f"[{', '.join(asked)}]" if isinstance(value, list) else value
            raise AWSError(
                "ValidationException",
                f"1 validation error detected: Value '{shown}' at '{member[:1].lower()}{member[1:]}' failed to satisfy"
                f" constraint: Member must satisfy enum value set: [{', '.join(_every())}]",
                status=400,
            )


def _every() -> list[str]:
    enum: list[str] = operation_model("lambda", "CreateFunction").input_shape.members["Runtime"].enum
    return enum


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise AWSError("SerializationException", "A runtime identifier must be a string.", status=400)
    return value
