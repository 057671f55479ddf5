"""The launcher: a single-threaded fork server that holds a language's interpreter and libraries ready.

    python -I -c '…' DESCRIPTOR      (see pileus.runtime.launchers)

It reads its configuration (no argument, which guests could read in /proc), then one datagram a sandbox from the
socket, with the descriptors that the sandbox gets, and answers with a pidfd of its process 1. It ends when the socket
closes, however Pileus ended; being process 1 of its own namespace, it takes every sandbox with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from pileus.runtime.sandbox import init, linux, python_runtime, root


def main() -> None:
    os.umask(0o022)  # whatever Pileus was started with: guests are other users, and must see their root
    connection = socket.socket(fileno=int(sys.argv[1]))
    configuration: dict[str, Any] = json.loads(connection.recv(1 << 18))
    if configuration["isolated"]:
        _enter_namespaces(configuration)
    if configuration["preload"]:
        python_runtime.preload()
    gc.collect()
    gc.freeze()  # what is shared with the children stays shared: the collector does not touch it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children reap themselves; pidfds tell of their end
    connection.send(b"ready")
    serve(connection, configuration)


def _enter_namespaces(configuration: dict[str, Any]) -> None:
    """Own process and mount namespaces; where Pileus is not root, own user namespace first, in which it is."""
    flags = linux.CLONE_NEWPID | linux.CLONE_NEWNS
    if configuration["user_namespace"]:
        uid, gid = os.getuid(), os.getgid()
        linux.unshare(linux.CLONE_NEWUSER)
        linux.write_maps(0, uid, 0, gid)
    linux.unshare(flags)
    child = os.fork()
    if child:  # only to be its parent: the child is process 1 of the namespace
        os.close(int(sys.argv[1]))
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    root.build(
        configuration["mountpoint"], configuration["system"], configuration["runtime"], configuration["resolver"]
    )


def serve(connection: socket.socket, configuration: dict[str, Any]) -> None:
    isolated: bool = configuration["isolated"]
    own = os.open(f"{root.HOST}/proc/self/ns/pid", os.O_RDONLY) if isolated else -1
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, 65536, 16)
        if not message:
            _thaw(configuration["freezer"])
            return
        sandbox: dict[str, Any] = json.loads(message) | configuration
        if sandbox.get("connect"):
            _answer(connection, sandbox["id"], _connect(configuration["internet"], descriptors), descriptors)
            continue
        if sandbox.get("socket"):
            _answer_with(connection, sandbox["id"], _socket_in(descriptors[0]), descriptors)
            continue
        if isolated:
            linux.unshare(linux.CLONE_NEWPID)  # of the next child
        child = os.fork()
        if child == 0:
            connection.close()
            configuration.clear()  # a guest in Python may look into all that is in its memory
            init.run(sandbox, descriptors)
        if isolated:
            linux.setns(own, linux.CLONE_NEWPID)
        _answer(connection, sandbox["id"], child, descriptors)


def _answer(connection: socket.socket, number: int, child: int, descriptors: list[int]) -> None:
    _answer_with(connection, number, os.pidfd_open(child), descriptors)


def _answer_with(connection: socket.socket, number: int, made: int, descriptors: list[int]) -> None:
    socket.send_fds(connection, [b"%d" % number], [made])
    for descriptor in (*descriptors, made):
        os.close(descriptor)


def _socket_in(network: int) -> int:
    """A socket that belongs to a sandbox's network, whoever uses it. Made by a thread that goes there and ends: the
    way back would need rights over the machine's own network, which not every launcher has. No socket where that
    failed."""
    made: list[int] = []

    def make() -> None:
        linux.setns(network, linux.CLONE_NEWNET)
        made.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM).detach())

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0] if made else os.open(os.devnull, os.O_RDONLY)


def _connect(program: list[str], descriptors: list[int]) -> int:
    """Starts what leads a sandbox's network out. Here, because it belongs to the machine's network and yet must end
    with the launcher."""
    child = os.fork()
    if child == 0:
        os.chroot(root.HOST)
        os.chdir("/")
        network, ready = (fcntl.fcntl(descriptor, fcntl.F_DUPFD, 20) for descriptor in descriptors)
        os.dup2(network, 9)
        os.dup2(ready, 10)
        linux.execute(program, {"PATH": "/usr/bin:/bin"})
    return child


def _thaw(parent: str) -> None:
    """In control groups of version 1 a frozen process does not die before it is thawed."""
    for state in Path(root.HOST + parent).glob("*/freezer.state") if parent else ():
        with contextlib.suppress(OSError):
            state.write_text("THAWED")


if __name__ == "__main__":
    main()
