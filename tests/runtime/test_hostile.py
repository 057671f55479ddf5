"""Functions that mean harm, each against one barrier of docs/isolation.md."""

# ruff: noqa: E501  the functions' own sources

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import msgspec
import pytest

from runtime_harness import Harness

LOOK_EVERYWHERE = """
import os
def handler(marker, context):
    found = []
    for folder, folders, files in os.walk("/"):
        if folder.startswith(("/usr", "/lib", "/bin", "/sbin", "/var/runtime", "/proc/sys")) or ".pyenv" in folder:
            folders.clear()
            continue
        for name in files:
            path = os.path.join(folder, name)
            if path.startswith("/proc/") and name not in ("environ", "cmdline", "maps", "mountinfo"):
                continue
            try:
                with open(path, "rb") as file:
                    if marker.encode() in file.read(1 << 20):
                        found.append(path)
            except OSError:
                pass
    return found
"""


def test_sees_no_file_of_the_machine(isolated: Harness) -> None:
    answer = isolated.call(
        "import os\ndef handler(event, context):\n"
        "    return {'root': sorted(os.listdir('/')), 'there': [os.path.exists(path) for path in event],"
        " 'etc': sorted(os.listdir('/etc'))}",
        [str(isolated.folder), "/etc/shadow", "/root/.ssh", "/.host/etc", "/sys", "/boot"],
    )
    assert answer["there"] == [False] * 6
    assert not set(answer["root"]) - {
        ".host", "bin", "dev", "etc", "home", "lib", "lib32", "lib64", "opt", "proc", "root", "sbin", "tmp", "usr", "var"
    }  # fmt: skip
    assert "shadow" not in answer["etc"] and "hostname" not in answer["etc"]


def test_sees_nothing_of_another_function(isolated: Harness) -> None:
    marker = f"marker-{os.urandom(8).hex()}"
    victim = isolated.function(
        f"SECRET = '{marker}'\ndef handler(event, context):\n    open('/tmp/kept', 'w').write(SECRET)\n    return SECRET",
        environment=(("PASSWORD", marker),),
    )
    assert isolated.invoke(victim).payload.decode() == f'"{marker}"'
    assert isolated.call(LOOK_EVERYWHERE, marker) == []


def test_sees_and_signals_no_process_but_its_own(isolated: Harness) -> None:
    source = """
import os
def handler(pids, context):
    seen = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    errors = []
    for pid in [1, *pids]:
        try:
            os.kill(pid, 9)
            errors.append("killed")
        except OSError as error:
            errors.append(type(error).__name__)
    return {"seen": seen, "me": os.getpid(), "errors": errors}
"""
    answer = isolated.call(source, [os.getpid(), os.getppid()])
    assert set(answer["seen"]) <= {1, answer["me"]}
    assert answer["errors"] == ["PermissionError", "ProcessLookupError", "ProcessLookupError"]


def test_cannot_read_the_memory_of_its_process_1(isolated: Harness) -> None:
    source = """
def handler(event, context):
    answers = {}
    for name in ("mem", "environ", "maps", "root", "cwd", "fd"):
        try:
            open(f"/proc/1/{name}", "rb").read(1)
            answers[name] = "read"
        except OSError as error:
            answers[name] = type(error).__name__
    return answers
"""
    assert set(isolated.call(source).values()) == {"PermissionError"}


def test_reaches_its_own_runtime_api_and_the_cloud_and_nothing_else(isolated: Harness) -> None:
    source = """
import socket
def handler(ports, context):
    open_ports = []
    for port in [*range(1, 10_000), *ports]:
        with socket.socket() as one:
            one.settimeout(0.2)
            if one.connect_ex(("127.0.0.1", port)) == 0:
                open_ports.append(port)
    names = [name for _, name in socket.if_nameindex()]
    abstract = socket.socket(socket.AF_UNIX)
    return {"ports": open_ports, "names": names, "abstract": abstract.connect_ex("\\0pileus-test")}
"""
    with socket.socket() as listener, socket.socket(socket.AF_UNIX) as abstract:
        listener.bind(("0.0.0.0", 0))  # noqa: S104
        listener.listen()
        abstract.bind("\0pileus-test")
        abstract.listen()
        answer = isolated.call(source, [listener.getsockname()[1]], timeout_s=20, memory_mb=1769)
    assert answer["ports"] == [9, 9001]  # 9 is the cloud's in these tests
    assert "lo" in answer["names"]
    assert answer["abstract"] != 0


