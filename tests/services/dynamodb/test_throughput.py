from __future__ import annotations

import secrets
from typing import Any

import pytest

from pileus.aws.errors import AWSError
from pileus.services.dynamodb import throughput
from pileus.services.dynamodb.schema import Throughput

NOON = 1_532_520_000.0  # Wednesday, 25 July 2018, 12:00 UTC
HOUR = 3600


def test_after_four_decreases_an_hour_must_lie_between_two() -> None:
    units = Throughput(10, 10)
    for number in range(4):
        units = throughput.changed(units, 9 - number, 10, NOON + number)
    assert (units.decreases_today, units.decreased, units.increased) == (4, NOON + 3, 0)
    with pytest.raises(AWSError) as caught:
        throughput.changed(units, 5, 10, NOON + HOUR)
    assert caught.value.code == "LimitExceededException"
    assert caught.value.message.endswith(
        "Number of decreases today: 4. Last decrease at Wednesday, July 25, 2018 at 12:00:03 PM Coordinated Universal "
        "Time. Next decrease can be made at Wednesday, July 25, 2018 at 1:00:03 PM Coordinated Universal Time"
    )
    assert throughput.changed(units, 5, 10, NOON + HOUR + 3).decreases_today == 5
    assert throughput.changed(units, 7, 10, NOON + 4).increased == NOON + 4


def test_decreases_are_counted_by_day() -> None:
    units = throughput.changed(Throughput(10, 10), 9, 9, NOON)
    assert throughput.decreases_today(units, NOON + 12 * HOUR - 1) == 1
    assert throughput.decreases_today(units, NOON + 12 * HOUR) == 0
    assert throughput.shape(units, NOON + 12 * HOUR)["NumberOfDecreasesToday"] == 0
    assert throughput.changed(units, 8, 9, NOON + 12 * HOUR).decreases_today == 1


def test_a_table_that_is_updated_shows_what_it_had(database: Any) -> None:
    name = f"table-{secrets.token_hex(6)}"
    before, after = ({"ReadCapacityUnits": units, "WriteCapacityUnits": units} for units in (5, 3))
    database.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in "pq"],
        ProvisionedThroughput=before,
        GlobalSecondaryIndexes=[
            {
                "IndexName": "index",
                "KeySchema": [{"AttributeName": "q", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": before,
            }
        ],
    )
    answered = database.update_table(
        TableName=name,
        ProvisionedThroughput=after,
        GlobalSecondaryIndexUpdates=[{"Update": {"IndexName": "index", "ProvisionedThroughput": after}}],
    )["TableDescription"]
    described = database.describe_table(TableName=name)["Table"]
    assert (answered["TableStatus"], described["TableStatus"]) == ("UPDATING", "ACTIVE")
    for old, new in (
        (answered, described),
        (answered["GlobalSecondaryIndexes"][0], described["GlobalSecondaryIndexes"][0]),
    ):
        assert before.items() <= old["ProvisionedThroughput"].items()
        assert after.items() <= new["ProvisionedThroughput"].items()
        assert [each["ProvisionedThroughput"]["NumberOfDecreasesToday"] for each in (old, new)] == [0, 1]
        assert "LastDecreaseDateTime" in new["ProvisionedThroughput"]
        assert "LastIncreaseDateTime" not in new["ProvisionedThroughput"]
    index = described["GlobalSecondaryIndexes"][0]
    assert (answered["GlobalSecondaryIndexes"][0]["IndexStatus"], index["IndexStatus"]) == ("UPDATING", "ACTIVE")
    database.delete_table(TableName=name)
