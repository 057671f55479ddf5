"""The fixtures that other people's tests use, in a test session of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SUITE = """
import boto3
import pytest
from botocore.exceptions import ClientError


@pytest.mark.parametrize("number", [1, 2])
def test_each_has_an_account_of_its_own(pileus_account, number):
    dynamodb = boto3.client("dynamodb")
    assert dynamodb.list_tables()["TableNames"] == []
    dynamodb.create_table(
        TableName="mine",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert boto3.client("sts").get_caller_identity()["Account"] == pileus_account.id


def test_it_is_enforced(pileus_account):
    user = pileus_account.client("iam")
    user.create_user(UserName="ada")
    key = user.create_access_key(UserName="ada")["AccessKey"]
    with pytest.raises(ClientError, match="not authorized"):
        boto3.client(
            "dynamodb", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
        ).list_tables()
"""


def test_fixtures_are_there_wherever_pileus_is_installed(tmp_path: Path) -> None:
    (tmp_path / "test_application.py").write_text(SUITE)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))},
    )
    assert "3 passed" in result.stdout, result.stdout + result.stderr