def test_opens_no_unusual_socket(isolated: Harness) -> None:
    source = """
import socket
def handler(event, context):
    answers = []
    for family, kind in ((17, 3), (40, 1), (38, 5), (2, 3), (29, 3)):
        try:
            socket.socket(family, kind).close()
            answers.append("opened")
        except OSError:
            answers.append("refused")
    return answers
"""
    assert isolated.call(source) == ["refused"] * 5


def test_gains_no_privilege(isolated: Harness) -> None:
    source = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(work):
    ctypes.set_errno(0)
    try:
        result = work()
    except OSError as error:
        return error.errno
    return ctypes.get_errno() if result == -1 else 0
def handler(event, context):
    status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
    attempts = {
        "setuid": lambda: os.setuid(0),
        "setgroups": lambda: os.setgroups([0]),
        "user namespace": lambda: libc.unshare(0x10000000),
        "mount namespace": lambda: libc.unshare(0x20000),
        "clone": lambda: libc.syscall(ctypes.c_long(56), ctypes.c_long(0x10000000 | 17), None, None, None, None),
        "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
        "remount": lambda: libc.mount(b"none", b"/var/task", None, 32, None),
        "umount": lambda: libc.umount2(b"/proc", 2),
        "chroot": lambda: os.chroot("/tmp"),
        "ptrace": lambda: libc.ptrace(16, 1, 0, 0),
        "bpf": lambda: libc.syscall(321, 0, None, 0),
        "io_uring": lambda: libc.syscall(425, 1, None),
        "keyctl": lambda: libc.syscall(250, 0, -3, 0),
        "nice": lambda: os.nice(-5),
        "hostname": lambda: libc.sethostname(b"x", 1),
        "device": lambda: os.mknod("/tmp/device", 0o600 | 0o020000, os.makedev(1, 1)),
        "kmsg": lambda: os.open("/dev/kmsg", os.O_RDONLY),
        "sysctl": lambda: os.open("/proc/sys/kernel/hostname", os.O_WRONLY),
        "sysrq": lambda: os.write(os.open("/proc/sysrq-trigger", os.O_WRONLY), b"b") and -1,
        "code": lambda: os.open("/var/task/app.py", os.O_WRONLY),
        "root": lambda: os.open("/new", os.O_CREAT | os.O_WRONLY),
    }
    done = {name: attempt(work) for name, work in attempts.items()}
    return {"status": status, "done": [name for name, number in done.items() if number == 0]}
"""
    answer = isolated.call(source)
    status = answer["status"]
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[capabilities], 16) == 0
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    assert status["Uid"].split() == ["993"] * 4 and status["Groups"].split() in ([], ["65534"])
    # sysrq-trigger is covered by /dev/null: writing there does nothing.
    assert [name for name in answer["done"] if name != "sysrq"] == []


def test_a_program_with_the_setuid_bit_stays_unprivileged(isolated: Harness) -> None:
    answer = isolated.call(
        "import glob, os, subprocess\ndef handler(event, context):\n"
        "    programs = [path for path in ('/usr/bin/su', '/usr/bin/passwd', '/usr/bin/mount') if os.path.exists(path)]\n"
        "    flags = [os.statvfs(path).f_flag & 2 for path in programs]\n"
        "    return [len(programs) > 0, all(flags)]"
    )
    assert answer == [True, True]  # every one lies on a mount without setuid


def test_outgrows_its_memory(isolated: Harness) -> None:
    function = isolated.function("def handler(event, context):\n    return len(bytearray(event) )\n", timeout_s=20)
    assert isolated.invoke(function, 60 << 20).payload == b"%d" % (60 << 20)
    source = "def handler(event, context):\n    kept = []\n    while True:\n        kept.append(bytearray(b'x') * (1 << 20))\n"
    hungry = isolated.function(source, timeout_s=20)
    outcome = isolated.invoke(hungry)
    assert outcome.function_error == "Unhandled"
    error = json.loads(outcome.payload)
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert outcome.max_memory_mb == 128
    assert isolated.invoke(function, 1).payload == b"1"


def test_fills_its_tmp_and_no_other_disk(isolated: Harness) -> None:
    source = """
