"""Which system calls a guest may not make: those that only serve to leave, widen or inspect the sandbox.

A deny list, because functions are arbitrary programs; what it takes away is the kernel's rarely used surface
(mounts, new namespaces, tracing, BPF, io_uring, keys, modules). A refused call answers EPERM, `clone3` ENOSYS, so that
libc falls back to `clone`, whose flags can be looked at.
"""

from __future__ import annotations

import errno
import platform
import struct

# Linux numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
_COMMON = {
    "pidfd_getfd": 438, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "fspick": 433, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "mount_setattr": 442,
    "quotactl_fd": 443, "process_madvise": 440, "memfd_secret": 447, "open_tree_attr": 467,
}  # fmt: skip
_NUMBERS = {
    "x86_64": {
        "ptrace": 101, "syslog": 103, "personality": 135, "pivot_root": 155, "adjtimex": 159, "chroot": 161,
        "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
        "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175,
        "delete_module": 176, "quotactl": 179, "clock_settime": 227, "kexec_load": 246, "add_key": 248,
        "request_key": 249, "keyctl": 250, "unshare": 272, "move_pages": 279, "perf_event_open": 298,
        "fanotify_init": 300, "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308,
        "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "kexec_file_load": 320,
        "bpf": 321, "userfaultfd": 323, "vhangup": 153, "modify_ldt": 154, "lookup_dcookie": 212,
    },
    "aarch64": {
        "ptrace": 117, "syslog": 116, "personality": 92, "pivot_root": 41, "adjtimex": 171, "chroot": 51, "acct": 89,
        "settimeofday": 170, "mount": 40, "umount2": 39, "swapon": 224, "swapoff": 225, "reboot": 142,
        "sethostname": 161, "setdomainname": 162, "init_module": 105, "delete_module": 106, "quotactl": 60,
        "clock_settime": 112, "kexec_load": 104, "add_key": 217, "request_key": 218, "keyctl": 219, "unshare": 97,
        "move_pages": 239, "perf_event_open": 241, "fanotify_init": 262, "name_to_handle_at": 264,
        "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270,
        "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "kexec_file_load": 294, "bpf": 280,
        "userfaultfd": 282, "vhangup": 58, "lookup_dcookie": 18,
    },
}  # fmt: skip
_CLONE = {"x86_64": 56, "aarch64": 220}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_ARCHITECTURE = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_CLONE3 = 435
_NEW_NAMESPACES = 0x7E02_0080  # every CLONE_NEW… flag, CLONE_NEWTIME among them
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_TIOCSTI = 0x5412

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_OR_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF_0000, 0x8000_0000
_NUMBER, _ARCH, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24  # offsets in struct seccomp_data, low halves


def _errno(number: int) -> int:
    return 0x0005_0000 | number


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def program(machine: str | None = None) -> bytes | None:
    """The filter for this kind of processor, None where the numbers are not known here."""
    machine = machine or platform.machine()
    if machine not in _NUMBERS:
        return None
    denied = sorted({*_NUMBERS[machine].values(), *_COMMON.values()})
    deny, allow = _op(_RETURN, _errno(errno.EPERM)), _op(_RETURN, _ALLOW)
    code = [
        _op(_LOAD, _ARCH),
        _op(_JUMP_EQUAL, _ARCHITECTURE[machine], 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":  # the x32 numbers name the same calls a second time
        code += [_op(_JUMP_GREATER_OR_EQUAL, 0x4000_0000, 0, 1), deny]
    code += [_op(_JUMP_EQUAL, _CLONE3, 0, 1), _op(_RETURN, _errno(errno.ENOSYS))]
    code += [
        _op(_JUMP_EQUAL, _CLONE[machine], 0, 4),
        _op(_LOAD, _ARGUMENT_0),
        _op(_JUMP_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        deny,
        allow,
    ]
    families = (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK)
    code += [_op(_JUMP_EQUAL, _SOCKET[machine], 0, len(families) + 3), _op(_LOAD, _ARGUMENT_0)]
    code += [_op(_JUMP_EQUAL, family, len(families) - index, 0) for index, family in enumerate(families)]
    code += [_op(_RETURN, _errno(errno.EAFNOSUPPORT)), allow]
    code += [
        _op(_JUMP_EQUAL, _IOCTL[machine], 0, 4),
        _op(_LOAD, _ARGUMENT_1),
        _op(_JUMP_EQUAL, _TIOCSTI, 0, 1),
        deny,
        allow,
    ]
    for number in denied:
        code += [_op(_JUMP_EQUAL, number, 0, 1), deny]
    return b"".join([*code, allow])
