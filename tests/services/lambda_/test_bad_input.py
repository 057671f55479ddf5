"""Functions that misbehave: Lambda's own error object, a fresh environment, neighbours undisturbed."""

import json
import re
from typing import Any

import pytest

MISBEHAVING = """
import os, signal, sys, threading, time
count = 0
def handler(event, context):
    global count
    count += 1
    if event == "exit": sys.exit(3)
    if event == "segfault": os.kill(os.getpid(), signal.SIGSEGV)
    if event == "no json": return {1, 2}
    if event == "too large": return "x" * 6_300_000
    if event == "never returns":
        while True: pass
    if event == "print": print("\\n".join("y" * 1000 for _ in range(3000)))
    if event == "threads":
        for _ in range(50): threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    return count
"""

# (event, error type, message, whether the environment is gone)
ERRORS = [
    ("exit", "Runtime.ExitError", r"RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3", True),
    ("segfault", "Runtime.ExitError", r"RequestId: [0-9a-f-]{36} Error: Runtime exited with error: signal: .*", True),
    ("no json", "Runtime.MarshalError", r"Unable to marshal response: .*set.*", False),
    (
        "too large",
        "Function.ResponseSizeTooLarge",
        r"Response payload size exceeded maximum allowed payload size \(6291556 bytes\)\.",
        None,  # the runtime client may give up or go on
    ),
    ("never returns", "Sandbox.Timedout", r"RequestId: [0-9a-f-]{36} Error: Task timed out after 2\.00 seconds", True),
]


def test_a_misbehaving_function_is_replaced_and_its_neighbour_undisturbed(functions: Any) -> None:
    functions.create("bad", MISBEHAVING, Timeout=2)
    functions.create("good", MISBEHAVING)
    assert functions.invoke("good", "") == 1
    before = functions.invoke("bad", "")
    for event, kind, message, gone in ERRORS:
        answer = functions.client.invoke(FunctionName="bad", Payload=json.dumps(event))
        said = json.loads(answer["Payload"].read())
        assert (answer["StatusCode"], answer["FunctionError"], said["errorType"]) == (200, "Unhandled", kind), said
        assert re.fullmatch(message, said["errorMessage"]), said["errorMessage"]
        after = functions.invoke("bad", "")
        assert after in {True: [1], False: [before + 2], None: [1, before + 2]}[gone], event
        before = after
    answer = functions.client.invoke(FunctionName="bad", Payload=b'"print"', LogType="Tail")
    assert "FunctionError" not in answer
    assert len(answer["LogResult"]) <= 4096 / 3 * 4 + 4
    for _ in range(3):
        assert isinstance(functions.invoke("bad", "threads"), int)
    assert functions.invoke("good", "") == 2


@pytest.mark.parametrize(
    ("source", "handler", "kind"),
    [
        ("def handler(e, c) return 1", "app.handler", "Runtime.UserCodeSyntaxError"),
        ("import nothing_of_that_name", "app.handler", "Runtime.ImportModuleError"),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound"),
        ("x = 1", "none.handler", "Runtime.ImportModuleError"),
        ("x = 1", "handler", "Runtime.MalformedHandlerName"),
        ("raise SystemExit(1)", "app.handler", "Runtime.ExitError"),
    ],
)
def test_code_that_cannot_be_loaded_says_why(shared: Any, zipped: Any, source: str, handler: str, kind: str) -> None:
    name = f"broken-{abs(hash((source, handler)))}"
    shared.client.create_function(
        FunctionName=name,
        Role=shared.default_role(),
        Runtime="python3.11",
        Handler=handler,
        Code={"ZipFile": zipped({"app.py": source})},
    )
    for _ in range(2):
        answer = shared.client.invoke(FunctionName=name)
        assert json.loads(answer["Payload"].read())["errorType"] == kind
        assert answer["FunctionError"] == "Unhandled"


def test_a_program_for_another_machine_does_not_start(shared: Any, zipped: Any) -> None:
    shared.client.create_function(
        FunctionName="foreign",
        Role=shared.default_role(),
        Runtime="provided.al2023",
        Handler="unused",
        Code={"ZipFile": zipped({"bootstrap": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\xb7\0" + bytes(60)})},
    )
    said = json.loads(shared.client.invoke(FunctionName="foreign")["Payload"].read())
    assert said["errorType"] == "Runtime.InvalidEntrypoint"
