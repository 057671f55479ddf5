"""The services that Pileus has, one package each. A new one is a folder here and a line below."""

from __future__ import annotations

import importlib
from functools import cache

from pileus.services.operation import Service

PACKAGES = (
    "ce",
    "cloudformation",
    "cognito_identity",
    "dynamodb",
    "dynamodbstreams",
    "ecr",
    "events",
    "iam",
    "lambda_",
    "logs",
    "s3",
    "s3control",
    "scheduler",
    "ssm",
    "sts",
)


@cache
def all_services() -> dict[str, Service]:
    """By botocore's names, with every operation declared."""
    found = {}
    for package in PACKAGES:
        service: Service = importlib.import_module(f"pileus.services.{package}").service
        service.load()
        found[service.name] = service
    return found
