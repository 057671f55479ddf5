"""Server access logs: a record of every request to a bucket, delivered as objects to another one.

Records gather in memory and are delivered by the minute or the megabyte, off the path of requests; as on AWS, that is
best effort: what a killed process had gathered is lost, and a target that refuses them gets none.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pileus.aws.body import Bytes
from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.security import principals
from pileus.services.context import Cloud
from pileus.services.s3 import service
from pileus.services.s3.log_records import Access, line
from pileus.services.s3.names import bucket_arn
from pileus.services.s3.state import Bucket, bucket_of

__all__ = ["Access", "AccessLogs", "enabled", "note"]

_log = logging.getLogger(__name__)
_DELIVER_SECONDS = 60.0
_LARGEST = 1 << 20
"""Bytes of one bucket's records that are delivered without waiting longer."""


class _Gathered(NamedTuple):
    """Lines of one bucket and one UTC day."""

    lines: list[bytes]
    began: float


class AccessLogs:
    """What this process has gathered and not yet delivered."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._gathered: dict[tuple[str, str], _Gathered] = {}
        self._sizes: dict[tuple[str, str], int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, bucket: str, at: float, record: str) -> None:
        data = record.encode("utf-8", "replace")
        name = (bucket, datetime.fromtimestamp(at, UTC).strftime("%Y/%m/%d"))
        self._gathered.setdefault(name, _Gathered([], at)).lines.append(data)
        size = self._sizes[name] = self._sizes.get(name, 0) + len(data)
        if size >= _LARGEST:
            self._start([name])
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_DELIVER_SECONDS, self._due)

    def _due(self) -> None:
        self._timer = None
        self._start(list(self._gathered))

    def _start(self, names: list[tuple[str, str]]) -> None:
        for name in names:
            self._sizes.pop(name, None)
            task = asyncio.create_task(self._deliver(name[0], self._gathered.pop(name)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, name: str, gathered: _Gathered) -> None:
        bucket = bucket_of(self._cloud, name)
        wanted = enabled(bucket)
        if bucket is None or wanted is None:
            return
        target = bucket_of(self._cloud, wanted["TargetBucket"])
        if target is None or target.account != bucket.account:
            return
        principal = principals.service("logging.s3.amazonaws.com", bucket.account, bucket_arn(bucket.name))
        request = {
            "Bucket": target.name,
            "Key": _key(bucket, wanted, gathered.began, self._cloud.clock.time()),
            "Body": Bytes(b"".join(gathered.lines)),
            "ContentType": "text/plain",
            **(_grants(wanted) if target.acls_enabled else {}),
        }
        try:
            await self._cloud.client(principal, region=bucket.region).call("s3", "PutObject", request)
        except AWSError as error:
            _log.warning("access logs of bucket %s could not be delivered to %s: %s", name, target.name, error)

    async def finish(self) -> None:
        """Delivers all there is."""
        if self._timer is not None:
            self._timer.cancel()
        self._due()
        await asyncio.gather(*self._tasks)


@service.on_stop.append
async def _finish(cloud: Cloud) -> None:
    await cloud.part(AccessLogs).finish()


def enabled(bucket: Bucket | None) -> Mapping[str, Any] | None:
    return bucket.configurations.get("logging") if bucket is not None else None


def _key(bucket: Bucket, wanted: Mapping[str, Any], began: float, now: float) -> str:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html#server-log-keyname-format"""
    prefix = wanted.get("TargetPrefix", "")
    delivered = datetime.fromtimestamp(now, UTC)
    unique = secrets.token_hex(8).upper()
    partitioned = wanted.get("TargetObjectKeyFormat", {}).get("PartitionedPrefix")
    if partitioned is None:
        return f"{prefix}{delivered:%Y-%m-%d-%H-%M-%S}-{unique}"
    day = delivered
    if partitioned.get("PartitionDateSource") == "EventTime":
        day = datetime.fromtimestamp(began, UTC).replace(hour=0, minute=0, second=0)
    folder = f"{bucket.account}/{bucket.region}/{bucket.name}"
    return f"{prefix}{folder}/{day:%Y/%m/%d}/{day:%Y-%m-%d-%H-%M-%S}-{unique}"


_GRANT_HEADERS = {"FULL_CONTROL": "GrantFullControl", "READ": "GrantRead"}


def _grants(wanted: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for grant in wanted.get("TargetGrants", ()):
        grantee, header = grant["Grantee"], _GRANT_HEADERS.get(grant["Permission"])
        if header is not None:
            who = f'uri="{grantee["URI"]}"' if grantee["Type"] == "Group" else f'id="{grantee["ID"]}"'
            found.setdefault(header, []).append(who)
    return {header: ",".join(who) for header, who in found.items()}


def note(cloud: Cloud, name: str | None, request: Request, response: Response, access: Access) -> None:
    """Records an answered request, where the bucket wants that."""
    bucket = bucket_of(cloud, name) if name else None
    if enabled(bucket) is not None and bucket is not None:
        now = cloud.clock.time()
        cloud.part(AccessLogs).add(bucket.name, now, line(bucket, request, response, access, now))