import errno
def handler(event, context):
    answers = {}
    for path in ("/tmp/file", "/var/task/file", "/file", "/dev/file", "/var/runtime/file", "/opt/file", "/dev/shm/file"):
        written = 0
        try:
            with open(path, "wb", buffering=0) as file:
                while written < 700 << 20:
                    written += file.write(bytes(1 << 20))
        except OSError as error:
            answers[path] = [errno.errorcode[error.errno], written >> 20]
    return answers
"""
    answer = isolated.call(source, timeout_s=30)  # 128 MB of memory, and yet 512 MB of /tmp
    kind, megabytes = answer.pop("/tmp/file")
    assert kind == "ENOSPC" and 500 <= megabytes <= 512
    assert {kind for kind, _ in answer.values()} <= {"EROFS", "EACCES", "ENOENT"} and len(answer) == 6


def test_starts_processes_without_end(isolated: Harness) -> None:
    source = """
import os
def handler(event, context):
    children = 0
    try:
        while True:
            os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
            children += 1
    except OSError:
        return children
"""
    function = isolated.function(source, timeout_s=30, memory_mb=3008)
    children = json.loads(isolated.invoke(function).payload)
    assert 100 < children <= 1024
    assert isolated.call("def handler(event, context):\n    return 'undisturbed'") == "undisturbed"
    isolated.runtime.retire(function.account, function.region, function.name)


def test_opens_descriptors_without_end(harness: Harness) -> None:
    source = """
import os
def handler(event, context):
    inherited = len(os.listdir("/proc/self/fd"))
    opened = []
    try:
        while True:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return {"inherited": inherited, "highest": max(opened)}
"""
    answer = harness.call(source)
    assert answer["highest"] == 1023
    assert answer["inherited"] <= 8  # input, outputs, the log, the Runtime API's connection and this directory


@pytest.mark.parametrize("work", ["while True: pass", "import time; time.sleep(60)", "os.kill(os.getpid(), 19)"])
def test_holds_on_past_its_timeout(harness: Harness, work: str) -> None:
    source = (
        f"import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ndef handler(event, context):\n    {work}\n"
    )
    function = harness.function(source, timeout_s=1)
    outcome = harness.invoke(function, request_id="11111111-1111-4111-8111-111111111111")
    assert outcome.function_error == "Unhandled"
    assert json.loads(outcome.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: 11111111-1111-4111-8111-111111111111 Error: Task timed out after 1.00 seconds",
    }
    assert "Task timed out after 1.00 seconds" in harness.log_of(function)


def test_stops_when_it_has_answered(isolated: Harness) -> None:
    source = """
import threading, time
ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.001)
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    return [ticks, time.time()]
"""
    function = isolated.function(source)
    before, _ = json.loads(isolated.invoke(function).payload)
    time.sleep(1)
    after, _ = json.loads(isolated.invoke(function).payload)
    assert after - before < 200  # a thousand, had it gone on


def test_lies_to_its_runtime_api(harness: Harness) -> None:
    source = """
