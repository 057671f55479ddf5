"""Concurrent reads, conditional updates and transactions on a few items behave as if one happened after the other."""

from __future__ import annotations

import importlib.util
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

_spec = importlib.util.spec_from_file_location("history_checker", Path(__file__).with_name("history_checker.py"))
assert _spec is not None and _spec.loader is not None
history_checker = importlib.util.module_from_spec(_spec)
import sys  # noqa: E402 - dataclasses look their module up

sys.modules["history_checker"] = history_checker
_spec.loader.exec_module(history_checker)
Event, linearizable = history_checker.Event, history_checker.linearizable


def test_the_checker_finds_a_stale_read_and_a_lost_update() -> None:
    assert linearizable([Event(0, 1, "write", 1), Event(2, 3, "read", 1)])
    assert linearizable([Event(0, 5, "write", 1), Event(1, 2, "read", 0), Event(3, 4, "read", 1)])
    assert not linearizable([Event(0, 1, "write", 1), Event(2, 3, "read", 0)])
    assert not linearizable([Event(0, 5, "write", 1), Event(1, 2, "read", 1), Event(3, 4, "read", 0)])
    assert not linearizable([Event(0, 5, "swap", 1, expected=0), Event(1, 4, "swap", 2, expected=0)])


class Caller(threading.Thread):
    def __init__(self, database: Any, table: str, seed: int, calls: int, items: int) -> None:
        super().__init__()
        self.database, self.table, self.calls, self.items = database, table, calls, items
        self.random = random.Random(seed)
        self.unique = seed * 1_000_000
        self.events: list[tuple[int, Any]] = []
        self.seen = dict.fromkeys(range(items), 0)

    def run(self) -> None:
        for _ in range(self.calls):
            self.one()

    def one(self) -> None:
        item = self.random.randrange(self.items)
        key = {"p": {"S": str(item)}}
        kind = self.random.choice(["read", "read", "read transaction", "write", "swap", "swap", "swap transaction"])
        self.unique += 1
        value, expected = self.unique, self.seen[item]
        start = time.monotonic()
        if kind in ("read", "read transaction"):
            if kind == "read":
                found = self.database.get_item(TableName=self.table, Key=key, ConsistentRead=True)["Item"]
            else:
                get = {"Get": {"TableName": self.table, "Key": key}}
                found = self.database.transact_get_items(TransactItems=[get])["Responses"][0]["Item"]
            self.seen[item] = int(found["v"]["N"])
            self.events.append((item, Event(start, time.monotonic(), "read", self.seen[item])))
            return
        update: dict[str, Any] = {
            "TableName": self.table,
            "Key": key,
            "UpdateExpression": "SET v = :v",
            "ExpressionAttributeValues": {":v": {"N": str(value)}},
        }
        if kind == "write":
            self.database.update_item(**update)
            self.events.append((item, Event(start, time.monotonic(), "write", value)))
            return
        update["ConditionExpression"] = "v = :e"
        update["ExpressionAttributeValues"][":e"] = {"N": str(expected)}
        done = True
        try:
            if kind == "swap":
                self.database.update_item(**update)
            else:
                self.database.transact_write_items(TransactItems=[{"Update": update}])
        except ClientError as error:
            assert error.response["Error"]["Code"] in (
                "ConditionalCheckFailedException",
                "TransactionCanceledException",
            )
            done = False
        self.events.append((item, Event(start, time.monotonic(), "swap", value, expected, done)))


def check(database: Any, make_client: Any, table: str, callers: int, calls: int, items: int, seed: int) -> int:
    for item in range(items):
        database.put_item(TableName=table, Item={"p": {"S": str(item)}, "v": {"N": "0"}})
    threads = [Caller(make_client(), table, seed + number + 1, calls, items) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = [event for thread in threads for event in thread.events]
    assert len(events) == callers * calls
    for item in range(items):
        assert linearizable([event for where, event in events if where == item]), f"item {item}, seed {seed}"
    return len(events)


def test_concurrent_calls_are_linearizable(database: Any, owner: Any, table: str) -> None:
    check(database, lambda: owner.client("dynamodb"), table, callers=6, calls=60, items=3, seed=1)


def test_two_workers_are_as_one(cloud: Any, tmp_path: Path) -> None:
    pair = type(cloud)(tmp_path / "data", "--durability", "relaxed", "--workers", "2")
    try:
        owner = pair.root
        database = owner.client("dynamodb")
        database.create_table(
            TableName="table",
            KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        check(database, lambda: owner.client("dynamodb"), "table", callers=6, calls=60, items=3, seed=1000)
    finally:
        pair.stop()


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_concurrent_calls_are_linearizable(database: Any, owner: Any, table: str) -> None:
    clients = [owner.client("dynamodb") for _ in range(8)]
    total = 0
    for seed in range(25):
        available = iter(clients)
        total += check(database, lambda available=available: next(available), table, 8, 500, 8, seed * 100)
    assert total == 100_000
