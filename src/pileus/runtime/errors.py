"""The ends that functions come to, and how the platform words them."""

from __future__ import annotations

import base64
import binascii
import errno
import os
import signal
from pathlib import Path
from typing import Any

import msgspec

from pileus.runtime.languages.language import LAYERS, TASK


class InitFailedError(Exception):
    """`payload` is the error object that the caller gets, `error_type` its type; `timed_out` where it took too long."""

    def __init__(
        self, payload: bytes, error_type: str, milliseconds: float, log_stream: str, log: list[str], *, timed_out: bool
    ) -> None:
        super().__init__(error_type)
        self.log_stream = log_stream
        self.log = log
        self.payload = payload
        self.error_type = error_type
        self.milliseconds = milliseconds
        self.timed_out = timed_out


class NotDeliveredError(Exception):
    """The invocation never reached the runtime: it may be given to another environment."""


def error_payload(error_type: str, message: str) -> bytes:
    return msgspec.json.encode({"errorType": error_type, "errorMessage": message})


_SIGNALS = {
    signal.SIGKILL: "killed", signal.SIGSEGV: "segmentation fault", signal.SIGABRT: "aborted",
    signal.SIGTERM: "terminated", signal.SIGBUS: "bus error", signal.SIGILL: "illegal instruction",
    signal.SIGFPE: "floating point exception", signal.SIGSYS: "bad system call", signal.SIGINT: "interrupt",
    signal.SIGHUP: "hangup", signal.SIGPIPE: "broken pipe", signal.SIGTRAP: "trace/breakpoint trap",
}  # fmt: skip


_NO_ENTRYPOINT = "Runtime.InvalidEntrypoint"


def how_it_ended(status: int | None) -> str:
    """As Lambda words it. None where nobody saw the guest end: its process 1 was killed."""
    if status == 0:
        return "Runtime exited without providing a reason"
    if status is None or status < 0:
        number = signal.Signals(-status) if status else signal.SIGKILL
        return f"Runtime exited with error: signal: {_SIGNALS.get(number, number.name.lower())}"
    return f"Runtime exited with error: exit status {status}"


def not_started(assignment: dict[str, Any], number: int) -> tuple[str, str]:
    """The type and the message of the error where the program of an environment could not be executed."""
    program = assignment["program"][0]
    if program == assignment["environment"].get("AWS_LAMBDA_EXEC_WRAPPER"):
        # Lambda's own runtimes start wrappers from a shell, whose end it is: recorded.
        return "Runtime.ExitError", how_it_ended(127 if number == errno.ENOENT else 126)
    if number == errno.ENOENT and program == f"{TASK}/bootstrap" and not Path(assignment["task"], "bootstrap").exists():
        return _NO_ENTRYPOINT, f"Couldn't find valid bootstrap(s): [{TASK}/bootstrap {LAYERS}/bootstrap]"
    return _NO_ENTRYPOINT, f"fork/exec {program}: {os.strerror(number).lower()}"


def described(body: bytes, default: str = "") -> tuple[str, str]:
    """The type and the message of an error as a runtime posts it."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return default, ""
    if not isinstance(document, dict):
        return default, ""
    return str(document.get("errorType", default)), str(document.get("errorMessage", ""))


def described_in_trailer(trailer: bytes) -> str:
    """The message of one that ends a stream, in base64."""
    try:
        return described(base64.b64decode(trailer))[1]
    except binascii.Error:
        return ""
