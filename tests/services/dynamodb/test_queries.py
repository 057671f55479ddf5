# ruff: noqa: E501 - DynamoDB's messages stand in one line, as it writes them
from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

NUMBERS = ["-1E+100", "-12.5", "-12", "-0.001", "0", "1E-130", "0.5", "3", "20", "100", "1E+100"]


@pytest.fixture(scope="module")
def numbers(database: Any) -> Any:
    """A table with one item a number, in one partition."""
    import secrets

    name = f"table-{secrets.token_hex(6)}"
    database.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": "c", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}, {"AttributeName": "c", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )  # fmt: skip
    requests = [
        {"PutRequest": {"Item": {"p": {"S": "a"}, "c": {"N": n}, "place": {"N": str(i)}}}}
        for i, n in enumerate(NUMBERS)
    ]
    database.batch_write_item(RequestItems={name: requests})
    yield name
    database.delete_table(TableName=name)


def places(answer: Any) -> list[int]:
    return [int(item["place"]["N"]) for item in answer["Items"]]


@pytest.mark.parametrize("condition", ["", "c = :x", "c < :x", "c <= :x", "c > :x", "c >= :x", "c BETWEEN :x AND :y"])
@pytest.mark.parametrize("forward", [True, False])
def test_ranges_of_numbers(database: Any, numbers: str, condition: str, forward: bool) -> None:
    tests: dict[str, Callable[[Decimal], bool]] = {
        "": lambda n: True, "c = :x": lambda n: n == 0, "c < :x": lambda n: n < 0, "c <= :x": lambda n: n <= 0,
        "c > :x": lambda n: n > 0, "c >= :x": lambda n: n >= 0, "c BETWEEN :x AND :y": lambda n: 0 <= n <= 20,
    }  # fmt: skip
    values = {":p": {"S": "a"}}
    if condition:
        values[":x"] = {"N": "0"}
    if ":y" in condition:
        values[":y"] = {"N": "20"}
    answer = database.query(
        TableName=numbers,
        KeyConditionExpression="p = :p" + (f" AND {condition}" if condition else ""),
        ExpressionAttributeValues=values,
        ScanIndexForward=forward,
    )
    wanted = [i for i, n in enumerate(NUMBERS) if tests[condition](Decimal(n))]
    assert places(answer) == (wanted if forward else wanted[::-1])


@pytest.mark.parametrize("forward", [True, False])
def test_pages_of_three(database: Any, numbers: str, forward: bool) -> None:
    found: list[int] = []
    start: dict[str, Any] = {}
    while True:
        answer = database.query(
            TableName=numbers,
            KeyConditionExpression="p = :p",
            ExpressionAttributeValues={":p": {"S": "a"}},
            ScanIndexForward=forward,
            Limit=3,
            **start,
        )
        found += places(answer)
        if "LastEvaluatedKey" not in answer:
            break
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    assert found == (list(range(11)) if forward else list(range(10, -1, -1)))


def test_filters_count_what_was_scanned(database: Any, numbers: str) -> None:
    answer = database.query(
        TableName=numbers,
        KeyConditionExpression="p = :p",
        FilterExpression="place >= :n",
        ExpressionAttributeValues={":p": {"S": "a"}, ":n": {"N": "8"}},
        Select="COUNT",
    )
    assert (answer["Count"], answer["ScannedCount"], "Items" in answer) == (3, 11, False)


def test_begins_with_stays_within_its_partition(database: Any, make_table: Any) -> None:
    table = make_table("p:S c:S")
    keys = [("a", "x"), ("a", "xy"), ("a", "xÿ"), ("a", "y"), ("a\0", "x"), ("a", "\0")]
    for p, c in keys:
        database.put_item(TableName=table, Item={"p": {"S": p}, "c": {"S": c}})
    answer = database.query(
        TableName=table,
        KeyConditionExpression="p = :p AND begins_with(c, :x)",
        ExpressionAttributeValues={":p": {"S": "a"}, ":x": {"S": "x"}},
    )
    assert [item["c"]["S"] for item in answer["Items"]] == ["x", "xy", "xÿ"]