import http.client, os
def call(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"], timeout=5)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
def handler(event, context):
    base = "/2018-06-01/runtime/invocation/"
    answers = [
        call("GET", base + "next"),
        call("POST", base + "00000000-0000-0000-0000-000000000000/response", "1"),
        call("POST", base + "../../etc/passwd", "1"),
        call("GET", "/" + "a" * 100_000),
        call("POST", "/2018-06-01/runtime/init/error", "not json", {"Lambda-Runtime-Function-Error-Type": "x" * 1000}),
        call("POST", "/2020-01-01/extension/register", "[]", {"Lambda-Extension-Name": "e"}),
        call("GET", "/2020-01-01/extension/event/next", None, {"Lambda-Extension-Identifier": "no"}),
        call("DELETE", base + "next"),
    ]
    os.write(1, b"\\xa5\\x5a\\x00\\x03\\xff\\xff\\xff\\xff" + bytes(8) + b"forged")
    return answers
"""
    function = harness.function(source)
    outcome = harness.invoke(function)
    assert json.loads(outcome.payload) == [403, 400, 404, 0, 202, 400, 403, 404]
    assert harness.invoke(function).function_error is None


def test_floods_its_runtime_api(harness: Harness) -> None:
    source = """
import os, socket
def handler(event, context):
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    kept, dropped = [], 0
    for _ in range(200):
        one = socket.create_connection((host, int(port)))
        kept.append(one)
        one.settimeout(5)
    for head in (b"GET /x HTTP/1.1\\r\\nEndless: ", b"POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nContent-Length: 6000000\\r\\n\\r\\n"):
        for one in kept[:40]:
            try:
                one.sendall(head)
                for _ in range(5):
                    one.sendall(bytes(b"x") * 1_000_000)
            except OSError:
                dropped += 1
    return [len(kept), dropped > 20]
"""
    function = harness.function(source, memory_mb=512)
    assert json.loads(harness.invoke(function).payload) == [200, True]
    assert harness.invoke(function).function_error is None


def test_looks_around_in_its_own_memory(isolated: Harness) -> None:
    """Python functions are forks of the launcher: nothing that it knew may be of use."""
    source = """
import gc, sys
def handler(event, context):
    frame, seen = sys._getframe().f_back, []
    while frame:
        seen += [repr(value) for value in frame.f_locals.values()]
        frame = frame.f_back
    seen += [repr(thing) for thing in gc.get_objects() if isinstance(thing, dict) and len(thing) < 50]
    seen += [open("/proc/self/cmdline").read(), open("/proc/self/environ").read()]
    marker = "".join(event)
    return [text[:200] for text in seen if marker in text]
"""
    folder = str(isolated.folder)
    assert isolated.call(source, [folder[:9], folder[9:]]) == []


def test_answers_twice_and_keeps_the_first(harness: Harness) -> None:
    source = """
import http.client, os
def handler(event, context):
    path = f"/2018-06-01/runtime/invocation/{context.aws_request_id}/response"
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request("POST", path, '"first"')
    connection.getresponse().read()
    os._exit(3)
"""
    function = harness.function(source)
    for _ in range(2):
        outcome = harness.invoke(function)
        assert outcome.payload == b'"first"' and outcome.function_error is None


def test_prints_without_end(harness: Harness) -> None:
    source = "def handler(event, context):\n    for _ in range(event):\n        print('x' * 1023)\n    return 'done'"
    function = harness.function(source, timeout_s=30)
    outcome = harness.invoke(function, 8 << 10, tail=True)
    assert outcome.payload == b'"done"' and len(outcome.log_tail) == 4096
    assert harness.log_of(function).count("x" * 1023) == 8 << 10


def test_is_another_user_each_time(isolated: Harness) -> None:
    """Even if two sandboxes met, the kernel would not let one touch the other's."""
    functions = [
        isolated.function("def handler(event, context):\n    return open('/proc/self/uid_map').read()")
        for _ in range(2)
    ]
    maps = {isolated.invoke(function).payload for function in functions}
    assert len(maps) == 2


def test_shares_nothing_between_versions(harness: Harness) -> None:
    source = (
        "import os\ndef handler(event, context):\n    return [os.path.exists('/tmp/x'), open('/tmp/x', 'w').write('x')]"
    )
    first = harness.function(source)
    second = msgspec.structs.replace(first, version="1", arn=first.arn.replace("$LATEST", "1"))
    assert json.loads(harness.invoke(first).payload) == [False, 1]
    assert json.loads(harness.invoke(second).payload) == [False, 1]
    assert json.loads(harness.invoke(first).payload) == [True, 1]


def test_a_link_in_the_code_leads_nowhere(isolated: Harness) -> None:
    function = isolated.function(
        "import os\ndef handler(event, context):\n    return [os.path.exists(f'/var/task/{name}') for name in event]"
    )
    Path(function.code, "file").symlink_to("/etc/shadow")
    Path(function.code, "folder").symlink_to(f"../../../../../../../..{isolated.folder}")
    assert json.loads(isolated.invoke(function, ["file", "folder", "app.py"]).payload) == [False, False, True]
