"""What was answered is there after kill -9, whole, in the table, its index and its stream."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

KEYS = 40


def setup(database: Any) -> None:
    database.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "g", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-g",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )  # fmt: skip


class Writer(threading.Thread):
    """Writes rising versions of its own pairs of items, each pair in one transaction, until the cloud is gone."""

    def __init__(self, database: Any, number: int, first: int) -> None:
        super().__init__()
        self.database = database
        self.number = number
        self.version = first
        self.acknowledged: dict[str, int] = {}
        self.attempted: dict[str, int] = {}

    def run(self) -> None:
        while True:
            self.version += 1
            pair = f"{self.number}-{self.version % (KEYS // 2)}"
            self.attempted[pair] = self.version
            items = [
                {"Put": {"TableName": "table", "Item": {"p": {"S": f"{pair}-{side}"}, "g": {"N": str(self.version)}}}}
                for side in "ab"
            ]
            try:
                self.database.transact_write_items(TransactItems=items)
            except (BotoCoreError, ClientError):
                return
            self.acknowledged[pair] = self.version


def scan(database: Any, **options: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for page in database.get_paginator("scan").paginate(TableName="table", **options):
        for item in page["Items"]:
            assert item["p"]["S"] not in found
            found[item["p"]["S"]] = int(item["g"]["N"])
    return found


def streamed(streams: Any, arn: str) -> dict[str, int]:
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    following = iterator["ShardIterator"]
    last: dict[str, int] = {}
    while True:
        page = streams.get_records(ShardIterator=following)
        if not page["Records"]:
            return last
        for record in page["Records"]:
            image = record["dynamodb"]["NewImage"]
            last[image["p"]["S"]] = int(image["g"]["N"])
        following = page["NextShardIterator"]


def rounds(cloud: Any, count: int, seconds: float) -> int:
    root = cloud.root
    setup(root.client("dynamodb"))
    arn = root.client("dynamodb").describe_table(TableName="table")["Table"]["LatestStreamArn"]
    acknowledged: dict[str, int] = {}
    attempted: dict[str, int] = {}
    total = version = 0
    for _ in range(count):
        writers = [Writer(root.client("dynamodb"), number, version) for number in range(4)]
        for writer in writers:
            writer.start()
        threading.Event().wait(seconds)
        cloud.kill()
        for writer in writers:
            writer.join()
            acknowledged.update(writer.acknowledged)
            attempted.update(writer.attempted)
            total += len(writer.acknowledged)
            version = max(version, writer.version)
        cloud.start()
        database = root.client("dynamodb")
        table = scan(database)
        for pair, wanted in acknowledged.items():
            one, other = table[f"{pair}-a"], table[f"{pair}-b"]
            assert one == other, f"half a transaction: {pair}"
            assert wanted <= one <= attempted[pair], f"lost: {pair} is {one}, {wanted} was acknowledged"
        assert scan(database, IndexName="by-g") == table
        assert streamed(root.client("dynamodbstreams"), arn) == table
    return total


def test_acknowledged_writes_survive_kill_9(fresh_cloud: Any) -> None:
    assert rounds(fresh_cloud, 2, 0.7) > 0


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_acknowledged_writes_survive_fifty_kills(fresh_cloud: Any) -> None:
    assert rounds(fresh_cloud, 50, 0.5) > 0
