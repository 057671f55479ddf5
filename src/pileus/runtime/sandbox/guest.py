"""The guest's first steps, still ours: limits, extensions, environment; then the language's runtime takes over."""

from __future__ import annotations

import os
import resource
import socket
from typing import Any

from pileus.runtime.sandbox import linux, python_runtime


def run(assignment: dict[str, Any], process_1: socket.socket) -> None:
    environment: dict[str, str] = assignment["environment"]
    for name, limit in assignment["limits"].items():
        number = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(number)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(number, (limit, limit))
    os.chdir(environment["LAMBDA_TASK_ROOT"])
    for extension in assignment["extensions"]:
        _start(extension, environment)
    if assignment["program"]:
        try:
            linux.execute(assignment["program"], environment)
        except OSError as error:
            process_1.send(str(error.errno).encode())
            os._exit(1)
    process_1.close()
    modules, layers = assignment["modules"], assignment["layers_root"]
    assignment.clear()  # it names directories of the machine
    python_runtime.run(environment, modules, layers)


def _start(extension: str, environment: dict[str, str]) -> None:
    """As a child of process 1, so that a runtime does not meet children which it never had."""
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return
    if os.fork() == 0:
        linux.execute([extension], environment)
    os._exit(0)
