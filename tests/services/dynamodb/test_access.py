# ruff: noqa: E501, S608 - one request a line reads better; statements are not SQL
"""Fine-grained access, in every way that leads to an item."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

ITEM = {"p": {"S": "mine"}, "open": {"S": "o"}, "secret": {"S": "s"}}


@pytest.fixture(scope="module")
def table(database: Any) -> Any:
    name = f"table-{secrets.token_hex(6)}"
    database.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for key in ("mine", "theirs"):
        database.put_item(TableName=name, Item={**ITEM, "p": {"S": key}})
    yield name
    database.delete_table(TableName=name)


@pytest.fixture(scope="module")
def limited(owner: Any, table: str) -> Any:
    """A user who may touch items of the partition key `mine` only."""
    return user(owner, table, {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}})


def user(owner: Any, table: str, condition: dict[str, Any]) -> Any:
    iam = owner.client("iam")
    name = f"user-{secrets.token_hex(6)}"
    iam.create_user(UserName=name)
    statement = {
        "Effect": "Allow",
        "Action": "dynamodb:*",
        "Resource": f"arn:aws:dynamodb:*:*:table/{table}",
        "Condition": {
            **condition,
            "Null": {"dynamodb:LeadingKeys": "false"} if "LeadingKeys" in str(condition) else {},
        },
    }
    statement["Condition"] = {key: value for key, value in statement["Condition"].items() if value}  # type: ignore[attr-defined]
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return type(owner)(owner.endpoint, owner.id, key["AccessKeyId"], key["SecretAccessKey"]).client("dynamodb")


def calls(table: str, key: str) -> dict[str, tuple[str, dict[str, Any]]]:
    where = {"p": {"S": key}}
    return {
        "get": ("get_item", {"TableName": table, "Key": where}),
        "put": ("put_item", {"TableName": table, "Item": {**ITEM, **where}}),
        "update": ("update_item", {"TableName": table, "Key": where}),
        "delete": ("delete_item", {"TableName": table, "Key": {"p": {"S": key}}, "ConditionExpression": "attribute_exists(p)"}),
        "query": ("query", {"TableName": table, "KeyConditionExpression": "#p = :p", "ExpressionAttributeNames": {"#p": "p"}, "ExpressionAttributeValues": {":p": where["p"]}}),
        "legacy query": ("query", {"TableName": table, "KeyConditions": {"p": {"ComparisonOperator": "EQ", "AttributeValueList": [where["p"]]}}}),
        "batch get": ("batch_get_item", {"RequestItems": {table: {"Keys": [where]}}}),
        "batch write": ("batch_write_item", {"RequestItems": {table: [{"PutRequest": {"Item": {**ITEM, **where}}}]}}),
        "transact get": ("transact_get_items", {"TransactItems": [{"Get": {"TableName": table, "Key": where}}]}),
        "transact write": ("transact_write_items", {"TransactItems": [{"Put": {"TableName": table, "Item": {**ITEM, **where}}}]}),
        "select": ("execute_statement", {"Statement": f"SELECT * FROM \"{table}\" WHERE p = '{key}'"}),
        "select by parameter": ("execute_statement", {"Statement": f'SELECT * FROM "{table}" WHERE p = ?', "Parameters": [where["p"]]}),
        "update statement": ("execute_statement", {"Statement": f"UPDATE \"{table}\" SET x = 1 WHERE p = '{key}'"}),
        "batch of statements": ("batch_execute_statement", {"Statements": [{"Statement": f"SELECT * FROM \"{table}\" WHERE p = '{key}'"}]}),
        "transaction of statements": ("execute_transaction", {"TransactStatements": [{"Statement": f"SELECT * FROM \"{table}\" WHERE p = '{key}'"}]}),
    }  # fmt: skip


WAYS = [way for way in calls("t", "k") if way != "delete"]


@pytest.mark.parametrize("way", WAYS)
def test_leading_keys_bound_every_way_to_an_item(limited: Any, table: str, way: str) -> None:
    operation, request = calls(table, "mine")[way]
    getattr(limited, operation)(**request)
    operation, request = calls(table, "theirs")[way]
    with pytest.raises(ClientError) as caught:
        getattr(limited, operation)(**request)
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_scan_names_no_leading_key(limited: Any, table: str) -> None:
    scans: tuple[Callable[[], Any], ...] = (
        lambda: limited.scan(TableName=table),
        lambda: limited.execute_statement(Statement=f'SELECT * FROM "{table}"'),
        lambda: limited.execute_statement(Statement=f"SELECT * FROM \"{table}\" WHERE p = 'mine' OR p = 'theirs'"),
    )
    for call in scans:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def test_one_foreign_key_in_a_batch_denies_it(limited: Any, table: str) -> None:
    keys = [{"p": {"S": "mine"}}, {"p": {"S": "theirs"}}]
    with pytest.raises(ClientError, match="AccessDenied"):
        limited.batch_get_item(RequestItems={table: {"Keys": keys}})


@pytest.fixture(scope="module")
def reader(owner: Any, table: str) -> Any:
    """A user who may see only some attributes."""
    condition = {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["p", "open"]},
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES", "dynamodb:ReturnValues": ["NONE", "UPDATED_NEW"]},
    }  # fmt: skip
    return user(owner, table, condition)


def test_attributes_bound_what_is_named(reader: Any, table: str) -> None:
    key = {"p": {"S": "mine"}}
    assert "open" in reader.get_item(TableName=table, Key=key, ProjectionExpression="#o", ExpressionAttributeNames={"#o": "open"})["Item"]  # fmt: skip
    refused: list[tuple[str, dict[str, Any]]] = [
        ("get_item", {"Key": key}),
        ("get_item", {"Key": key, "ProjectionExpression": "secret"}),
        ("get_item", {"Key": key, "ProjectionExpression": "#x", "ExpressionAttributeNames": {"#x": "secret"}}),
        ("get_item", {"Key": key, "AttributesToGet": ["secret"]}),
        ("put_item", {"Item": {**key, "secret": {"S": "x"}}}),
        ("update_item", {"Key": key, "UpdateExpression": "REMOVE secret"}),
        ("update_item", {"Key": key, "UpdateExpression": "SET #o = secret", "ExpressionAttributeNames": {"#o": "open"}}),
        ("update_item", {"Key": key, "AttributeUpdates": {"secret": {"Action": "DELETE"}}}),
        ("delete_item", {"Key": key, "ConditionExpression": "secret > :x", "ExpressionAttributeValues": {":x": {"S": "a"}}}),
        ("scan", {"FilterExpression": "secret > :x", "ProjectionExpression": "p", "ExpressionAttributeValues": {":x": {"S": "a"}}}),
        ("scan", {}),
        ("delete_item", {"Key": key, "ReturnValues": "ALL_OLD"}),
        ("put_item", {"Item": key, "ConditionExpression": "attribute_not_exists(p)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}),
    ]  # fmt: skip
    for operation, request in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(reader, operation)(TableName=table, **request)
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.batch_get_item(RequestItems={table: {"Keys": [key]}})
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": key}}])
    for statement in (
        f"SELECT * FROM \"{table}\" WHERE p = 'mine'",
        f"SELECT secret FROM \"{table}\" WHERE p = 'mine'",
        f"UPDATE \"{table}\" REMOVE secret WHERE p = 'mine'",
        f"UPDATE \"{table}\" SET open = 'x' WHERE p = 'mine' RETURNING ALL OLD *",
        f"DELETE FROM \"{table}\" WHERE p = 'mine' RETURNING ALL OLD *",
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            reader.execute_statement(Statement=statement)


def test_a_resource_policy_opens_a_table_to_another_account(cloud: Any, database: Any, owner: Any, table: str) -> None:
    guest = cloud.create_account()
    arn = f"arn:aws:dynamodb:us-east-1:{owner.id}:table/{table}"
    visitor = guest.client("dynamodb")
    with pytest.raises(ClientError, match="AccessDenied"):
        visitor.get_item(TableName=arn, Key={"p": {"S": "mine"}})
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{guest.id}:root"},
                "Action": "dynamodb:GetItem",
                "Resource": arn,
            }
        ],
    }
    revision = database.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy))["RevisionId"]
    again = database.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy))["RevisionId"]
    assert again == revision, "the same policy is no change"
    with pytest.raises(ClientError, match=f"revision id 1, but the policy .* {table} has revision id {revision}[.]"):
        database.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy), ExpectedRevisionId="1")
    with pytest.raises(ClientError, match=f"expecting none .* {table}, but a policy exists .* {revision}[.]"):
        database.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy), ExpectedRevisionId="NO_POLICY")
    assert database.get_resource_policy(ResourceArn=arn)["RevisionId"] == revision
    assert visitor.get_item(TableName=arn, Key={"p": {"S": "mine"}})["Item"]["p"] == {"S": "mine"}
    with pytest.raises(ClientError, match="AccessDenied"):
        visitor.scan(TableName=arn)
    database.delete_resource_policy(ResourceArn=arn)
    with pytest.raises(ClientError, match="AccessDenied"):
        visitor.get_item(TableName=arn, Key={"p": {"S": "mine"}})


def test_tags_of_tables_and_of_requests_are_condition_keys(owner: Any, database: Any, table: str) -> None:
    arn = f"arn:aws:dynamodb:us-east-1:{owner.id}:table/{table}"
    key = {"p": {"S": "mine"}}
    tagged = user(owner, table, {"StringEquals": {"aws:ResourceTag/Team": "blue"}})
    with pytest.raises(ClientError, match="AccessDenied"):
        tagged.get_item(TableName=table, Key=key)
    database.tag_resource(ResourceArn=arn, Tags=[{"Key": "Team", "Value": "blue"}])
    assert tagged.get_item(TableName=table, Key=key)["Item"]["p"] == key["p"]
    tagging = user(owner, table, {"StringEquals": {"aws:RequestTag/Team": "blue"}})
    tagging.tag_resource(ResourceArn=arn, Tags=[{"Key": "Team", "Value": "blue"}])
    with pytest.raises(ClientError, match="AccessDenied"):
        tagging.tag_resource(ResourceArn=arn, Tags=[{"Key": "Team", "Value": "red"}])
