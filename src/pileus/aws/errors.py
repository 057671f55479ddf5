"""Errors as AWS answers them: a code, a message, a status and, where the model has them, members of their own."""

from __future__ import annotations

from typing import Any


class AWSError(Exception):
    """An error that the caller is told about, in the shape that the protocol in use gives it.

    `code` is the modelled exception's name (`ResourceNotFoundException`) or a common error's
    (`AccessDenied`). `status` is needed only where the service's model does not carry it. `members` are
    the further members of a modelled exception (`Item` of a failed condition, `CancellationReasons`),
    in botocore's shapes; `headers` are added to the answer.
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.headers = headers or {}
        self.members = members


def not_implemented(service: str, operation: str) -> AWSError:
    """The answer to an operation that AWS has and Pileus has not."""
    return AWSError("NotImplemented", f"Pileus does not implement the operation {operation} of {service}.", status=501)


def option_not_implemented(option: str, why: str = "") -> AWSError:
    """The answer to an option that would otherwise have to be accepted and ignored."""
    tail = f": {why}" if why else "."
    return AWSError("NotImplemented", f"Pileus does not implement {option}{tail}", status=501)


def constraints_broken(faults: list[str]) -> str:
    """The message of services built on Coral for what a request breaks of its model."""
    return f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected: " + "; ".join(faults)
