"""How many invocations run now, in all worker processes together.

Workers share one small file, mapped: a row for each function and one for each account's unreserved pool, a column for
each worker. A worker writes only in its own column, so that nothing needs a lock but adding a row; a sum of columns is
the concurrency. Counting oneself in before looking, and out again if it was too much, can refuse two at once where
one had room, but never lets one too many run.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from pileus.aws.errors import AWSError
from pileus.runtime.interface import FunctionVersion, Limits

_ROWS = 16_384
_NAME, _COLUMN = 16, 4
"""Bytes of a row's name and of one count."""


def take_number(state: Path, most: int) -> tuple[int, int]:
    """This worker's number, the lowest that no living one has, and the locked descriptor that holds it until the
    process ends, however it ends."""
    for number in range(most):
        descriptor = os.open(state / f"worker-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return number, descriptor
    raise RuntimeError(f"{most} processes already run functions in {state}")


class Concurrency:
    def __init__(self, state: Path, workers: int, worker: int, *, alone: bool) -> None:
        """`alone` starts anew: nobody else can be counting."""
        self._worker = worker
        self._width = _NAME + _COLUMN * workers
        self._workers = workers
        self._lock = os.open(state / "concurrency.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = _ROWS * self._width
        with self._locked():
            path = state / "concurrency"
            # Never cut: who has it mapped would die of it.
            if path.exists() and (alone or path.stat().st_size != size):
                path.unlink()
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(file).st_size == 0:
                os.ftruncate(file, size)
            self._map = mmap.mmap(file, size)
            os.close(file)
        self._counts = memoryview(self._map).cast("i")
        self._rows: dict[tuple[str, ...], int] = {}
        for row in range(_ROWS):  # what this worker's killed predecessor counted
            start = row * self._width
            if self._map[start : start + _NAME] != bytes(_NAME):
                self._counts[self._first(row) + worker] = 0

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _row(self, *key: str) -> int:
        """Where in `_counts` the row's begin."""
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self._first(self._find("\0".join(key)))
        return row

    def _first(self, row: int) -> int:
        return (row * self._width + _NAME) // _COLUMN

    def _find(self, key: str) -> int:
        """Open addressing; rows are never given back, which 16,384 functions and accounts allow."""
        name = hashlib.blake2b(key.encode(), digest_size=_NAME).digest()
        with self._locked():
            row = int.from_bytes(name[:4], "big") % _ROWS
            for _ in range(_ROWS):
                start = row * self._width
                there = self._map[start : start + _NAME]
                if there == bytes(_NAME):
                    self._map[start : start + _NAME] = name
                    return row
                if there == name:
                    return row
                row = (row + 1) % _ROWS
        raise AWSError("ServiceException", "Too many functions on this machine.", status=500)

    def _sum(self, row: int) -> int:
        return sum(self._counts[row : row + self._workers])

    def enter(self, function: FunctionVersion, limits: Limits) -> tuple[int, ...]:
        """Counts one more invocation, to be given to `leave`. Raises TooManyRequestsException."""
        mine = self._row(function.account, function.region, function.name)
        # A function's reservation is taken from the account's limit already.
        pool = self._row(function.account, function.region, "" if limits.reserved is None else " reserved")
        self._counts[mine + self._worker] += 1
        self._counts[pool + self._worker] += 1
        if limits.reserved is not None:
            if limits.kept:
                return self._enter_beside_provisioned(function, limits, limits.reserved, (mine, pool))
            if self._sum(mine) > limits.reserved:
                self.leave((mine, pool))
                raise throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        elif self._sum(pool) > limits.unreserved:
            self.leave((mine, pool))
            raise throttled("ConcurrentInvocationLimitExceeded")
        return mine, pool

    def _enter_beside_provisioned(
        self, function: FunctionVersion, limits: Limits, reserved: int, rows: tuple[int, ...]
    ) -> tuple[int, ...]:
        """What is provisioned of a reservation serves its version alone; the rest of the reservation is everybody's
        (https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html#reserved-and-provisioned)."""
        within = (self._row(function.account, function.region, function.name, function.version), limits.provisioned)
        beside = (self._row(function.account, function.region, function.name, " beside"), reserved - limits.kept)
        for row, allowed in (within, beside):
            self._counts[row + self._worker] += 1
            if self._sum(row) <= allowed:
                return (*rows, row)
            self._counts[row + self._worker] -= 1
        self.leave(rows)
        raise throttled("ReservedFunctionConcurrentInvocationLimitExceeded")

    def leave(self, rows: tuple[int, ...]) -> None:
        for row in rows:
            self._counts[row + self._worker] -= 1

    def in_use(self, account: str, region: str, name: str | None) -> int:
        if name is not None:
            return self._sum(self._row(account, region, name))
        return self._sum(self._row(account, region, "")) + self._sum(self._row(account, region, " reserved"))

    def close(self) -> None:
        self._counts.release()
        self._map.close()
        os.close(self._lock)


def throttled(reason: str) -> AWSError:
    return AWSError("TooManyRequestsException", "Rate Exceeded.", status=429, Reason=reason, Type="User")