def test_parallel_scans_meet_every_item_once(database: Any, table: str) -> None:
    wanted = {f"key-{i}" for i in range(50)}
    for first in (0, 25):
        batch = [{"PutRequest": {"Item": {"p": {"S": f"key-{i}"}}}} for i in range(first, first + 25)]
        database.batch_write_item(RequestItems={table: batch})
    found: list[str] = []
    for segment in range(3):
        start: dict[str, Any] = {}
        while True:
            page = database.scan(TableName=table, Segment=segment, TotalSegments=3, Limit=7, **start)
            found += [item["p"]["S"] for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert sorted(found) == sorted(wanted)


def test_a_page_ends_after_a_mebibyte(database: Any, sorted_table: str) -> None:
    for i in range(4):
        item = {"p": {"S": "a"}, "c": {"N": str(i)}, "x": {"S": "y" * 390_000}}
        database.put_item(TableName=sorted_table, Item=item)
    page = database.query(
        TableName=sorted_table, KeyConditionExpression="p = :p", ExpressionAttributeValues={":p": {"S": "a"}}
    )
    assert page["Count"] == 3
    assert page["LastEvaluatedKey"] == {"p": {"S": "a"}, "c": {"N": "2"}}


def test_indexes_are_sparse_and_projected(database: Any, make_table: Any) -> None:
    table = make_table("p:S c:N", indexes={"by-g": "g:S c:N|KEYS_ONLY"}, local_indexes={"by-x": "p:S x:S|KEYS_ONLY"})
    full = {"p": {"S": "a"}, "c": {"N": "1"}, "g": {"S": "g"}, "x": {"S": "x"}, "other": {"S": "o"}}
    database.put_item(TableName=table, Item=full)
    database.put_item(TableName=table, Item={"p": {"S": "a"}, "c": {"N": "2"}, "g": {"S": "g"}})

    def query(index: str, key: str, value: str, **more: Any) -> Any:
        return database.query(
            TableName=table,
            IndexName=index,
            KeyConditionExpression=f"{key} = :v",
            ExpressionAttributeValues={":v": {"S": value}},
            **more,
        )

    assert [set(item) for item in query("by-g", "g", "g")["Items"]] == [{"p", "c", "g"}, {"p", "c", "g"}]
    assert query("by-x", "p", "a")["Items"] == [{k: full[k] for k in ("p", "c", "x")}]
    assert query("by-x", "p", "a", Select="ALL_ATTRIBUTES")["Items"] == [full]
    database.update_item(
        TableName=table,
        Key={"p": full["p"], "c": full["c"]},
        UpdateExpression="REMOVE g SET x = :x",
        ExpressionAttributeValues={":x": {"S": "x2"}},
    )
    assert len(query("by-g", "g", "g")["Items"]) == 1
    assert query("by-x", "p", "a")["Items"][0]["x"] == {"S": "x2"}
    with pytest.raises(ClientError, match="Select type ALL_ATTRIBUTES is not supported for global secondary index"):
        query("by-g", "g", "g", Select="ALL_ATTRIBUTES")
    with pytest.raises(ClientError, match="Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g"):
        database.put_item(TableName=table, Item={"p": {"S": "a"}, "c": {"N": "3"}, "g": {"N": "1"}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
        ({"KeyConditionExpression": "c = :x"}, "Query condition missed key schema element: p"),
        ({"KeyConditionExpression": "p > :x"}, "Query key condition not supported"),
        ({"KeyConditionExpression": "p = :x OR c = :x"}, "Invalid operator used in KeyConditionExpression: OR"),
        ({"KeyConditionExpression": "p = :n"}, "One or more parameter values were invalid: Condition parameter type does not match schema type"),
        ({"KeyConditionExpression": "p = :x", "FilterExpression": "c = :n"}, "Filter Expression can only contain non-primary key attributes: Primary key attribute: c"),
        ({"KeyConditionExpression": "p = :x", "IndexName": "nope"}, "The table does not have the specified index: nope"),
        ({"KeyConditionExpression": "p = :x", "ExclusiveStartKey": {"p": {"S": "b"}, "c": {"N": "1"}}}, "The provided starting key is outside query boundaries based on provided conditions"),
    ],
)  # fmt: skip
def test_faults_have_dynamodb_s_words(database: Any, numbers: str, options: dict[str, Any], message: str) -> None:
    text = str(options)
    values = {name: value for name, value in {":x": {"S": "a"}, ":n": {"N": "1"}}.items() if name in text}
    if values:
        options["ExpressionAttributeValues"] = values
    with pytest.raises(ClientError) as caught:
        database.query(TableName=numbers, **options)
    assert caught.value.response["Error"]["Message"] == message


def test_keys_of_several_attributes_by_the_parameters_from_before_expressions(database: Any, make_table: Any) -> None:
    name = make_table(indexes={"index": "g:S a:S b:S"})
    for number in "123":
        item = {"p": number, "g": "g", "a": "a", "b": number}
        database.put_item(TableName=name, Item={each: {"S": text} for each, text in item.items()})

    def query(**conditions: tuple[str, str]) -> Any:
        given = {
            each: {"ComparisonOperator": operator, "AttributeValueList": [{"S": text}]}
            for each, (operator, text) in conditions.items()
        }
        return database.query(TableName=name, IndexName="index", KeyConditions=given)

    assert query(g=("EQ", "g"), a=("EQ", "a"), b=("GT", "1"))["Count"] == 2
    with pytest.raises(ClientError, match="an equality condition; attribute: a"):
        query(g=("EQ", "g"), b=("GT", "1"))


def test_an_index_of_the_tables_own_keys_limits_their_length(database: Any, make_table: Any) -> None:
    name = make_table("p:S c:S", indexes={"turned": "c:S p:S"})
    with pytest.raises(
        ClientError, match="Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
    ):
        database.put_item(TableName=name, Item={"p": {"S": "x" * 1025}, "c": {"S": "c"}})


def test_a_tables_own_keys_have_two_conditions_at_most(database: Any) -> None:
    """Which is told before the table is looked for."""
    condition = {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "x"}]}
    with pytest.raises(ClientError, match="Conditions can be of length 1 or 2 only"):
        database.query(TableName="absent", KeyConditions=dict.fromkeys("abc", condition))
