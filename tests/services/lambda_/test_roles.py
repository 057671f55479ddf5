"""Execution roles: whose rights a function has."""

from __future__ import annotations

import json
from typing import Any

SOURCE = """
import boto3

def handler(event, context):
    return boto3.client("sts").get_caller_identity()["UserId"].partition(":")[0]
"""


def test_a_role_that_was_made_again_is_another(functions: Any) -> None:
    iam = functions.account.client("iam")
    for _ in range(2):
        role = functions.role("worker")
        functions.create("who", SOURCE, Role=role)
        answer = functions.client.invoke(FunctionName="who")
        assert json.load(answer["Payload"]) == iam.get_role(RoleName="worker")["Role"]["RoleId"]
        functions.client.delete_function(FunctionName="who")
        iam.delete_role(RoleName="worker")
