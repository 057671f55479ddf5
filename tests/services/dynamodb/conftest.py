"""One account for all tests of DynamoDB, and tables with names of their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

Client = Any
MakeTable = Callable[..., str]


@pytest.fixture(scope="session")
def owner(cloud: Any) -> Any:
    return cloud.create_account()


@pytest.fixture(scope="session")
def database(owner: Any) -> Client:
    return owner.client("dynamodb")


def definition(name: str, keys: str = "p:S", **options: Any) -> dict[str, Any]:
    """A CreateTable request: `keys` like "p:S c:N", `indexes` of global ones by name to the same notation."""
    types = dict(key.split(":") for key in keys.split())
    schema = [{"AttributeName": key, "KeyType": kind} for key, kind in zip(types, ("HASH", "RANGE"), strict=False)]
    request: dict[str, Any] = {"TableName": name, "KeySchema": schema, "BillingMode": "PAY_PER_REQUEST"}
    for parameter, member in (("indexes", "GlobalSecondaryIndexes"), ("local_indexes", "LocalSecondaryIndexes")):
        shapes = []
        for index, notation in options.pop(parameter, {}).items():
            notation, _, projection = notation.partition("|")
            own = dict(key.split(":") for key in notation.split())
            types.update(own)
            shapes.append(
                {
                    "IndexName": index,
                    "KeySchema": [
                        {"AttributeName": key, "KeyType": kind}
                        for key, kind in zip(own, ("HASH", "RANGE", "RANGE"), strict=False)
                    ],
                    "Projection": {"ProjectionType": projection or "ALL"},
                }
            )
        if shapes:
            request[member] = shapes
    request["AttributeDefinitions"] = [{"AttributeName": key, "AttributeType": kind} for key, kind in types.items()]
    request.update(options)
    return request


@pytest.fixture
def make_table(database: Client) -> Iterator[MakeTable]:
    made: list[str] = []

    def make(keys: str = "p:S", **options: Any) -> str:
        name = f"table-{secrets.token_hex(6)}"
        database.create_table(**definition(name, keys, **options))
        made.append(name)
        return name

    yield make
    for name in made:
        database.delete_table(TableName=name)


@pytest.fixture
def table(make_table: MakeTable) -> str:
    """With a string as its partition key."""
    return make_table()


@pytest.fixture
def sorted_table(make_table: MakeTable) -> str:
    """With a string and a number as its keys."""
    return make_table("p:S c:N")
