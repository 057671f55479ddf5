"""What tests with stacks share: small templates, and waiting."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError


def template(resources: dict[str, Any], **sections: Any) -> str:
    return json.dumps({"Resources": resources, **sections})


def group(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::Logs::LogGroup", "Properties": properties}


def wait(client: Any, name: str) -> dict[str, Any]:
    """The stack when nothing is under way in it any more."""
    for _ in range(3000):
        stack: dict[str, Any] = client.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        time.sleep(0.02)
    raise AssertionError(stack)


def made(client: Any, name: str, body: str, **options: Any) -> dict[str, Any]:
    client.create_stack(StackName=name, TemplateBody=body, **options)
    return wait(client, name)


def events(client: Any, name: str) -> list[dict[str, Any]]:
    """Oldest first."""
    pages = client.get_paginator("describe_stack_events").paginate(StackName=name)
    return [event for page in pages for event in page["StackEvents"]][::-1]


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
