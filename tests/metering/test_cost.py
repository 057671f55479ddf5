"""`pileus cost`, from real calls to the bill."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest


@pytest.fixture
def used(account: Any) -> Any:
    dynamodb, s3 = account.client("dynamodb"), account.client("s3")
    dynamodb.create_table(
        TableName="todos",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
    )
    dynamodb.put_item(TableName="todos", Item={"id": {"S": "1"}})
    s3.create_bucket(Bucket=f"site-{account.id}")
    s3.put_object(Bucket=f"site-{account.id}", Key="index.html", Body=b"x" * 1000)
    for _ in range(3):
        s3.get_object(Bucket=f"site-{account.id}", Key="index.html")["Body"].read()
    return account


def cost(cloud: Any, account: Any, *options: str) -> dict[str, Any]:
    ran = cloud.pileus("cost", "--json", "--account", account.id, *options)
    assert ran.returncode == 0, ran.stderr
    bill: dict[str, Any] = json.loads(ran.stdout)
    return bill


def test_real_calls_make_the_articles_bill(cloud: Any, used: Any) -> None:
    bill = cost(cloud, used, "--prices", "2015")
    assert bill["month_cost"] == pytest.approx(0.56, abs=0.005)
    used_units = {line["what"]: line["quantity"] for line in bill["lines"]}
    assert used_units["GET and others"] == pytest.approx(3 / 10_000)
    assert used_units["PUT, COPY, POST, LIST"] == pytest.approx(2 / 10_000)
    assert bill["calls"]["dynamodb"] == {"CreateTable": 1, "PutItem": 1}


def test_the_owner_of_a_bucket_pays_for_what_anybody_reads(cloud: Any, used: Any) -> None:
    s3, bucket = used.client("s3"), f"site-{used.id}"
    s3.put_object(Bucket=bucket, Key="large", Body=b"x" * 300_000)
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    before = cost(cloud, used)
    page = urllib.request.Request(cloud.endpoint + "/", headers={"Host": f"{bucket}.localhost"})
    with urllib.request.urlopen(page, timeout=10) as answer:
        assert len(answer.read()) == 1000
    with urllib.request.urlopen(f"{cloud.endpoint}/{bucket}/large", timeout=10) as answer:
        assert len(answer.read()) == 300_000
    after = cost(cloud, used)
    assert after["calls"]["s3"]["GetObject"] == before["calls"]["s3"]["GetObject"] + 2
    out = [next(line["quantity"] for line in bill["lines"] if line["what"] == "Data out") for bill in (before, after)]
    assert (out[1] - out[0]) * 1024**3 == pytest.approx(301_000, abs=1)


def test_on_demand_requests_are_priced_by_the_current_list_alone(cloud: Any, account: Any) -> None:
    dynamodb = account.client("dynamodb")
    dynamodb.create_table(
        TableName="todos",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    dynamodb.put_item(TableName="todos", Item={"id": {"S": "1"}, "text": {"S": "x" * 1500}})
    dynamodb.get_item(TableName="todos", Key={"id": {"S": "1"}})
    bill = cost(cloud, account)
    lines = {line["what"]: line for line in bill["lines"]}
    assert lines["Write request units"]["quantity"] == pytest.approx(2e-6)
    assert lines["Read request units"]["quantity"] == pytest.approx(0.5e-6)
    assert bill["cost"] == pytest.approx(2e-6 * 0.625 + 0.5e-6 * 0.125)
    old = cost(cloud, account, "--prices", "2015")
    assert old["unpriced"] == {"dynamodb:WriteRequestUnits": 2, "dynamodb:ReadRequestUnits": 0.5}


def test_the_table_is_for_people(cloud: Any, used: Any) -> None:
    ran = cloud.pileus("cost", "--account", used.id, "--prices", "2015", "--no-free-tier")
    assert ran.returncode == 0, ran.stderr
    for text in ("Fixed costs", "Variable costs", "Writes a second", "$0.47", "a month at this rate $0.56"):
        assert text in ran.stdout


def test_an_unknown_list_is_one_line(cloud: Any) -> None:
    ran = cloud.pileus("cost", "--prices", "1999")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "pileus: there is no price list '1999': choose from 2015, current\n"
