"""A stream's records live for a day, its own entry as long as they can."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from pileus.aws.clock import Clock
from pileus.aws.errors import AWSError
from pileus.gateway.cloud import open_cloud, prepare
from pileus.gateway.data_directory import open_store
from pileus.security.principals import root
from pileus.services import all_services
from pileus.services.context import Context, Settings
from pileus.services.dynamodb import stream_log
from pileus.services.dynamodbstreams.streams import trim
from pileus.services.operation import Shape

DAY = 24 * 3600


def test_records_are_gone_after_a_day(tmp_path: Path) -> None:
    asyncio.run(_days(Settings(data=tmp_path, durability="relaxed")))


async def _days(settings: Settings) -> None:
    store = open_store(settings)
    await prepare(store, Clock())
    store.close()
    cloud = open_cloud(settings)
    now = time.time()
    cloud.clock = Clock(lambda: now)

    async def call(service: str, operation: str, request: Shape) -> Any:
        declared = all_services()[service].operations[operation]
        context = Context(
            cloud=cloud, principal=root("000000000000"), region="us-east-1", request_id="r", service=service,
            operation=operation, received=cloud.clock.time(),
        )  # fmt: skip
        return await declared.function(context, request)

    async def records() -> list[Shape]:
        described = (await call("dynamodbstreams", "DescribeStream", {"StreamArn": arn}))["StreamDescription"]
        place = {"StreamArn": arn, "ShardId": described["Shards"][0]["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = await call("dynamodbstreams", "GetShardIterator", place)
        found: list[Shape] = (await call("dynamodbstreams", "GetRecords", iterator))["Records"]
        return found

    table = await call(
        "dynamodb",
        "CreateTable",
        {
            "TableName": "table",
            "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        },
    )
    arn = table["TableDescription"]["LatestStreamArn"]
    await call("dynamodb", "PutItem", {"TableName": "table", "Item": {"p": {"S": "first"}}})
    now += DAY - 1
    await call("dynamodb", "PutItem", {"TableName": "table", "Item": {"p": {"S": "second"}}})
    assert [record["dynamodb"]["Keys"]["p"]["S"] for record in await records()] == ["first", "second"]
    now += 2
    assert [record["dynamodb"]["Keys"]["p"]["S"] for record in await records()] == ["second"], "before anyone trims"
    stored = stream_log.bounds(1)  # the cloud's first number
    assert len(list(cloud.store.range(*stored))) == 2
    await trim(cloud)
    assert len(list(cloud.store.range(*stored))) == 1
    await call("dynamodb", "DeleteTable", {"TableName": "table"})
    await trim(cloud)
    assert len(await records()) == 1, "a stream outlives its table by a day"
    now += DAY + 1
    await trim(cloud)
    assert not list(cloud.store.range(*stored))
    with pytest.raises(AWSError) as caught:
        await records()
    assert caught.value.code == "ResourceNotFoundException"
    await asyncio.sleep(0)
    cloud.store.close()
