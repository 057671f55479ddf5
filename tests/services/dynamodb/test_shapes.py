# ruff: noqa: E501 - one operation a line reads better
"""Whatever is sent, the answer is DynamoDB's or a refusal in its words, never an internal error."""

from __future__ import annotations

import json
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

OPERATIONS = {
    "GetItem": ["Key", "AttributesToGet", "ProjectionExpression", "ExpressionAttributeNames", "ConsistentRead"],
    "PutItem": ["Item", "Expected", "ConditionExpression", "ExpressionAttributeValues", "ReturnValues", "ConditionalOperator"],
    "UpdateItem": ["Key", "AttributeUpdates", "UpdateExpression", "ConditionExpression", "ExpressionAttributeValues", "ExpressionAttributeNames"],
    "DeleteItem": ["Key", "Expected", "ConditionExpression", "ReturnValues"],
    "Query": ["KeyConditions", "KeyConditionExpression", "FilterExpression", "ExpressionAttributeValues", "ExclusiveStartKey", "IndexName", "Select", "Limit"],
    "Scan": ["ScanFilter", "FilterExpression", "ExpressionAttributeValues", "ExclusiveStartKey", "Segment", "TotalSegments"],
    "BatchGetItem": ["RequestItems"],
    "BatchWriteItem": ["RequestItems"],
    "TransactWriteItems": ["TransactItems", "ClientRequestToken"],
    "TransactGetItems": ["TransactItems"],
    "ExecuteStatement": ["Statement", "Parameters", "NextToken", "Limit"],
    "BatchExecuteStatement": ["Statements"],
    "CreateTable": ["KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "LocalSecondaryIndexes", "BillingMode", "ProvisionedThroughput"],
    "UpdateTable": ["GlobalSecondaryIndexUpdates", "AttributeDefinitions", "StreamSpecification", "BillingMode"],
    "UpdateTimeToLive": ["TimeToLiveSpecification"],
    "TagResource": ["ResourceArn", "Tags"],
}  # fmt: skip
WORDS = (
    "p", "c", "S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL", "a", ":v", "#n", "Value", "Exists", "Keys", "Item", "Key",
    "PutRequest", "DeleteRequest", "Put", "Get", "Update", "Delete", "Create", "ConditionCheck", "TableName", "shapes-table",
    "ComparisonOperator", "AttributeValueList", "EQ", "BETWEEN", "IndexName", "KeySchema", "AttributeName", "KeyType", "HASH",
    "RANGE", "Projection", "ProjectionType", "ALL", "Action", "ADD", "Statement", "SELECT * FROM \"shapes-table\" WHERE p = ?",
    "p = :v", "SET a = :v", "a[99999999999]", "1", "-1e999", "YQ==", "", "é\0", "UpdateExpression", "ConditionExpression",
)  # fmt: skip
json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(WORDS)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)),
    max_leaves=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def send(database: Any, owner: Any) -> Any:
    database.create_table(
        TableName="shapes-table",
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    pool = urllib3.PoolManager()
    signer = SigV4Auth(Credentials(owner.access_key_id, owner.secret_access_key), "dynamodb", "us-east-1")

    def post(operation: str, body: bytes) -> tuple[int, dict[str, Any]]:
        headers = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        request = AWSRequest("POST", owner.endpoint + "/", data=body, headers=headers)
        signer.add_auth(request)
        answer = pool.request("POST", owner.endpoint + "/", body=body, headers=dict(request.headers))
        return answer.status, json.loads(answer.data or b"{}")

    return post


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_request_is_answered_by_an_internal_error(send: Any, data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(sorted(OPERATIONS)))
    members = data.draw(st.sets(st.sampled_from(OPERATIONS[operation])))
    request = {member: data.draw(json_values) for member in sorted(members)}
    if operation in (
        "GetItem",
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "Query",
        "Scan",
        "UpdateTable",
        "UpdateTimeToLive",
    ):
        request["TableName"] = "shapes-table"
    if data.draw(st.booleans()):
        key = {"p": {"S": "a"}}
        request.update({member: key for member in ("Key", "Item") if member in OPERATIONS[operation]})
    status, answer = send(operation, json.dumps(request).encode())
    assert status in (200, 400, 501), (status, answer)
    if status == 400:
        assert answer["__type"].partition("#")[2] not in ("", "InternalFailure", "InternalServerError")


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b'{"TableName": "shapes-table", "Key": {"p": {"S": "\\ud800"}}}', b'{"a":' * 5000, b"\xff"],
)  # fmt: skip
def test_malformed_bodies(send: Any, body: bytes) -> None:
    status, answer = send("GetItem", body)
    assert status == 400
    assert answer["__type"].partition("#")[2] in ("SerializationException", "ValidationException")


def test_of_what_is_no_json_nothing_more_is_said(send: Any) -> None:
    assert send("PutItem", b"{broken json") == (400, {"__type": "com.amazon.coral.service#SerializationException"})
