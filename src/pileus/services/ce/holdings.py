"""What an account holds (storage, provisioned capacity), read every quarter of an hour and when a bill is asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from pileus.aws.errors import AWSError
from pileus.metering import levels, units
from pileus.security.accounts import ACCOUNTS
from pileus.security.principals import root
from pileus.services.ce import service
from pileus.services.client import Client
from pileus.services.context import Cloud

_EVERY_SECONDS = 900.0
_REST = 20
"""A reading that took so long is not repeated before so many times as long: buckets are listed whole, and bills may
be asked for often."""

_AT_ONCE = 200
"""Versions looked at before others may run."""


class _Rests:
    """Until when the accounts' last readings are new enough (`time.monotonic`)."""

    def __init__(self, cloud: Cloud) -> None:
        self.until: dict[str, float] = {}


@service.every(_EVERY_SECONDS, "holdings")
async def read_all(cloud: Cloud) -> None:
    for account in [account.id for _, account in ACCOUNTS.scan(cloud.store)]:
        await read(cloud, account)


async def read(cloud: Cloud, account: str) -> None:
    """Counts what was held since the last reading, and reads anew where that is due."""
    rests = cloud.part(_Rests)
    began = time.monotonic()
    if began < rests.until.get(account, 0.0):
        return
    client = cloud.client(root(account))
    held: dict[str, float] = {}
    for count in (_tables, _buckets, _log_groups):
        async for unit, quantity in count(client):
            held[unit] = held.get(unit, 0.0) + quantity
            await asyncio.sleep(0)
    ended = time.monotonic()
    rests.until[account] = ended + _REST * (ended - began)
    now = cloud.clock.time()
    await cloud.store.transact(lambda tx: levels.record(tx, account, now, held))


async def _tables(client: Client) -> AsyncIterator[tuple[str, float]]:
    async for page in _pages(
        client, "dynamodb", "ListTables", {}, {"ExclusiveStartTableName": "LastEvaluatedTableName"}
    ):
        for name in page["TableNames"]:
            try:
                table = (await client.call("dynamodb", "DescribeTable", {"TableName": name}))["Table"]
            except AWSError as error:
                if error.code != "ResourceNotFoundException":
                    raise
                continue  # deleted since it was listed
            indexes = [*table.get("GlobalSecondaryIndexes", ()), *table.get("LocalSecondaryIndexes", ())]
            yield units.DYNAMODB_STORAGE_BYTE_HOURS, table.get("TableSizeBytes", 0)
            for index in indexes:
                yield units.DYNAMODB_STORAGE_BYTE_HOURS, index.get("IndexSizeBytes", 0)
            for throughput in (one.get("ProvisionedThroughput", {}) for one in (table, *indexes)):
                yield units.DYNAMODB_READ_CAPACITY_UNIT_HOURS, throughput.get("ReadCapacityUnits", 0)
                yield units.DYNAMODB_WRITE_CAPACITY_UNIT_HOURS, throughput.get("WriteCapacityUnits", 0)


async def _buckets(client: Client) -> AsyncIterator[tuple[str, float]]:
    """All versions count (https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html). A bucket whose policy
    shuts out even the account's root is not counted: one bucket must not cost the whole bill."""
    going_on = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
    for bucket in (await client.call("s3", "ListBuckets", {})).get("Buckets", ()):
        try:
            asked = {"Bucket": bucket["Name"], "MaxKeys": _AT_ONCE}
            async for page in _pages(client, "s3", "ListObjectVersions", asked, going_on):
                yield units.S3_STORAGE_BYTE_HOURS, sum(version["Size"] for version in page.get("Versions", ()))
        except AWSError as error:
            if error.code not in ("NoSuchBucket", "AccessDenied"):
                raise


async def _log_groups(client: Client) -> AsyncIterator[tuple[str, float]]:
    async for page in _pages(client, "logs", "DescribeLogGroups", {}, {"nextToken": "nextToken"}):
        yield units.LOGS_STORAGE_BYTE_HOURS, sum(group.get("storedBytes", 0) for group in page["logGroups"])


async def _pages(
    client: Client, service: str, operation: str, request: dict[str, Any], going_on: dict[str, str]
) -> AsyncIterator[dict[str, Any]]:
    """All pages; `going_on` names the request's members that continue, and the answer's that they come from."""
    while True:
        page = await client.call(service, operation, request)
        yield page
        if not any(page.get(answered) for answered in going_on.values()):
            return
        request = request | {asked: page[answered] for asked, answered in going_on.items() if page.get(answered)}
