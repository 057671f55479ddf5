# ruff: noqa: E501 - one fault a line reads better
"""What DynamoDB says of requests that break its model, as recorded."""

from __future__ import annotations

from typing import Any

import pytest

from pileus.aws.errors import AWSError
from pileus.gateway.protocols.checked import checked
from pileus.services.dynamodb import service

RETURN_VALUES = "Failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]"
CONSUMED = "Value 'X' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"
METRICS = "Value 'X' at 'returnItemCollectionMetrics' failed to satisfy constraint: Member must satisfy enum value set: [SIZE, NONE]"
NO_NAME = "1 validation error detected: Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1"
TOO_MANY = "failed to satisfy constraint: Member must have length less than or equal to 100"
BAD = {"ReturnValues": "X", "ReturnConsumedCapacity": "X", "ReturnItemCollectionMetrics": "X"}
KEYS = [{"p": {"S": str(number)}} for number in range(101)]


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        ("PutItem", {"Item": {}}, "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null"),
        ("PutItem", {"TableName": "", "Item": {}, **BAD}, NO_NAME),
        ("UpdateItem", {"TableName": "", "Key": {}}, NO_NAME),
        ("PutItem", {"TableName": "table", "Item": {}, **BAD}, f"3 validation errors detected: {CONSUMED}; {RETURN_VALUES}; {METRICS}"),
        ("DeleteItem", {"TableName": "table", "Key": {}, "ReturnValues": "X", "ReturnConsumedCapacity": "X"}, f"2 validation errors detected: {CONSUMED}; {RETURN_VALUES}"),
        ("UpdateItem", {"TableName": "table", "Key": {}, **BAD}, f"1 validation error detected: {RETURN_VALUES}"),
        ("Query", {"TableName": "table", "Limit": 0}, "1 validation error detected: Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1"),
        ("Scan", {"TableName": "table", "Limit": 0}, "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"),
        ("Query", {"TableName": "table", "Select": "X"}, "1 validation error detected: Value 'X' at 'select' failed to satisfy constraint: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"),
        ("BatchGetItem", {"RequestItems": {}}, "1 validation error detected: Value at 'RequestItems' failed to satisfy constraint: Member must have length greater than or equal to 1"),
        ("BatchGetItem", {"RequestItems": {"table": {"Keys": KEYS}}}, f"1 validation error detected: Value at 'RequestItems.table.member.Keys' {TOO_MANY}"),
        ("BatchWriteItem", {"RequestItems": {}}, "The requestItems parameter is required for BatchWriteItem"),
        ("CreateTable", {"KeySchema": []}, "The parameter 'TableName' is required but was not present in the request"),
        ("CreateTable", {"TableName": "x!", "KeySchema": []}, "2 validation errors detected: Value 'x!' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value 'x!' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3"),
        ("CreateTable", {"TableName": "table", "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "X"}]}, "1 validation error detected: Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: Member must satisfy enum value set: [B, N, S]"),
    ],
)  # fmt: skip
def test_words_and_their_order(operation: str, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(AWSError) as caught:
        checked("dynamodb", operation, service.opaque)(request_)
    assert (caught.value.code, caught.value.message) == ("ValidationException", message)


@pytest.mark.parametrize(
    ("operation", "request_", "start", "end"),
    [
        ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": "table", "Key": key}} for key in KEYS]}, "Value '[", f"]' at 'transactItems' {TOO_MANY}"),
        ("BatchWriteItem", {"RequestItems": {"table": [{"DeleteRequest": {"Key": key}} for key in KEYS]}}, "Value '{table=[", "]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]"),
    ],
)  # fmt: skip
def test_what_was_sent_is_shown_within_its_brackets(
    operation: str, request_: dict[str, Any], start: str, end: str
) -> None:
    with pytest.raises(AWSError) as caught:
        checked("dynamodb", operation, service.opaque)(request_)
    message = caught.value.message
    assert message.startswith(f"1 validation error detected: {start}") and message.endswith(end)
    assert len(message) < 3000
