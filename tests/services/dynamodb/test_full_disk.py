"""A disk that takes no more: errors that say so, nothing acknowledged is lost, and all goes on when there is room."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROOM = 6 << 20


def limit(pid: int, size: int) -> None:
    """How large any file of the process and its children may grow: past it, writes fail as on a full disk."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for each in (pid, *map(int, children)):
        resource.prlimit(each, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="limits of other processes are Linux's")
def test_a_full_disk_loses_nothing(fresh_cloud: Any) -> None:
    database = fresh_cloud.root.client("dynamodb")
    database.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    largest = max(path.stat().st_size for path in fresh_cloud.data.iterdir() if path.is_file())
    limit(fresh_cloud.process.pid, largest + ROOM)
    acknowledged = 0
    with pytest.raises(ClientError) as caught:
        for acknowledged in range(100):
            item = {"p": {"S": str(acknowledged)}, "x": {"S": "y" * 390_000}}
            database.put_item(TableName="table", Item=item)
    assert caught.value.response["Error"]["Code"] == "InternalServerError"
    assert "disk is full" in caught.value.response["Error"]["Message"]
    assert 0 < acknowledged < 100

    def count() -> int:
        pages = database.get_paginator("scan").paginate(TableName="table")
        return sum(page["Count"] for page in pages)

    assert count() == acknowledged
    limit(fresh_cloud.process.pid, resource.RLIM_INFINITY)
    database.put_item(TableName="table", Item={"p": {"S": "after"}})
    fresh_cloud.kill()
    fresh_cloud.start()
    database = fresh_cloud.root.client("dynamodb")
    assert count() == acknowledged + 1
