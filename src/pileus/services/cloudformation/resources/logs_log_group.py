"""AWS::Logs::LogGroup."""

from __future__ import annotations

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent, tag_map


async def create(work: Work) -> None:
    name = work.name("LogGroupName", 512)
    await work.create(
        "logs", "CreateLogGroup", exists="ResourceAlreadyExistsException", logGroupName=name,
        logGroupClass=work.properties.get("LogGroupClass"), tags=tag_map(work.properties.get("Tags")) or None,
    )  # fmt: skip
    await work.identify(name)
    await _retain(work)
    work.attributes = {"Arn": f"arn:aws:logs:{work.region}:{work.account}:log-group:{name}:*"}


async def _retain(work: Work) -> None:
    if not work.changed("RetentionInDays"):
        return
    days = work.properties.get("RetentionInDays")
    if days is None:
        await work.call("logs", "DeleteRetentionPolicy", logGroupName=work.physical_id)
    else:
        await work.call("logs", "PutRetentionPolicy", logGroupName=work.physical_id, retentionInDays=days)


async def update(work: Work) -> None:
    await _retain(work)
    if work.changed("Tags"):
        old, new = (tag_map(properties.get("Tags")) for properties in (work.previous, work.properties))
        arn = work.attributes["Arn"].removesuffix(":*")
        gone = sorted(old.keys() - new.keys())
        if gone:
            await work.call("logs", "UntagResource", resourceArn=arn, tagKeys=gone)
        if new:
            await work.call("logs", "TagResource", resourceArn=arn, tags=new)


async def delete(work: Work) -> None:
    await absent(work.call("logs", "DeleteLogGroup", logGroupName=work.physical_id), "ResourceNotFoundException")


LOG_GROUP = ResourceType(
    "AWS::Logs::LogGroup",
    properties={
        "LogGroupName": str, "LogGroupClass": str, "RetentionInDays": int, "Tags": [{"Key": str, "Value": str}],
    },
    create=create, update=update, delete=delete,
    create_only=frozenset({"LogGroupName", "LogGroupClass"}),
    attributes=frozenset({"Arn"}),
    name_property="LogGroupName", tags="Tags",
)  # fmt: skip
