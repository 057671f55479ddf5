from __future__ import annotations

import secrets
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def account(cloud: Any) -> Any:
    return cloud.create_account()


@pytest.fixture(scope="module")
def database(account: Any) -> Any:
    return account.client("dynamodb")


@pytest.fixture(scope="module")
def streams(account: Any) -> Any:
    return account.client("dynamodbstreams")


def make(database: Any, view: str) -> tuple[str, str]:
    name = f"table-{secrets.token_hex(6)}"
    made = database.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
    )["TableDescription"]
    return name, made["LatestStreamArn"]


def iterator(streams: Any, arn: str, kind: str, **options: Any) -> str:
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    found = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType=kind, **options)
    return str(found["ShardIterator"])


@pytest.mark.parametrize(
    ("view", "images"),
    [
        ("KEYS_ONLY", set()),
        ("NEW_IMAGE", {"NewImage"}),
        ("OLD_IMAGE", {"OldImage"}),
        ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
    ],
)
def test_each_change_is_told_once_and_in_order(database: Any, streams: Any, view: str, images: set[str]) -> None:
    table, arn = make(database, view)
    key = {"p": {"S": "a"}}
    database.put_item(TableName=table, Item={**key, "v": {"N": "1"}})
    database.put_item(TableName=table, Item={**key, "v": {"N": "1"}})  # changes nothing
    database.put_item(TableName=table, Item={**key, "v": {"N": "2"}})
    database.delete_item(TableName=table, Key=key)
    database.delete_item(TableName=table, Key=key)  # changes nothing
    records = streams.get_records(ShardIterator=iterator(streams, arn, "TRIM_HORIZON"))["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    changes = [record["dynamodb"] for record in records]
    assert all(change["Keys"] == key and change["StreamViewType"] == view for change in changes)
    sequences = [int(change["SequenceNumber"]) for change in changes]
    assert sequences == sorted(set(sequences))
    assert set(changes[1]) & {"NewImage", "OldImage"} == images
    if "OldImage" in images:
        assert changes[1]["OldImage"] == {**key, "v": {"N": "1"}}
    if "NewImage" in images:
        assert changes[1]["NewImage"] == {**key, "v": {"N": "2"}}
        assert "NewImage" not in changes[2]
    database.delete_table(TableName=table)
    described = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert described["StreamStatus"] == "DISABLED"
    last = streams.get_records(ShardIterator=iterator(streams, arn, "TRIM_HORIZON"))
    assert len(last["Records"]) == 3 and "NextShardIterator" not in last


def test_iterators_go_on_where_they_are(database: Any, streams: Any) -> None:
    table, arn = make(database, "KEYS_ONLY")
    before = iterator(streams, arn, "LATEST")
    for i in range(5):
        database.put_item(TableName=table, Item={"p": {"S": str(i)}})
    page = streams.get_records(ShardIterator=before, Limit=2)
    assert [r["dynamodb"]["Keys"]["p"]["S"] for r in page["Records"]] == ["0", "1"]
    second = page["Records"][1]["dynamodb"]["SequenceNumber"]
    page = streams.get_records(ShardIterator=page["NextShardIterator"])
    assert len(page["Records"]) == 3
    assert streams.get_records(ShardIterator=page["NextShardIterator"])["Records"] == []
    at = streams.get_records(ShardIterator=iterator(streams, arn, "AT_SEQUENCE_NUMBER", SequenceNumber=second))
    past = streams.get_records(ShardIterator=iterator(streams, arn, "AFTER_SEQUENCE_NUMBER", SequenceNumber=second))
    assert (len(at["Records"]), len(past["Records"])) == (4, 3)
    assert streams.get_records(ShardIterator=iterator(streams, arn, "LATEST"))["Records"] == []
    assert [s["StreamArn"] for s in streams.list_streams(TableName=table)["Streams"]] == [arn]


def test_an_iterator_grants_nothing(cloud: Any, database: Any, streams: Any) -> None:
    _, arn = make(database, "KEYS_ONLY")
    stranger = cloud.create_account().client("dynamodbstreams")
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.get_records(ShardIterator=iterator(streams, arn, "TRIM_HORIZON"))
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.describe_stream(StreamArn=arn)
    for forged in ("nonsense", f"{arn}|1|!!!!", f"{arn}|1|WyIxIl0="):
        with pytest.raises(ClientError, match="Invalid ShardIterator"):
            streams.get_records(ShardIterator=forged)


def test_the_faults_of_iterators(streams: Any, database: Any) -> None:
    _, arn = make(database, "KEYS_ONLY")
    with pytest.raises(ClientError, match="TrimmedDataAccessException"):
        iterator(streams, arn, "AT_SEQUENCE_NUMBER", SequenceNumber="100000000000000000001")
    with pytest.raises(ClientError, match="SequenceNumber must be specified"):
        iterator(streams, arn, "AT_SEQUENCE_NUMBER")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        streams.describe_stream(StreamArn=arn + "0")
