"""What an account has, for the console: read through the same operations as any client's."""

from __future__ import annotations

import time
from typing import Any

from pileus import __version__
from pileus.aws.errors import AWSError
from pileus.services import all_services
from pileus.services.admin import ADMIN, admin
from pileus.services.client import Client
from pileus.services.context import Cloud, Context

_REST_SECONDS = 600.0
_SHOWN = 100
"""The console shows so many of each kind, and says where there are more."""


@admin("overview")
async def overview(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    cloud = context.cloud
    client = context.client()
    stacks = (await client.call("cloudformation", "DescribeStacks", {}))["Stacks"]
    buckets = (await client.call("s3", "ListBuckets", {})).get("Buckets", [])
    tables = (await client.call("dynamodb", "ListTables", {"Limit": _SHOWN})).get("TableNames", [])
    return {
        "account": context.account,
        "region": context.region,
        "version": __version__,
        "services": {name: len(service.operations) for name, service in sorted(all_services().items())},
        "isolation": await cloud.isolation() if cloud.isolation is not None else {},
        "stacks": [_stack(stack) for stack in stacks[:_SHOWN]],
        "functions": await _functions(context, client),
        "tables": [await _table(client, name) for name in tables],
        "buckets": [await _bucket(client, bucket, cloud.part(_ShutOut)) for bucket in buckets[:_SHOWN]],
        "shown": _SHOWN,
    }


def _stack(stack: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": stack["StackName"],
        "status": stack["StackStatus"],
        "changed": stack.get("LastUpdatedTime", stack["CreationTime"]).isoformat(),
        "outputs": {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())},
    }


async def _functions(context: Context, client: Client) -> list[dict[str, Any]]:
    listed = (await client.call("lambda", "ListFunctions", {"MaxItems": 50})).get("Functions", [])
    fared = {one["FunctionName"]: one for one in (await ADMIN["functions"](context, {}))["Functions"]}
    found = []
    for function in listed:
        counts = fared.get(function["FunctionName"], {})
        duration = counts.get("Duration", {})
        found.append(
            {
                "name": function["FunctionName"],
                "runtime": function.get("Runtime", "image"),
                "memory": function.get("MemorySize"),
                "invocations": counts.get("Invocations", 0),
                "errors": counts.get("Errors", 0),
                "cold": counts.get("ColdStarts", 0),
                "p50": duration.get("p50", 0),
                "p99": duration.get("p99", 0),
            }
        )
    return found


async def _table(client: Client, name: str) -> dict[str, Any]:
    table = (await client.call("dynamodb", "DescribeTable", {"TableName": name}))["Table"]
    throughput = table.get("ProvisionedThroughput", {})
    return {
        "name": name,
        "status": table["TableStatus"],
        "items": table.get("ItemCount", 0),
        "bytes": table.get("TableSizeBytes", 0),
        "read": throughput.get("ReadCapacityUnits", 0),
        "write": throughput.get("WriteCapacityUnits", 0),
    }


class _ShutOut:
    """Buckets whose policies shut out even their account's root, until they are asked again (`time.monotonic`): the
    page asks every few seconds, and each denial is written down."""

    def __init__(self, cloud: Cloud) -> None:
        self.until: dict[str, float] = {}


async def _bucket(client: Client, bucket: dict[str, Any], shut: _ShutOut) -> dict[str, Any]:
    name = bucket["Name"]
    website = False
    if shut.until.get(name, 0.0) < time.monotonic():
        shut.until.pop(name, None)
        try:
            await client.call("s3", "GetBucketWebsite", {"Bucket": name})
            website = True
        except AWSError as error:
            if error.code == "AccessDenied":
                shut.until[name] = time.monotonic() + _REST_SECONDS
            elif error.code != "NoSuchWebsiteConfiguration":
                raise
    return {"name": name, "created": bucket["CreationDate"].isoformat(), "website": website}
