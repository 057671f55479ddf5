"""The load generator: wrk (https://github.com/wg/wrk, in Debian), one thread, a few requests in turn."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("wrk.lua")


class LoadError(RuntimeError):
    """Answers were refused or connections broke: what was measured is not the operation."""


@dataclass(frozen=True, slots=True)
class Load:
    """One run. Times are in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def drive(port: int, *requests: bytes, connections: int, seconds: float) -> Load:
    """Raises LoadError where more than one answer, and more than one in a thousand, is not a success."""
    with tempfile.NamedTemporaryFile(prefix="pileus-bench-") as file:
        for request in requests:
            file.write(b"%d\n%s" % (len(request), request))
        file.flush()
        ran = subprocess.run(
            [
                "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s",
                "-s", str(_SCRIPT), f"http://127.0.0.1:{port}/", "--", file.name,
            ],
            capture_output=True, text=True, check=False, timeout=seconds + 90,
        )  # fmt: skip
    line = next((line for line in ran.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise LoadError(f"wrk failed: {ran.stderr or ran.stdout}")
    found = json.loads(line.removeprefix("RESULT "))
    wrong = found["refused"] + found["broken"]
    if not found["requests"] or wrong > max(1, found["requests"] / 1000):
        raise LoadError(f"{wrong} of {found['requests']} requests failed")
    return Load(found["requests"], found["microseconds"] / 1e6, found["p50"] / 1000, found["p99"] / 1000)
