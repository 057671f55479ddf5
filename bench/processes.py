"""Starting what is measured, each on loopback in a folder and a process group of its own, and watching it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60.0


class StartError(RuntimeError):
    """A contender did not answer in time, or ended."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Server:
    """A running contender: `started` is the time from its exec to its first answer, in seconds."""

    def __init__(self, command: Sequence[str], *, port: int, folder: Path, environment: Mapping[str, str]) -> None:
        self.port = port
        self.folder = folder
        self.log = folder / "log"
        began = time.perf_counter()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(began + _START_SECONDS)
        except BaseException:
            self.stop()
            raise
        self.started = time.perf_counter() - began

    def _wait(self, until: float) -> None:
        while time.perf_counter() < until:
            if self._process.poll() is not None:
                raise StartError(f"ended with {self._process.returncode}: {self.log.read_text()[-500:]}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                    if connection.recv(16).startswith(b"HTTP/"):
                        return
            except OSError:
                pass
            time.sleep(0.005)
        raise StartError(f"did not answer in {_START_SECONDS:.0f} s: {self.log.read_text()[-500:]}")

    def processes(self) -> list[int]:
        """Its own, its descendants and whatever else is in its session: functions too."""
        own = {self._process.pid}
        stats = list(_stats())
        while found := {
            pid for pid, fields in stats if pid not in own and (int(fields[1]) in own or int(fields[3]) in own)
        }:
            own |= found
        return sorted(own)

    def memory(self) -> int:
        """Bytes of the whole session, shared pages counted once (PSS)."""
        return sum(_proportional(pid) for pid in self.processes())

    def cpu(self) -> float:
        """Seconds of processor time so far, ended children that were waited for included."""
        own = set(self.processes())
        return sum(sum(map(int, fields[11:15])) for pid, fields in _stats() if pid in own) / _TICKS

    def stop(self) -> None:
        everyone = self.processes()
        for sign, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
                break
        for pid in everyone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def quiet(server: Server, patience: float = 5.0) -> None:
    """Waits until what a server does after its start is done."""
    until = time.perf_counter() + patience
    while time.perf_counter() < until:
        before = server.cpu()
        time.sleep(0.5)
        if server.cpu() - before < 0.02:
            return


@contextlib.contextmanager
def folder(prefix: str) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix=f"pileus-bench-{prefix}-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def size_of(path: Path) -> int:
    """Bytes of a file or tree, as its files say, links and what Python compiled left out."""
    if path.is_file():
        return path.stat().st_size
    return sum(
        entry.stat().st_size
        for entry in path.rglob("*")
        if entry.is_file() and not entry.is_symlink() and "__pycache__" not in entry.parts
    )


def _stats() -> Iterator[tuple[int, list[str]]]:
    """(pid, fields of /proc/PID/stat from the third on)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                yield int(entry.name), (entry / "stat").read_text().rpartition(") ")[2].split()


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
