"""How a command fails: one line on stderr that says what and what to do next, and a non-zero exit code."""

from __future__ import annotations

import os


class CommandError(Exception):
    """What a command ends with when it cannot do its job. The message is the one line that the person reads."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def explain(error: BaseException) -> str:
    """One line for any error that leaves a command. boto3's are known by their shape, so that it need not be
    imported to find out."""
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        detail = response["Error"]
        operation = getattr(error, "operation_name", "")
        return _line(f"{operation}: {detail.get('Message') or detail.get('Code')} ({detail.get('Code')})")
    name = type(error).__name__
    if name in ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError"):
        return f"No cloud answers: {_line(str(error))} Start it with `pileus up`."
    if name in ("NoCredentialsError", "PartialCredentialsError", "NoRegionError"):
        said = _line(str(error)).rstrip(".")
        return f"{said}. Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or use a profile."
    if name == "ProfileNotFound":
        return f"{_line(str(error))}. Choose another by AWS_PROFILE, or make it with `aws configure --profile`."
    if name == "IsolationUnavailableError":
        return f"This machine cannot isolate functions as --require-isolation asks. {_line(str(error))}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, CommandError):
        return _line(str(error))
    return f"Unexpected {name}: {_line(str(error))} (PILEUS_TRACEBACK=1 shows where)"


def traceback_wanted() -> bool:
    return os.environ.get("PILEUS_TRACEBACK", "") not in ("", "0")


def _line(text: str) -> str:
    return " ".join(text.split())
