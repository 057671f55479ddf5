from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pileus.aws.clock import Clock
from pileus.gateway.cloud import open_cloud, prepare
from pileus.gateway.data_directory import open_store
from pileus.security.principals import root
from pileus.services.context import Context, Settings
from pileus.services.dynamodb import housekeeping, service, statistics
from pileus.services.dynamodb.statistics import Statistics
from pileus.services.operation import Shape

service.load()
ACCOUNT = "000000000000"


def test_counts_follow_writes_and_are_put_right(tmp_path: Path) -> None:
    asyncio.run(_counts(Settings(data=tmp_path, durability="relaxed")))


async def _counts(settings: Settings) -> None:
    store = open_store(settings)
    await prepare(store, Clock())
    store.close()
    cloud = open_cloud(settings)

    async def call(operation: str, request: Shape) -> Any:
        context = Context(
            cloud=cloud, principal=root(ACCOUNT), region="us-east-1", request_id="r", service="dynamodb",
            operation=operation, received=cloud.clock.time(),
        )  # fmt: skip
        return await service.operations[operation].function(context, request)

    key = {"AttributeName": "p", "KeyType": "HASH"}
    index = {"IndexName": "by-g", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}]}
    table = await call(
        "CreateTable",
        {
            "TableName": "table",
            "KeySchema": [key],
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in "pg"],
            "GlobalSecondaryIndexes": [{**index, "Projection": {"ProjectionType": "KEYS_ONLY"}}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )
    assert table["TableDescription"]["ItemCount"] == 0
    for i in range(9):
        item = {"p": {"S": str(i)}, "x": {"S": "yy"}, **({"g": {"S": "g"}} if i % 3 == 0 else {})}
        await call("PutItem", {"TableName": "table", "Item": item})
    await call("DeleteItem", {"TableName": "table", "Key": {"p": {"S": "8"}}})

    async def counts() -> tuple[int, int, int, int]:
        described = (await call("DescribeTable", {"TableName": "table"}))["Table"]
        own = described["GlobalSecondaryIndexes"][0]
        return described["ItemCount"], described["TableSizeBytes"], own["ItemCount"], own["IndexSizeBytes"]

    right = (8, 8 * 5 + 3 * 2, 3, 3 * 4)
    assert await counts() == right
    await cloud.part(Statistics).flush(cloud)
    assert await counts() == right
    await cloud.store.transact(lambda tx: statistics.put(tx, 1, 0, 77, 777))
    assert (await counts())[0] == 77
    await housekeeping.recount(cloud)
    assert await counts() == right
    await asyncio.sleep(0)
    cloud.store.close()
