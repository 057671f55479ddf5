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
    """Compares with the table as it is: a change that was cut off, or is taken back, may be there in part."""
    if work.changed("Tags"):
        await _tag(work)
    table = (await work.call("dynamodb", "DescribeTable", TableName=work.physical_id))["Table"]
    for request in _updates(work, table):
        await work.call("dynamodb", "UpdateTable", TableName=work.physical_id, **request)
        await _describe(work)
    if work.changed("TimeToLiveSpecification"):
        await _time_to_live(work)
    if work.changed("PointInTimeRecoverySpecification"):
        await _recovery(work)
    await _describe(work)


def _updates(work: Work, table: dict[str, Any]) -> list[dict[str, Any]]:
    """UpdateTable takes one kind of change at a time, and one index at a time."""
    requests: list[dict[str, Any]] = []
    mode = work.properties.get("BillingMode", "PROVISIONED")
    if mode != table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"):
        requests.append({"BillingMode": mode, **work.given("ProvisionedThroughput", "OnDemandThroughput")})
    elif _differs(work.properties.get("ProvisionedThroughput"), table.get("ProvisionedThroughput", {})):
        requests.append(work.given("ProvisionedThroughput"))
    elif work.changed("OnDemandThroughput"):
        requests.append({"OnDemandThroughput": {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}
                         | work.properties.get("OnDemandThroughput", {})})  # fmt: skip
    stream, there = _stream(work), table.get("StreamSpecification")
    if stream != there:
        requests += [{"StreamSpecification": {"StreamEnabled": False}}] if there else []
        requests += [{"StreamSpecification": stream}] if stream else []
    if work.changed("SSESpecification"):
        requests.append({"SSESpecification": _encryption(work) or {"Enabled": False}})
    if work.changed("TableClass"):
        requests.append({"TableClass": work.properties.get("TableClass", "STANDARD")})
    if work.changed("DeletionProtectionEnabled"):
        requests.append({"DeletionProtectionEnabled": work.properties.get("DeletionProtectionEnabled", False)})
    definitions = work.given("AttributeDefinitions")
    changes = _index_changes(work.properties.get("GlobalSecondaryIndexes", []), table.get("GlobalSecondaryIndexes", []))
    return requests + [{**definitions, "GlobalSecondaryIndexUpdates": [change]} for change in changes]


def _differs(wanted: dict[str, Any] | None, there: dict[str, Any]) -> bool:
    return wanted is not None and any(there.get(name) != value for name, value in wanted.items())


def _index_changes(wanted: list[dict[str, Any]], there: list[dict[str, Any]]) -> list[dict[str, Any]]:
    new = {index["IndexName"]: index for index in wanted}
    old = {index["IndexName"]: index for index in there}
    other = [name for name in old if name in new and _shape(old[name]) != _shape(new[name])]
    changes: list[dict[str, Any]] = [
        {"Delete": {"IndexName": name}} for name in old if name not in new or name in other
    ]
    changes += [{"Create": index} for name, index in new.items() if name not in old or name in other]
    for name in new.keys() & old.keys() - set(other):
        throughput = new[name].get("ProvisionedThroughput")
        if _differs(throughput, old[name].get("ProvisionedThroughput", {})):
            changes.append({"Update": {"IndexName": name, "ProvisionedThroughput": throughput}})
    return changes


def _shape(index: dict[str, Any]) -> tuple[Any, Any, list[str]]:
    """What cannot be changed in an index."""
    projection = index.get("Projection", {})
    return index["KeySchema"], projection.get("ProjectionType"), sorted(projection.get("NonKeyAttributes", []))


async def _time_to_live(work: Work) -> None:
    described = await work.call("dynamodb", "DescribeTimeToLive", TableName=work.physical_id)
    there = described["TimeToLiveDescription"]
    enabled = there.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    wanted = work.properties.get("TimeToLiveSpecification") or {"Enabled": False}
    if enabled and (not wanted["Enabled"] or wanted.get("AttributeName") != there.get("AttributeName")):
        off = {"AttributeName": there["AttributeName"], "Enabled": False}
        await work.call("dynamodb", "UpdateTimeToLive", TableName=work.physical_id, TimeToLiveSpecification=off)
        enabled = False
    if wanted["Enabled"] and not enabled:
        await work.call("dynamodb", "UpdateTimeToLive", TableName=work.physical_id, TimeToLiveSpecification=wanted)


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
