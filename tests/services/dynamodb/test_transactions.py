from __future__ import annotations

import secrets
from typing import Any

import pytest
from botocore.exceptions import ClientError


def put(table: str, key: str, value: int, **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": {"p": {"S": key}, "v": {"N": str(value)}}, **more}}


def test_all_or_nothing(database: Any, table: str) -> None:
    database.transact_write_items(TransactItems=[put(table, "a", 1), put(table, "b", 1)])
    key = {"p": {"S": "a"}}
    values = {":one": {"N": "1"}, ":two": {"N": "2"}}
    update = {"TableName": table, "Key": key, "UpdateExpression": "SET v = v + :one"}
    with pytest.raises(ClientError) as caught:
        database.transact_write_items(
            TransactItems=[
                {"Update": {**update, "ExpressionAttributeValues": {":one": values[":one"]}}},
                {
                    "ConditionCheck": {
                        "TableName": table,
                        "Key": {"p": {"S": "b"}},
                        "ConditionExpression": "v = :two",
                        "ExpressionAttributeValues": {":two": values[":two"]},
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
                {
                    "Delete": {
                        "TableName": table,
                        "Key": {"p": {"S": "c"}},
                        "ConditionExpression": "attribute_exists(p)",
                    }
                },
            ]
        )
    error = caught.value.response
    assert error["Error"]["Code"] == "TransactionCanceledException"
    assert error["Error"]["Message"] == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons "
        "[None, ConditionalCheckFailed, ConditionalCheckFailed]"
    )
    assert [reason["Code"] for reason in error["CancellationReasons"]] == [
        "None", "ConditionalCheckFailed", "ConditionalCheckFailed"
    ]  # fmt: skip
    assert error["CancellationReasons"][1]["Item"] == {"p": {"S": "b"}, "v": {"N": "1"}}
    assert database.get_item(TableName=table, Key=key)["Item"]["v"] == {"N": "1"}


def test_a_repeated_token_writes_once(database: Any, table: str) -> None:
    token = secrets.token_hex(8)
    update = {
        "Update": {
            "TableName": table,
            "Key": {"p": {"S": "a"}},
            "UpdateExpression": "ADD v :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
    for _ in range(3):
        database.transact_write_items(TransactItems=[update], ClientRequestToken=token)
    assert database.get_item(TableName=table, Key={"p": {"S": "a"}})["Item"]["v"] == {"N": "1"}
    with pytest.raises(ClientError, match="IdempotentParameterMismatchException"):
        database.transact_write_items(TransactItems=[put(table, "b", 1)], ClientRequestToken=token)


def test_reads_are_of_one_moment_and_cost_double(database: Any, table: str) -> None:
    database.transact_write_items(TransactItems=[put(table, "a", 1), put(table, "b", 2)])
    gets = [{"Get": {"TableName": table, "Key": {"p": {"S": key}}}} for key in ("a", "b", "c")]
    answer = database.transact_get_items(TransactItems=gets, ReturnConsumedCapacity="TOTAL")
    assert [r.get("Item", {}).get("v") for r in answer["Responses"]] == [{"N": "1"}, {"N": "2"}, None]
    assert answer["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 6.0, "ReadCapacityUnits": 6.0}]


def test_one_item_once(database: Any, table: str) -> None:
    with pytest.raises(ClientError, match="Transaction request cannot include multiple operations on one item"):
        database.transact_write_items(TransactItems=[put(table, "a", 1), put(table, "a", 2)])


def test_an_empty_key_is_a_fault_of_the_request(database: Any, table: str) -> None:
    """Unlike one of another type, which cancels its action."""
    for key, code in (({"S": ""}, "ValidationException"), ({"N": "1"}, "TransactionCanceledException")):
        with pytest.raises(ClientError) as caught:
            database.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": {"p": key}}}])
        assert caught.value.response["Error"]["Code"] == code


def test_only_the_tables_part_of_a_transaction_costs_double(database: Any, make_table: Any) -> None:
    name = make_table(indexes={"by-g": "g:S"})
    item = {"p": {"S": "a"}, "g": {"S": "g"}}
    made = database.transact_write_items(
        TransactItems=[{"Put": {"TableName": name, "Item": item}}], ReturnConsumedCapacity="INDEXES"
    )
    consumed = made["ConsumedCapacity"][0]
    assert (consumed["CapacityUnits"], consumed["Table"]["CapacityUnits"]) == (3.0, 2.0)
    assert consumed["GlobalSecondaryIndexes"]["by-g"]["CapacityUnits"] == 1.0
