"""The last invocations, kept so that they can be run again, by whichever worker process is asked.

Gathered in memory and written once a second, sealed under the cloud's key: payloads hold what users type into login
forms. There are never more than `_MOST`, and none is older than a day.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque

import msgspec

from pileus.aws.errors import AWSError
from pileus.runtime.interface import Invocation
from pileus.services.context import Cloud
from pileus.services.lambda_ import service
from pileus.services.lambda_.names import FunctionName
from pileus.store.interface import Reader, Transaction
from pileus.store.records import Records

_MOST = 1000
_MOST_BYTES = 8 << 20
"""Of all payloads together; one of its own that is longer than a sixteenth is not kept."""
_FLUSH_SECONDS = 1.0
_KEEP_SECONDS = 24 * 3600
_PURPOSE = b"recorded invocations"


class Recording(msgspec.Struct, frozen=True, gc=False):
    name: FunctionName
    invocation: Invocation


class _Chunk(msgspec.Struct, array_like=True):
    """What one process recorded within a second."""

    identifiers: list[str]
    size: int
    """Of the payloads."""
    sealed: bytes


class _Total(msgspec.Struct, array_like=True):
    count: int = 0
    size: int = 0


_CHUNKS = Records(_Chunk, "lambda", "recording")
"""(milliseconds, a random number)"""
_TOTALS = Records(_Total, "lambda", "recordings")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Recording]).decode


class Recordings:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._pending: deque[Recording] = deque()
        self._size = 0
        self._task: asyncio.Task[None] | None = None

    def add(self, name: FunctionName, invocation: Invocation) -> None:
        size = len(invocation.payload)
        if size > _MOST_BYTES // 16:
            return
        self._pending.append(Recording(name, invocation))
        self._size += size
        while len(self._pending) > _MOST or self._size > _MOST_BYTES:
            self._size -= len(self._pending.popleft().invocation.payload)
        if self._task is None:
            self._task = asyncio.create_task(self._flush_soon(), name="lambda recordings")

    async def _flush_soon(self) -> None:
        await asyncio.sleep(_FLUSH_SECONDS)
        self._task = None
        await self.flush()

    async def flush(self) -> None:
        pending, size = self._pending, self._size
        self._pending, self._size = deque(), 0
        if not pending:
            return
        sealed = self._cloud.keyring.sealer.seal(_encode(list(pending)), _PURPOSE)
        chunk = _Chunk([one.invocation.request_id for one in pending], size, sealed)
        now = int(self._cloud.clock.time() * 1000)

        def write(tx: Transaction) -> None:
            total = _TOTALS.get(tx) or _Total()
            _CHUNKS.put(tx, now, secrets.randbits(32), value=chunk)
            total.count += len(chunk.identifiers)
            total.size += size
            while total.count > _MOST or total.size > _MOST_BYTES:
                if not _drop_oldest(tx, total):
                    break
            _TOTALS.put(tx, value=total)

        await self._cloud.store.transact(write)

    async def find(self, account: str, identifier: str) -> Recording:
        """The last run of that id: retries of an event have its own. What another process recorded just now is waited
        for. Raises ResourceNotFoundException."""
        await self.flush()
        found = self._find(self._cloud.store, account, identifier)
        if found is None:
            await asyncio.sleep(_FLUSH_SECONDS + 0.2)
            found = self._find(self._cloud.store, account, identifier)
        if found is None:
            message = f"No such invocation: the last {_MOST} of the last day can be run again."
            raise AWSError("ResourceNotFoundException", message, status=404)
        return found

    def _find(self, reader: Reader, account: str, identifier: str) -> Recording | None:
        for _, chunk in _CHUNKS.scan(reader, reverse=True):
            if identifier not in chunk.identifiers:
                continue
            with contextlib.suppress(ValueError):  # the key may have been thrown away
                for one in reversed(_decode(self._cloud.keyring.sealer.open(chunk.sealed, _PURPOSE))):
                    if one.invocation.request_id == identifier and one.name.account == account:
                        return one
        return None


def _drop_oldest(tx: Transaction, total: _Total, before: int | None = None) -> bool:
    """False where there is none, or none of before then."""
    key, chunk = next(_CHUNKS.scan(tx, limit=1), (None, None))
    if key is None or chunk is None or (before is not None and int(str(key[0])) >= before):
        return False
    _CHUNKS.delete(tx, *key)
    total.count -= len(chunk.identifiers)
    total.size -= chunk.size
    return True


@service.every(3600, "recordings")
async def forget(cloud: Cloud) -> None:
    before = int((cloud.clock.time() - _KEEP_SECONDS) * 1000)

    def change(tx: Transaction) -> None:
        total = _TOTALS.get(tx) or _Total()
        while _drop_oldest(tx, total, before):
            pass
        _TOTALS.put(tx, value=total)

    await cloud.store.transact(change)
