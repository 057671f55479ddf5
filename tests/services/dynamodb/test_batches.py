from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


def put(i: int) -> dict[str, Any]:
    return {"PutRequest": {"Item": {"p": {"S": str(i)}, "v": {"N": str(i)}}}}


def test_batches_write_and_read_across_tables(database: Any, make_table: Any) -> None:
    one, two = make_table(), make_table()
    answer = database.batch_write_item(
        RequestItems={one: [put(i) for i in range(3)], two: [put(9)]}, ReturnConsumedCapacity="TOTAL"
    )
    assert answer["UnprocessedItems"] == {}
    assert {c["TableName"]: c["CapacityUnits"] for c in answer["ConsumedCapacity"]} == {one: 3.0, two: 1.0}
    database.batch_write_item(RequestItems={one: [{"DeleteRequest": {"Key": {"p": {"S": "0"}}}}, put(3)]})
    answer = database.batch_get_item(
        RequestItems={
            one: {"Keys": [{"p": {"S": str(i)}} for i in range(5)], "ProjectionExpression": "v"},
            two: {"Keys": [{"p": {"S": "9"}}], "ConsistentRead": True},
        }
    )
    assert sorted(item["v"]["N"] for item in answer["Responses"][one]) == ["1", "2", "3"]
    assert answer["Responses"][two] == [{"p": {"S": "9"}, "v": {"N": "9"}}]
    assert answer["UnprocessedKeys"] == {}


def test_what_exceeds_16_mib_is_left_unprocessed(database: Any, sorted_table: str) -> None:
    keys = []
    for i in range(45):
        keys.append({"p": {"S": "a"}, "c": {"N": str(i)}})
        database.put_item(TableName=sorted_table, Item={**keys[-1], "x": {"S": "y" * 390_000}})
    answer = database.batch_get_item(RequestItems={sorted_table: {"Keys": keys}})
    rest = answer["UnprocessedKeys"][sorted_table]["Keys"]
    assert 0 < len(rest) < 6
    assert len(answer["Responses"][sorted_table]) + len(rest) == 45


@pytest.mark.parametrize(
    ("writes", "message"),
    [
        ([put(1), put(1)], "Provided list of item keys contains duplicates"),
        ([put(i) for i in range(26)], "Too many items requested for the BatchWriteItem call|less than or equal to 25"),
        ([{"DeleteRequest": {"Key": {"q": {"S": "a"}}}}], "The provided key element does not match the schema"),
        ([{}], "Supplied AttributeValue has more than one datatypes set"),
    ],
)
def test_faults(database: Any, table: str, writes: Any, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        database.batch_write_item(RequestItems={table: writes})
    assert database.scan(TableName=table)["Count"] == 0


def test_expressions_and_the_parameters_before_them_do_not_mix_across_tables(database: Any, make_table: Any) -> None:
    keys = {"Keys": [{"p": {"S": "a"}}]}
    with pytest.raises(ClientError, match="Can not use both expression and non-expression parameters"):
        database.batch_get_item(
            RequestItems={
                make_table(): {**keys, "ProjectionExpression": "p"},
                make_table(): {**keys, "AttributesToGet": ["p"]},
            }
        )
