"""The file system that guests see: built once by the launcher, read-only, out of what the language needs.

Each sandbox has a copy of these mounts in a namespace of its own and adds its own /proc, /tmp, /var/task and /opt.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pileus.runtime.sandbox import linux

HOST = "/.host"
"""Where the machine's own root stays until a sandbox has its function: gone before a guest's first instruction."""

TASK, LAYERS, TMP, RUNTIME = "/var/task", "/opt", "/tmp", "/var/runtime"  # noqa: S108
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
_FROM_ETC = (
    "ld.so.cache", "ssl", "ca-certificates", "pki", "localtime", "alternatives", "mime.types", "protocols",
    "services", "java-17-openjdk", "java-21-openjdk",
)  # fmt: skip
_HIDDEN = (
    "kcore",
    "keys",
    "sysrq-trigger",
    "timer_list",
    "kallsyms",
    "kpagecount",
    "kpageflags",
    "slabinfo",
    "config.gz",
)
GUEST_UID, GUEST_GID = 993, 990  # as sbx_user1051 has them on Lambda
_FILES = {
    "passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
    f"sbx_user1051:x:{GUEST_UID}:{GUEST_GID}::/home/sbx_user1051:/sbin/nologin\n",
    "group": f"root:x:0:\nsbx_group:x:{GUEST_GID}:\n",
    "hosts": "127.0.0.1 localhost sandbox sandbox.localdomain\n::1 localhost\n",
    "nsswitch.conf": "hosts: files dns\n",
}  # fmt: skip


def build(mountpoint: str, system: list[str], runtime: dict[str, str], resolver: str) -> None:
    """Mounts the root at `mountpoint` and moves into it. `system` are host directories that keep their paths,
    `runtime` the entries of /var/runtime by name."""
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("pileus", mountpoint, "tmpfs", linux.MS_NOSUID, "size=4m,mode=755")
    new = Path(mountpoint)
    for inner in (HOST, "/proc", TMP, TASK, LAYERS, RUNTIME, "/dev", "/etc", "/home/sbx_user1051"):
        (new / inner[1:]).mkdir(parents=True)
    for path in system:
        _bind(path, new)
    for name, source in runtime.items():
        _bind_to(source, new / RUNTIME[1:] / name)
    for name in _FROM_ETC:
        if Path("/etc", name).exists():
            _bind_to(str(Path("/etc", name).resolve()), new / "etc" / name)
    for name, text in _FILES.items():
        (new / "etc" / name).write_text(text)
    (new / "etc/resolv.conf").write_text(resolver)
    for name in _DEVICES:
        (new / "dev" / name).touch()
        linux.mount(f"/dev/{name}", str(new / "dev" / name), flags=linux.MS_BIND)
    for name, target in _LINKS.items():
        (new / "dev" / name).symlink_to(target)
    linux.pivot_root(mountpoint, mountpoint + HOST)
    os.chdir("/")
    linux.mount("none", "/", flags=linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | linux.MS_NOSUID)


def _bind(path: str, new: Path) -> None:
    """Binds a host directory to its own path; a link such as /lib -> usr/lib stays one."""
    target = new / path[1:]
    if Path(path).is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(Path(path).readlink())
    elif Path(path).is_dir():
        _bind_to(path, target)


def _bind_to(source: str, target: Path) -> None:
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    linux.bind_read_only(source, str(target))


def add_proc() -> None:
    """The /proc of the process namespace that the caller is process 1 of, with the machine's own affairs hidden."""
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    for name in _HIDDEN:
        with contextlib.suppress(OSError):  # not every kernel has every one
            linux.mount("/dev/null", f"/proc/{name}", flags=linux.MS_BIND)
    for name in ("sys", "irq", "bus", "fs"):
        with contextlib.suppress(OSError):
            linux.bind_read_only(f"/proc/{name}", f"/proc/{name}")


def add_tmp(uid: int, megabytes: int) -> None:
    options = f"size={megabytes}m,mode=700,uid={uid},gid={uid},nr_inodes=131072"
    linux.mount("tmp", TMP, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)


def resize_tmp(megabytes: int) -> None:
    flags = linux.MS_REMOUNT | linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("tmp", TMP, "tmpfs", flags, f"size={megabytes}m")


def add_function(task: str, layers: list[str]) -> None:
    """Code at /var/task, layers at /opt (a later one hides an earlier one's files), and the machine's root away."""
    linux.bind_read_only(HOST + task, TASK)
    if len(layers) == 1:
        linux.bind_read_only(HOST + layers[0], LAYERS)
    elif layers:
        lower = ":".join((HOST + layer).replace("\\", "\\\\").replace(":", "\\:") for layer in reversed(layers))
        linux.mount(
            "layers", LAYERS, "overlay", linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV, f"lowerdir={lower}"
        )
    linux.unmount(HOST)
