"""Requests that fit the model and mean nothing: each is answered in AWS's manner, none with an internal failure."""

from __future__ import annotations

import random
import string
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pileus.services import all_services

SERVICES = tuple(sorted(all_services()))
ROUNDS = 2
TEXTS = [
    "", "x", "*", "a" * 200, "é☃", "../..", "arn:aws:iam::123456789012:role/x", "arn:aws:iam::aws:policy/x", "arn:aws",
    "arn:aws:cognito-identity:us-east-1:123456789012:identitypool/x", "us-east-1:00000000-0000-4000-8000-000000000000",
    "{}", "null", '{"Version":"2012-10-17","Statement":[]}', "https://x", "http://localhost:1/", "a:b:c:d:e:f", "\n",
    "0", "arn:aws:iam::123456789012:oidc-provider/", "u", "r", "p",
]  # fmt: skip


def strange(chance: random.Random, shape: Any, depth: int = 0) -> Any:
    """A value that the shape's constraints allow as far as they are easily kept to; the server checks them anyway."""
    kind = shape.type_name
    if kind == "structure":
        wanted = [
            name for name in shape.members if name in shape.required_members or (depth < 3 and chance.random() < 0.4)
        ]
        return {name: strange(chance, shape.members[name], depth + 1) for name in wanted}
    if kind == "list":
        return [strange(chance, shape.member, depth + 1) for _ in range(chance.choice((0, 1, 2)))]
    if kind == "map":
        return {
            strange(chance, shape.key, depth + 1): strange(chance, shape.value, depth + 1)
            for _ in range(chance.choice((0, 1, 2)))
        }
    if kind == "string":
        if shape.enum:
            return chance.choice(shape.enum)
        text = chance.choice(TEXTS)
        return text + "".join(
            chance.choices(string.ascii_lowercase, k=max(0, shape.metadata.get("min", 0) - len(text)))
        )
    if kind in ("integer", "long"):
        return chance.choice((shape.metadata.get("min", 0), 1, 60, shape.metadata.get("max", 1000)))
    return {"boolean": True, "blob": b"x", "timestamp": 0, "double": 1.5, "float": 1.5}[kind]


def answers(account: Any, service: str, rounds: int, seed: int = 0) -> list[tuple[str, dict[str, Any], str]]:
    """(operation, request, what went wrong) of all operations that Pileus has."""
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False, read_timeout=20)
    client = account.client(service, config=config)
    model = botocore.session.get_session().get_service_model(service)
    wrong = []
    for name in sorted(all_services()[service].operations):
        shape = model.operation_model(name).input_shape
        chance = random.Random(f"{name} {seed}")
        for _ in range(rounds if shape and shape.members else 1):
            request = strange(chance, shape) if shape else {}
            try:
                client._make_api_call(name, request)
            except ClientError as error:
                status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
                code = error.response["Error"]["Code"]
                if status >= 500 and code != "NotImplemented":
                    wrong.append((name, request, f"{status} {code}"))
            except (BotoCoreError, ValueError, TypeError, AttributeError, KeyError):
                continue  # botocore itself could not send it
    return wrong


@pytest.mark.parametrize("service", SERVICES)
def test_strange_requests_are_answered(account: Any, service: str) -> None:
    assert answers(account, service, ROUNDS) == []
