# ruff: noqa: E501 - DynamoDB's messages stand in one line, as it writes them
from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


def failure(call: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_an_item_comes_back_as_it_was_put(database: Any, sorted_table: str) -> None:
    item: dict[str, Any] = {
        "p": {"S": "päth \u2028"}, "c": {"N": "-1.5"}, "b": {"B": b"\0\xff"}, "bs": {"BS": [b"a", b"b"]},
        "ns": {"NS": ["3", "1"]}, "empty": {"S": ""}, "none": {"NULL": True}, "yes": {"BOOL": True},
        "deep": {"M": {"l": {"L": [{"N": "12345678901234567890123456789012345678"}, {"M": {}}]}}},
    }  # fmt: skip
    database.put_item(TableName=sorted_table, Item=item)
    key = {"p": item["p"], "c": {"N": "-1.50"}}
    found = database.get_item(TableName=sorted_table, Key=key, ConsistentRead=True)["Item"]
    assert {k: v for k, v in found.items() if k not in ("ns", "bs")} == {
        k: v for k, v in item.items() if k not in ("ns", "bs")
    }
    assert set(found["ns"]["NS"]) == {"1", "3"} and set(found["bs"]["BS"]) == {b"a", b"b"}
    projected = database.get_item(
        TableName=sorted_table, Key=key, ProjectionExpression="deep.l[0], #y", ExpressionAttributeNames={"#y": "yes"}
    )["Item"]
    assert projected == {"deep": {"M": {"l": {"L": [item["deep"]["M"]["l"]["L"][0]]}}}, "yes": {"BOOL": True}}
    database.delete_item(TableName=sorted_table, Key=key)
    assert "Item" not in database.get_item(TableName=sorted_table, Key=key)


def test_return_values(database: Any, table: str) -> None:
    key = {"p": {"S": "a"}}
    put = database.put_item(TableName=table, Item={**key, "n": {"N": "1"}}, ReturnValues="ALL_OLD")
    assert "Attributes" not in put

    def update(returned: str) -> Any:
        return database.update_item(
            TableName=table,
            Key=key,
            UpdateExpression="SET n = n + :one, m.x = :one" if returned == "ALL_NEW" else "SET n = n + :one, #m = :map",
            ExpressionAttributeValues={":one": {"N": "1"}, **({} if returned == "ALL_NEW" else {":map": {"M": {}}})},
            ReturnValues=returned,
            **({} if returned == "ALL_NEW" else {"ExpressionAttributeNames": {"#m": "m"}}),
        ).get("Attributes")

    assert update("NONE") is None
    assert update("UPDATED_OLD") == {"n": {"N": "2"}, "m": {"M": {}}}
    assert update("UPDATED_NEW") == {"n": {"N": "4"}, "m": {"M": {}}}
    assert update("ALL_OLD") == {**key, "n": {"N": "4"}, "m": {"M": {}}}
    assert update("ALL_NEW") == {**key, "n": {"N": "6"}, "m": {"M": {"x": {"N": "1"}}}}
    old = database.delete_item(TableName=table, Key=key, ReturnValues="ALL_OLD")["Attributes"]
    assert old["n"] == {"N": "6"}


def test_a_failed_condition_shows_the_item_on_request(database: Any, table: str) -> None:
    item = {"p": {"S": "a"}, "n": {"N": "1"}}
    database.put_item(TableName=table, Item=item)
    with pytest.raises(ClientError) as caught:
        database.put_item(
            TableName=table,
            Item={"p": {"S": "a"}},
            ConditionExpression="attribute_not_exists(p)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert caught.value.response["Error"]["Message"] == "The conditional request failed"
    assert caught.value.response["Item"] == item
    assert database.get_item(TableName=table, Key={"p": {"S": "a"}})["Item"] == item


def test_legacy_parameters(database: Any, table: str) -> None:
    key = {"p": {"S": "a"}}
    database.update_item(
        TableName=table,
        Key=key,
        AttributeUpdates={"n": {"Action": "ADD", "Value": {"N": "2"}}, "s": {"Value": {"SS": ["x", "y"]}}},
    )
    database.update_item(
        TableName=table,
        Key=key,
        AttributeUpdates={"s": {"Action": "DELETE", "Value": {"SS": ["x"]}}},
        Expected={"n": {"ComparisonOperator": "GE", "AttributeValueList": [{"N": "2"}]}},
    )
    assert database.get_item(TableName=table, Key=key, AttributesToGet=["s", "n"])["Item"] == {
        "n": {"N": "2"}, "s": {"SS": ["y"]}
    }  # fmt: skip
    code, _ = failure(lambda: database.delete_item(TableName=table, Key=key, Expected={"n": {"Exists": False}}))
    assert code == "ConditionalCheckFailedException"


def test_removing_from_no_item_makes_none(database: Any, table: str) -> None:
    database.update_item(TableName=table, Key={"p": {"S": "a"}}, UpdateExpression="REMOVE x")
    assert "Item" not in database.get_item(TableName=table, Key={"p": {"S": "a"}})
    database.update_item(TableName=table, Key={"p": {"S": "a"}})
    assert database.get_item(TableName=table, Key={"p": {"S": "a"}})["Item"] == {"p": {"S": "a"}}


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        ("put_item", {"Item": {"x": {"S": "a"}}}, "One or more parameter values were invalid: Missing the key p in the item"),
        ("put_item", {"Item": {"p": {"N": "1"}}}, "One or more parameter values were invalid: Type mismatch for key p expected: S actual: N"),
        ("put_item", {"Item": {"p": {"S": ""}}}, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: p"),
        ("put_item", {"Item": {"p": {"S": "x" * 2049}}}, "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        ("put_item", {"Item": {"p": {"S": "a"}, "x": {"S": "y" * 410_000}}}, "Item size has exceeded the maximum allowed size"),
        ("put_item", {"Item": {"p": {"S": "a"}}, "ReturnValues": "ALL_NEW"}, "1 validation error detected: ReturnValues can only be ALL_OLD or NONE"),
        ("get_item", {"Key": {"q": {"S": "a"}}}, "The provided key element does not match the schema"),
        ("get_item", {"Key": {"p": {"S": "a"}}, "AttributesToGet": ["a"], "ProjectionExpression": "a"}, "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"),
        ("update_item", {"Key": {"p": {"S": "a"}}, "UpdateExpression": "SET p = :v", "ExpressionAttributeValues": {":v": {"S": "b"}}}, "One or more parameter values were invalid: Cannot update attribute p. This attribute is part of the key"),
        ("update_item", {"Key": {"p": {"S": "a"}}, "ExpressionAttributeValues": {":v": {"S": "b"}}}, "1 validation error detected: ExpressionAttributeValues can only be specified when using expressions"),
        ("put_item", {"Item": {"p": {"S": "a"}, "x": {"SS": []}}}, "1 validation error detected: One or more parameter values were invalid: An string set  may not be empty"),
        ("put_item", {"Item": {"p": {"S": "a"}, "x": {"SS": ["y", "y"]}}}, '1 validation error detected: One or more parameter values were invalid: Input collection ["y", "y"] contains duplicates.'),
        ("update_item", {"Key": {"p": {"S": "a"}}, "UpdateExpression": "SET x = :v", "ExpressionAttributeValues": {":v": {"NS": []}}}, "1 validation error detected: One or more parameter values were invalid: An number set  may not be empty"),
        ("delete_item", {"Key": {"p": {"S": "a"}}, "ConditionExpression": "p = :v", "ExpressionAttributeValues": {":v": {"S": "a"}}, "ExpressionAttributeNames": {"#n": "n"}}, "1 validation error detected: Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}"),
        ("update_item", {"Key": {"p": {"S": "a"}}, "UpdateExpression": "SET x = " + "a" * 4096}, "1 validation error detected: Invalid UpdateExpression: Expression size has exceeded the maximum allowed size; expression size: 4104"),
        ("get_item", {"Key": {"p": {"S": "a"}}, "ProjectionExpression": "!!!"}, 'Invalid ProjectionExpression: Syntax error; token: "!", near: "!!"'),
        ("put_item", {"TableName": "x" * 256, "Item": {}}, f"1 validation error detected: Value '{'x' * 256}' at 'tableName' failed to satisfy constraint: Member must have length less than or equal to 255"),
        ("delete_item", {"TableName": "xy", "Key": {}}, "TableName must be at least 3 characters long and at most 255 characters long"),
        ("delete_item", {"TableName": "x!", "Key": {}}, "1 validation error detected: Value 'x!' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
    ],
)  # fmt: skip
def test_faults_have_dynamodb_s_words(
    database: Any, table: str, operation: str, request_: dict[str, Any], message: str
) -> None:
    assert failure(lambda: getattr(database, operation)(**{"TableName": table, **request_})) == (
        "ValidationException",
        message,
    )


def test_capacity_is_exact(database: Any, make_table: Any) -> None:
    table = make_table(indexes={"all": "g:S", "keys": "g:S|KEYS_ONLY"})
    big = {"p": {"S": "a"}, "g": {"S": "g"}, "x": {"S": "y" * 5000}}
    put = database.put_item(TableName=table, Item=big, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert put["Table"] == {"CapacityUnits": 5.0}
    assert put["GlobalSecondaryIndexes"] == {"all": {"CapacityUnits": 5.0}, "keys": {"CapacityUnits": 1.0}}
    assert put["CapacityUnits"] == 11.0
    get = database.get_item(TableName=table, Key={"p": {"S": "a"}}, ReturnConsumedCapacity="TOTAL")
    assert get["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": 1.0}
    get = database.get_item(TableName=table, Key={"p": {"S": "a"}}, ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
    assert get["ConsumedCapacity"]["CapacityUnits"] == 2.0


def test_item_collection_metrics(database: Any, make_table: Any) -> None:
    table = make_table("p:S c:N", local_indexes={"by-x": "p:S x:S"})
    answer = database.put_item(
        TableName=table,
        Item={"p": {"S": "a"}, "c": {"N": "1"}, "x": {"S": "x"}},
        ReturnItemCollectionMetrics="SIZE",
    )
    assert answer["ItemCollectionMetrics"] == {
        "ItemCollectionKey": {"p": {"S": "a"}},
        "SizeEstimateRangeGB": [0.0, 1.0],
    }
