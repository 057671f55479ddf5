"""Tries, in a process of its own, what a sandbox needs, and prints as JSON what the kernel allows.

`root` is whether it works without a user namespace; `user` whether one can be made; the rest names the barriers.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pileus.runtime.sandbox import filter, linux

_STEPS = {
    "mount": linux.CLONE_NEWNS,
    "pid": linux.CLONE_NEWPID,
    "net": linux.CLONE_NEWNET,
    "ipc": linux.CLONE_NEWIPC,
    "uts": linux.CLONE_NEWUTS,
    "cgroup": linux.CLONE_NEWCGROUP,
}


def main() -> None:
    found: dict[str, object] = dict.fromkeys(("root", "user", *_STEPS, "files", "seccomp"), False)
    found["user"] = _in_child(lambda: linux.unshare(linux.CLONE_NEWUSER))
    found["root"] = os.geteuid() == 0 and _in_child(lambda: linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWPID))
    first = 0 if found["root"] else linux.CLONE_NEWUSER
    for name, flag in _STEPS.items():
        found[name] = _in_child(lambda flag=flag: linux.unshare(first | flag))
    found["files"] = _in_child(lambda: _files(first, sys.argv[1]))
    program = filter.program()
    found["seccomp"] = program is not None and _in_child(lambda: _filtered(program))
    found["groups"] = bool(found["root"]) and _in_child(lambda: os.setgroups([]))
    print(json.dumps(found))


def _files(first: int, mountpoint: str) -> None:
    """A root of our own, and a /proc in it."""
    uid, gid = os.getuid(), os.getgid()
    if first:
        linux.unshare(first)
        linux.write_maps(0, uid, 0, gid)
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWPID)
    if os.fork():
        _, status = os.wait()
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("probe", mountpoint, "tmpfs")
    (Path(mountpoint) / "proc").mkdir()
    (Path(mountpoint) / "usr").mkdir()
    linux.bind_read_only("/usr", mountpoint + "/usr")
    linux.mount("proc", mountpoint + "/proc", "proc")
    linux.pivot_root(mountpoint, mountpoint + "/proc")


def _filtered(program: bytes) -> None:
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.install_filter(program)


def _in_child(step: object) -> bool:
    child = os.fork()
    if child == 0:
        try:
            step()  # type: ignore[operator]
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


if __name__ == "__main__":
    main()
