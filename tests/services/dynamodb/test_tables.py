# ruff: noqa: E501 - DynamoDB's messages stand in one line, as it writes them
from __future__ import annotations

import secrets
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError


def unique() -> str:
    return f"table-{secrets.token_hex(6)}"


def create(name: str, **options: Any) -> dict[str, Any]:
    return {
        "TableName": name,
        "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        **options,
    }


def until(condition: Any) -> Any:
    for _ in range(200):
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_the_life_of_a_table(database: Any, owner: Any) -> None:
    name = unique()
    made = database.create_table(**create(name, Tags=[{"Key": "k", "Value": "v"}]))["TableDescription"]
    assert made["TableStatus"] == "CREATING"
    arn = f"arn:aws:dynamodb:us-east-1:{owner.id}:table/{name}"
    assert made["TableArn"] == arn
    database.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 3})
    assert name in database.list_tables()["TableNames"]
    assert database.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    database.put_item(TableName=arn, Item={"p": {"S": "a"}})
    shape = database.describe_table(TableName=name)["Table"]
    assert (shape["ItemCount"], shape["TableSizeBytes"]) == (1, 2)
    with pytest.raises(ClientError, match=f"Table already exists: {name}"):
        database.create_table(**create(name))
    database.update_table(TableName=name, DeletionProtectionEnabled=True)
    with pytest.raises(ClientError, match="protected against deletion"):
        database.delete_table(TableName=name)
    database.update_table(TableName=name, DeletionProtectionEnabled=False)
    assert database.delete_table(TableName=name)["TableDescription"]["TableStatus"] == "DELETING"
    with pytest.raises(ClientError, match=f"Requested resource not found: Table: {name} not found"):
        database.describe_table(TableName=name)
    database.create_table(**create(name))
    assert database.scan(TableName=name)["Items"] == []
    database.delete_table(TableName=name)


def test_lists_are_paged(cloud: Any) -> None:
    database = cloud.create_account().client("dynamodb")
    names = sorted(unique() for _ in range(3))
    for name in names:
        database.create_table(**create(name))
    first = database.list_tables(Limit=2)
    assert first["TableNames"] == names[:2]
    rest = database.list_tables(ExclusiveStartTableName=first["LastEvaluatedTableName"])
    assert rest["TableNames"] == names[2:]
    assert "LastEvaluatedTableName" not in rest


