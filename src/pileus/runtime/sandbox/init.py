"""Process 1 of a sandbox: builds it, starts the guest inside, gives it its function, and tells how it ended.

The guest is forked and stripped of every right while the sandbox waits in stock, so that nothing of this is on the
path of a cold start. Process 1 keeps its rights until it has mounted the function's code, then gives them up too: it
never runs a guest's code, and a guest can neither signal nor trace it.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import json
import os
import resource
import signal
import socket
import sys
import traceback
from typing import Any, NoReturn

from pileus.runtime.sandbox import filter, guest, linux, root

DESCRIPTORS = 1024
_NAMESPACES = linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS


def run(sandbox: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """`descriptors`: a socket to Pileus, a pipe for the guest's output, then the control groups' `cgroup.procs`.
    Does not return."""
    try:
        _run(sandbox, descriptors)
    except BaseException:
        # To Pileus's own log: nothing of the guest's can be in it.
        traceback.print_exc()
    finally:
        os._exit(70)


def _run(sandbox: dict[str, Any], descriptors: list[int]) -> None:
    control, output, *groups = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    for group in groups:
        try:
            os.write(group, b"0")
        except OSError as error:
            if error.errno == errno.ENODEV:  # Pileus is ending, and has removed it
                os._exit(0)
            raise
        os.close(group)
    isolated: bool = sandbox["isolated"]
    if sandbox["user_namespace"]:
        sandbox["uid"] = 0  # the only one there
    if isolated:
        linux.unshare(_NAMESPACES)
        linux.unshare(linux.CLONE_NEWCGROUP)
        socket.sethostname("pileus")
        root.add_proc()
        root.add_tmp(sandbox["uid"], 512)
        linux.loopback_up()
        linux.make_unreachable(sandbox["unreachable"])
    listeners = [_listen(port if isolated else 0) for port in sandbox["ports"]]
    resolver = _resolver() if isolated and sandbox["internet"] else -1
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # A guest that ends in stock takes the sandbox along; once it has its function, how it ended is told (below).
    signal.signal(signal.SIGCHLD, lambda *_: os._exit(0))
    child = os.fork()
    if child == 0:
        for listener in listeners:
            listener.close()
        os.close(control)
        mine.close()
        _become_guest(sandbox, its, output)
    its.close()
    os.close(output)
    pidfd = os.pidfd_open(child)
    connection = socket.socket(fileno=control)
    shared = [pidfd, *(listener.detach() for listener in listeners)]
    if isolated:
        shared.append(os.open(root.TMP, os.O_PATH))  # to see how full it is
        shared.append(os.open("/proc/self/ns/net", os.O_RDONLY))
        if sandbox["internet"]:
            shared.append(resolver)
    socket.send_fds(connection, [b"ready"], shared)
    for descriptor in shared:
        os.close(descriptor)
    message = connection.recv(1 << 18)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if not message:
        os._exit(0)
    assignment = json.loads(message)
    if isolated:
        if assignment["tmp_mb"] != 512:
            root.resize_tmp(assignment["tmp_mb"])
        root.add_function(assignment["task"], assignment["layers"])
        if not sandbox["user_namespace"]:
            linux.drop_bounding_set()
            _become(sandbox["uid"] - 1)
        linux.clear_capabilities()
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
    with contextlib.suppress(BrokenPipeError):  # it has ended already: how, is told below
        mine.send(message)
    mine.setblocking(False)
    while True:
        try:
            pid, wait_status = os.waitpid(-1, 0)
        except ChildProcessError:
            os._exit(0)  # the extensions have ended, too
        if pid == child:
            try:
                not_started = mine.recv(16)
            except OSError:
                not_started = b""
            connection.send(b"%d %s" % (os.waitstatus_to_exitcode(wait_status), not_started or b"0"))
            if not _shuts_down(connection):
                os._exit(0)


def _shuts_down(connection: socket.socket) -> bool:
    """Whether the runtime was to end: its extensions then have their own time, and do not end with it
    (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown)."""
    try:
        return connection.recv(16, socket.MSG_DONTWAIT) == b"shutdown"
    except OSError:
        return False


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _resolver() -> int:
    """The socket that the guest's questions for names come to."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 53))
    return listener.detach()


def _become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _become_guest(sandbox: dict[str, Any], its: socket.socket, output: int) -> NoReturn:
    """The order matters: user, then a user namespace of its own, then no capability, then the filter."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    keep = its.fileno()
    os.closerange(3, keep)
    os.closerange(keep + 1, 4096)
    if sandbox["isolated"]:
        uid = sandbox["uid"]
        if not sandbox["user_namespace"]:
            _become(uid)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)
        if sandbox["guest_user_namespace"]:
            linux.unshare(linux.CLONE_NEWUSER)
            linux.write_maps(root.GUEST_UID, uid, root.GUEST_GID, uid)
            linux.drop_bounding_set()
        linux.clear_capabilities()
    else:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    program = filter.program()
    if program is not None:
        linux.install_filter(program)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sandbox["prestart"]:
        os.dup2(keep, 3)
        for descriptor in (0, 1, 2):
            os.set_inheritable(descriptor, True)
        linux.execute(sandbox["prestart"], {"PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": ":UTC"})
    sandbox.clear()
    assignment = json.loads(its.recv(1 << 18) or b"null")
    if assignment is None:
        os._exit(0)
    try:
        guest.run(assignment, its)
    except SystemExit as error:
        code = error.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
        _end(code if isinstance(code, int) else 0 if code is None else 1)
    except BaseException:
        traceback.print_exc()
        _end(1)
    _end(0)


def _end(status: int) -> NoReturn:
    """As the interpreter ends, without the launcher's frames below."""
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status & 0xFF)
