"""How much memory a guest holds. What lies in /tmp is not counted, as it is not on Lambda; pages of files that it only
reads the kernel takes back before anything else."""

from __future__ import annotations

from pileus.runtime.launchers import Sandbox

_MB = 1 << 20


def outgrown(sandbox: Sandbox, allowed_mb: int) -> bool:
    group = sandbox.group
    if group is None or group.used_bytes() <= allowed_mb * _MB:
        return False
    return group.held_bytes() - sandbox.tmp_bytes() > allowed_mb * _MB


def peak_mb(sandbox: Sandbox, allowed_mb: int) -> int:
    """The most that it held, as a report shows it."""
    used = sandbox.group.peak_bytes() if sandbox.group else 0
    if used > allowed_mb * _MB:
        used -= sandbox.tmp_bytes()
    return max(1, min(allowed_mb, -(-used // _MB)))
