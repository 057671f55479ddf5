"""Two worker processes agree at once: who is allowed, who is denied, and whose token is whose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conftest import Cloud

ROUNDS = 12


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Cloud]:
    running = Cloud(tmp_path / "data", "--workers", "2", "--durability", "relaxed")
    yield running
    running.stop()


def test_a_changed_policy_is_in_force_in_every_worker(workers: Cloud) -> None:
    root = workers.root
    iam = root.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = type(root)(root.endpoint, root.id, key["AccessKeyId"], key["SecretAccessKey"])

    def outcomes() -> set[str]:
        """Of several connections, which the kernel gives to one worker or the other."""
        found = set()
        for _ in range(ROUNDS):
            client = user.client("dynamodb")
            try:
                client.list_tables()
                found.add("allowed")
            except ClientError as error:
                found.add(error.response["Error"]["Code"])
            client.close()
        return found

    def document(effect: str) -> str:
        statement: Any = {"Effect": effect, "Action": "dynamodb:*", "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    assert outcomes() == {"AccessDeniedException"}
    for effect, expected in (("Allow", "allowed"), ("Deny", "AccessDeniedException"), ("Allow", "allowed")):
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=document(effect))
        assert outcomes() == {expected}
    session = user.using(user.client("sts").get_session_token()["Credentials"])
    user = session
    assert outcomes() == {"allowed"}
    iam.delete_user_policy(UserName="u", PolicyName="p")
    assert outcomes() == {"AccessDeniedException"}
