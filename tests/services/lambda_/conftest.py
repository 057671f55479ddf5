"""Functions for the tests: `functions.create("name", source)` makes one with a role that may write logs."""

from __future__ import annotations

import io
import json
import time
import zipfile
from dataclasses import dataclass, field
from typing import Any

import pytest

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
ECHO = "def handler(event, context):\n    return event\n"


def archive(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return buffer.getvalue()


@dataclass
class Functions:
    account: Any
    client: Any
    roles: dict[str, str] = field(default_factory=dict)

    def role(self, name: str, *statements: dict[str, Any]) -> str:
        """An execution role that may do what the statements say."""
        iam = self.account.client("iam")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        if statements:
            document = {"Version": "2012-10-17", "Statement": list(statements)}
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
        return arn

    def default_role(self) -> str:
        if "default" not in self.roles:
            self.roles["default"] = self.role(
                "execution", {"Effect": "Allow", "Action": ["logs:*", "lambda:InvokeFunction"], "Resource": "*"}
            )
        return self.roles["default"]

    def create(self, name: str, source: str = ECHO, **options: Any) -> dict[str, Any]:
        options.setdefault("Role", self.default_role())
        answer: dict[str, Any] = self.client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handler",
            Code={"ZipFile": archive({"app.py": source})},
            **options,
        )
        self.client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02})
        return answer

    def invoke(self, name: str, payload: Any = None, **options: Any) -> Any:
        """The decoded answer of a function."""
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(payload).encode(), **options)
        return json.loads(answer["Payload"].read())

    def settled(self, name: str) -> None:
        self.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02})

    def logged(self, name: str, wanted: str, seconds: float = 40) -> list[str]:
        """The messages of a function's log group, once one holds `wanted`."""
        logs = self.account.client("logs")
        end = time.monotonic() + seconds
        messages: list[str] = []
        while time.monotonic() < end:
            try:
                found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
            except logs.exceptions.ResourceNotFoundException:
                found = []
            messages = [event["message"] for event in found]
            if any(wanted in message for message in messages):
                return messages
            time.sleep(0.1)
        raise AssertionError(f"{wanted!r} is not among {messages}")


@pytest.fixture
def functions(account: Any) -> Functions:
    return Functions(account, account.client("lambda"))


@pytest.fixture(scope="module")
def shared(cloud: Any) -> Functions:
    """An account for a module's tests that leave nothing behind, or names of their own."""
    account = cloud.create_account()
    return Functions(account, account.client("lambda"))


@pytest.fixture
def zipped() -> Any:
    return archive
