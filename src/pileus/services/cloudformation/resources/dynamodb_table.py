"""AWS::DynamoDB::Table."""

from __future__ import annotations

from typing import Any

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, settled
from pileus.services.cloudformation.schemas import members

_DIRECT = (
    "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput", "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes", "TableClass", "DeletionProtectionEnabled", "Tags", "OnDemandThroughput",
)  # fmt: skip


async def create(work: Work) -> None:
    name = work.name("TableName", 255)
    await work.create(
        "dynamodb", "CreateTable", exists="ResourceInUseException", TableName=name, **work.given(*_DIRECT),
        StreamSpecification=_stream(work), SSESpecification=_encryption(work),
    )  # fmt: skip
    await work.identify(name)
    await _describe(work)
    if "TimeToLiveSpecification" in work.properties:
        await _time_to_live(work)
    if "PointInTimeRecoverySpecification" in work.properties:
        await _recovery(work)


def _stream(work: Work) -> dict[str, Any] | None:
    wanted = work.properties.get("StreamSpecification")
    return {**wanted, "StreamEnabled": True} if wanted else None


def _encryption(work: Work) -> dict[str, Any] | None:
    wanted = work.properties.get("SSESpecification")
    return {("Enabled" if key == "SSEEnabled" else key): value for key, value in wanted.items()} if wanted else None


async def _describe(work: Work) -> None:
    """Waits until the table and its indexes are there."""
    answer = await settled(work, "dynamodb", "DescribeTable", {"TableName": work.physical_id}, _busy)
    table = answer["Table"]
    work.attributes = {"Arn": table["TableArn"]}
    if table.get("LatestStreamArn"):
        work.attributes["StreamArn"] = table["LatestStreamArn"]


def _busy(answer: dict[str, Any]) -> bool:
    table = answer["Table"]
    states = [table["TableStatus"], *(index["IndexStatus"] for index in table.get("GlobalSecondaryIndexes", []))]
    return any(state != "ACTIVE" for state in states)


async def update(work: Work) -> None:
    for request in _updates(work):
        await work.call("dynamodb", "UpdateTable", TableName=work.physical_id, **request)
        await _describe(work)
    if work.changed("TimeToLiveSpecification"):
        await _time_to_live(work)
    if work.changed("PointInTimeRecoverySpecification"):
        await _recovery(work)
    if work.changed("Tags"):
        await _tag(work)
    await _describe(work)


def _updates(work: Work) -> list[dict[str, Any]]:
    """UpdateTable takes one kind of change at a time, and one index at a time."""
    requests: list[dict[str, Any]] = []
    if work.changed("BillingMode", "ProvisionedThroughput", "OnDemandThroughput"):
        mode = work.properties.get("BillingMode", "PROVISIONED")
        requests.append({"BillingMode": mode, **work.given("ProvisionedThroughput", "OnDemandThroughput")})
    if work.changed("StreamSpecification"):
        if work.previous.get("StreamSpecification"):
            requests.append({"StreamSpecification": {"StreamEnabled": False}})
        if work.properties.get("StreamSpecification"):
            requests.append({"StreamSpecification": _stream(work)})
    if work.changed("SSESpecification"):
        requests.append({"SSESpecification": _encryption(work) or {"Enabled": False}})
    if work.changed("TableClass"):
        requests.append({"TableClass": work.properties.get("TableClass", "STANDARD")})
    if work.changed("DeletionProtectionEnabled"):
        requests.append({"DeletionProtectionEnabled": work.properties.get("DeletionProtectionEnabled", False)})
    definitions = work.given("AttributeDefinitions")
    requests += [{**definitions, "GlobalSecondaryIndexUpdates": [change]} for change in _index_changes(work)]
    return requests


def _index_changes(work: Work) -> list[dict[str, Any]]:
    name = "GlobalSecondaryIndexes"
    old = {index["IndexName"]: index for index in work.previous.get(name, [])}
    new = {index["IndexName"]: index for index in work.properties.get(name, [])}
    changes: list[dict[str, Any]] = []
    for key in old.keys() | new.keys():
        if key in old and key in new and _without_throughput(old[key]) == _without_throughput(new[key]):
            if old[key] != new[key] and "ProvisionedThroughput" in new[key]:
                throughput = new[key]["ProvisionedThroughput"]
                changes.append({"Update": {"IndexName": key, "ProvisionedThroughput": throughput}})
            continue
        if key in old:
            changes.insert(0, {"Delete": {"IndexName": key}})
        if key in new:
            changes.append({"Create": new[key]})
    return changes


def _without_throughput(index: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in index.items() if key != "ProvisionedThroughput"}


async def _time_to_live(work: Work) -> None:
    wanted = work.properties.get("TimeToLiveSpecification")
    before = work.previous.get("TimeToLiveSpecification")
    specification = wanted or {**(before or {}), "Enabled": False}
    await work.call("dynamodb", "UpdateTimeToLive", TableName=work.physical_id, TimeToLiveSpecification=specification)


async def _recovery(work: Work) -> None:
    wanted = work.properties.get("PointInTimeRecoverySpecification") or {"PointInTimeRecoveryEnabled": False}
    await work.call(
        "dynamodb", "UpdateContinuousBackups", TableName=work.physical_id, PointInTimeRecoverySpecification=wanted
    )


async def _tag(work: Work) -> None:
    new = work.properties.get("Tags", [])
    kept = {tag["Key"] for tag in new}
    gone = [tag["Key"] for tag in work.previous.get("Tags", []) if tag["Key"] not in kept]
    arn = work.attributes["Arn"]
    if gone:
        await work.call("dynamodb", "UntagResource", ResourceArn=arn, TagKeys=gone)
    if new:
        await work.call("dynamodb", "TagResource", ResourceArn=arn, Tags=new)


async def delete(work: Work) -> None:
    await absent(work.call("dynamodb", "DeleteTable", TableName=work.physical_id), "ResourceNotFoundException")
    gone = settled(work, "dynamodb", "DescribeTable", {"TableName": work.physical_id}, lambda answer: True)
    await absent(gone, "ResourceNotFoundException")


TABLE = ResourceType(
    "AWS::DynamoDB::Table",
    properties={
        "TableName": str,
        **members("dynamodb", "CreateTable", _DIRECT),
        "StreamSpecification": {"StreamViewType": str},
        "SSESpecification": {"SSEEnabled": bool, "SSEType": str, "KMSMasterKeyId": str},
        "TimeToLiveSpecification": {"AttributeName": str, "Enabled": bool},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": bool, "RecoveryPeriodInDays": int},
    },
    create=create, update=update, delete=delete,
    required=frozenset({"KeySchema"}),
    create_only=frozenset({"TableName", "KeySchema", "LocalSecondaryIndexes"}),
    attributes=frozenset({"Arn", "StreamArn"}),
    name_property="TableName", tags="Tags",
)  # fmt: skip