def test_an_index_is_filled_with_what_was_there(database: Any, table: str) -> None:
    for i in range(30):
        item = {"p": {"S": str(i)}, "g": {"S": "even" if i % 2 == 0 else "odd"}}
        if i == 7:
            item["g"] = {"N": "7"}
        database.put_item(TableName=table, Item=item)
    database.update_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by-g",
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            }
        ],
    )

    def status() -> Any:
        return database.describe_table(TableName=table)["Table"].get("GlobalSecondaryIndexes", [{}])[0]

    until(lambda: status().get("IndexStatus") == "ACTIVE")
    odd = database.query(
        TableName=table,
        IndexName="by-g",
        KeyConditionExpression="g = :g",
        ExpressionAttributeValues={":g": {"S": "odd"}},
    )
    assert odd["Count"] == 14
    database.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}])
    with pytest.raises(ClientError, match="does not have the specified index"):
        database.scan(TableName=table, IndexName="by-g")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"BillingMode": "PROVISIONED"}, "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"),
        ({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}, "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
        ({"KeySchema": [{"AttributeName": "x", "KeyType": "HASH"}]}, "One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [x], AttributeDefinitions: [p]"),
        ({"KeySchema": [{"AttributeName": "p", "KeyType": "RANGE"}]}, "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
        ({"GlobalSecondaryIndexes": []}, "One or more parameter values were invalid: List of GlobalSecondaryIndexes is empty"),
        ({"WarmThroughput": {"ReadUnitsPerSecond": 12_000, "WriteUnitsPerSecond": 3_000}}, "One or more parameter values were invalid: Requested WriteUnitsPerSecond for WarmThroughput for table is lower than initial throughput for OnDemand"),
        ({"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "NEW_IMAGE"}}, "One or more parameter values were invalid: Table is being created with a stream disabled, UpdateViewType should not be specified"),
        ({"TableName": "ab"}, "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3"),
    ],
)  # fmt: skip
def test_faults_have_dynamodb_s_words(database: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as caught:
        database.create_table(**{**create(unique()), **changes})
    assert caught.value.response["Error"]["Message"] == message


def test_an_encryption_key_is_refused_not_ignored(database: Any) -> None:
    with pytest.raises(ClientError) as caught:
        database.create_table(**create(unique(), SSESpecification={"Enabled": True, "SSEType": "KMS"}))
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
    assert "Leave it out or say Enabled false" in caught.value.response["Error"]["Message"], "what to do instead"
    name = unique()
    database.create_table(**create(name, SSESpecification={"Enabled": False}))
    assert "SSEDescription" not in database.describe_table(TableName=name)["Table"]
    database.delete_table(TableName=name)


def test_time_to_live_deletes_what_has_expired(database: Any, owner: Any, make_table: Any) -> None:
    table = make_table(StreamSpecification={"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"})
    now = int(time.time())
    database.put_item(TableName=table, Item={"p": {"S": "before"}, "t": {"N": str(now - 10)}})
    database.update_time_to_live(TableName=table, TimeToLiveSpecification={"AttributeName": "t", "Enabled": True})
    described = database.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "t"}
    database.put_item(TableName=table, Item={"p": {"S": "after"}, "t": {"N": str(now - 10)}})
    database.put_item(TableName=table, Item={"p": {"S": "later"}, "t": {"N": str(now + 1000)}})
    database.put_item(TableName=table, Item={"p": {"S": "ancient"}, "t": {"N": "5"}})
    database.put_item(TableName=table, Item={"p": {"S": "text"}, "t": {"S": str(now - 10)}})
    until(lambda: database.scan(TableName=table)["Count"] == 3)
    streams = owner.client("dynamodbstreams")
    arn = database.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    removed = [record for record in records if record["eventName"] == "REMOVE"]
    assert {record["dynamodb"]["Keys"]["p"]["S"] for record in removed} == {"before", "after"}
    assert removed[0]["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}


def test_backups_and_points_in_time(database: Any, table: str) -> None:
    for i in range(20):
        database.put_item(TableName=table, Item={"p": {"S": str(i)}, "v": {"N": "1"}})
    database.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    recovery = database.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    moment = recovery["PointInTimeRecoveryDescription"]["LatestRestorableDateTime"]
    time.sleep(0.01)
    backup = database.create_backup(TableName=table, BackupName="backup")["BackupDetails"]["BackupArn"]
    database.put_item(TableName=table, Item={"p": {"S": "1"}, "v": {"N": "2"}})
    database.delete_item(TableName=table, Key={"p": {"S": "2"}})
    database.put_item(TableName=table, Item={"p": {"S": "new"}, "v": {"N": "1"}})

    def status() -> str:
        description = database.describe_backup(BackupArn=backup)["BackupDescription"]
        return str(description["BackupDetails"]["BackupStatus"])

    until(lambda: status() == "AVAILABLE")
    targets = [unique(), unique()]
    database.restore_table_to_point_in_time(SourceTableName=table, TargetTableName=targets[0], RestoreDateTime=moment)
    database.restore_table_from_backup(TargetTableName=targets[1], BackupArn=backup)
    for target in targets:
        until(lambda target=target: database.describe_table(TableName=target)["Table"]["TableStatus"] == "ACTIVE")
        items = database.scan(TableName=target)["Items"]
        assert {item["p"]["S"]: item["v"]["N"] for item in items} == {str(i): "1" for i in range(20)}
        database.delete_table(TableName=target)
    assert database.list_backups(TableName=table)["BackupSummaries"][0]["BackupArn"] == backup
    database.delete_backup(BackupArn=backup)
    with pytest.raises(ClientError, match="BackupNotFoundException"):
        database.describe_backup(BackupArn=backup)


def test_a_table_is_warm_for_what_it_is_provisioned_with(database: Any) -> None:
    name = unique()
    request = create(
        name, BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
    )
    assert "WarmThroughput" not in database.create_table(**request)["TableDescription"]
    described = database.describe_table(TableName=name)["Table"]["WarmThroughput"]
    assert described == {"ReadUnitsPerSecond": 5, "WriteUnitsPerSecond": 6, "Status": "ACTIVE"}
    database.delete_table(TableName=name)
    warm = {"ReadUnitsPerSecond": 1000, "WriteUnitsPerSecond": 1200}
    made = database.create_table(**request, WarmThroughput=warm)["TableDescription"]["WarmThroughput"]
    assert made == {**warm, "Status": "UPDATING"}
    assert database.describe_table(TableName=name)["Table"]["WarmThroughput"] == {**warm, "Status": "ACTIVE"}
    assert database.describe_contributor_insights(TableName=name)["ContributorInsightsStatus"] == "DISABLED"
    database.delete_table(TableName=name)


@pytest.mark.parametrize(
    ("operation", "request_", "what"),
    [
        ("update_table", {"ReplicaUpdates": [{"Create": {"RegionName": "eu-west-1"}}]}, "Pileus does not implement ReplicaUpdates"),
        ("create_global_table", {"GlobalTableName": "table", "ReplicationGroup": [{"RegionName": "us-east-1"}]}, "the operation CreateGlobalTable of dynamodb"),
        ("update_contributor_insights", {"ContributorInsightsAction": "ENABLE"}, "the operation UpdateContributorInsights of dynamodb"),
        ("enable_kinesis_streaming_destination", {"StreamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}, "the operation EnableKinesisStreamingDestination of dynamodb"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_by_name(
    database: Any, table: str, operation: str, request_: dict[str, Any], what: str
) -> None:
    named = request_ if "GlobalTableName" in request_ else {"TableName": table, **request_}
    with pytest.raises(ClientError, match=what) as caught:
        getattr(database, operation)(**named)
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
