from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def table(cloud: Any) -> Any:
    name = f"table-{secrets.token_hex(6)}"
    cloud.root.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def items(cloud: Any, table: str) -> list[Any]:
    found = cloud.root.client("dynamodb").scan(TableName=table)["Items"]
    return sorted(found, key=lambda item: int(item["p"]["N"]))


def test_json_lines_go_in_and_out(cloud: Any, table: str, tmp_path: Path) -> None:
    source, copy = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    typed = {"p": {"N": "1"}, "b": {"B": "AP8="}, "s": {"SS": ["x"]}}
    plain = [{"p": i, "name": f"n{i}", "deep": {"list": [1.5, None, True]}} for i in range(2, 60)]
    source.write_text("\n".join(json.dumps(line) for line in [{"Item": typed}, *plain]))
    result = cloud.pileus("table", "import", table, str(source))
    assert (result.returncode, result.stderr.strip()) == (0, f"59 items in {table}")
    found = items(cloud, table)
    assert found[0] == {"p": {"N": "1"}, "b": {"B": b"\0\xff"}, "s": {"SS": ["x"]}}
    assert found[1]["deep"] == {"M": {"list": {"L": [{"N": "1.5"}, {"NULL": True}, {"BOOL": True}]}}}
    assert cloud.pileus("table", "export", table, str(copy)).returncode == 0
    lines = [json.loads(line)["Item"] for line in copy.read_text().splitlines()]
    assert typed in lines and len(lines) == 59


def test_csv(cloud: Any, table: str, tmp_path: Path) -> None:
    source, copy = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('p,name\n1,"Doe, Jane"\n2,John\n')
    assert cloud.pileus("table", "import", table, str(source)).returncode == 0
    assert items(cloud, table) == [
        {"p": {"N": "1"}, "name": {"S": "Doe, Jane"}},
        {"p": {"N": "2"}, "name": {"S": "John"}},
    ]
    assert cloud.pileus("table", "export", table, str(copy)).returncode == 0
    lines = copy.read_text().splitlines()
    assert set(lines[0].split(",")) == {"p", "name"} and len(lines) == 3


def test_failures_are_one_line(cloud: Any, table: str, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"p": 1}\nnonsense\n')
    result = cloud.pileus("table", "import", table, str(source))
    assert result.returncode != 0 and "Line 2 is no JSON" in result.stderr and "Traceback" not in result.stderr
    result = cloud.pileus("table", "export", "no-such-table")
    assert result.returncode != 0 and "not found" in result.stderr and "Traceback" not in result.stderr
