"""Log groups: made, listed, kept for so long, tagged, deleted."""

from __future__ import annotations

import re
from collections.abc import Callable

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.logs import service
from pileus.services.logs.names import (
    GroupName,
    from_arn,
    group_name,
    invalid,
    on_group,
    on_resource,
    tag_keys,
)
from pileus.services.logs.records import (
    BEGINS,
    CHUNKS,
    ENDS,
    GROUPS,
    SIZES,
    STREAMS,
    LogGroup,
    get_group,
    milliseconds,
    new_id,
)
from pileus.services.operation import Access, Shape
from pileus.services.system_tags import own, system
from pileus.store import paging
from pileus.store.interface import Transaction
from pileus.store.keys import Element

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_RETENTIONS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
_TAGS = 50


def position(token: str | None) -> tuple[Element, ...] | None:
    try:
        return paging.decode(token)
    except ValueError:
        raise invalid("The specified nextToken is invalid.") from None


def _on_create(context: Context, request: Shape) -> Access:
    name = group_name(context, request)
    return Access("logs:CreateLogGroup", name.stream_arn(""), tag_keys(request))


@service.operation("CreateLogGroup", access=_on_create)
async def create_log_group(context: Context, request: Shape) -> None:
    name = group_name(context, request)
    if request.get("kmsKeyId"):
        raise option_not_implemented("kmsKeyId", "there is no KMS; the data directory is the place to encrypt.")
    if request.get("logGroupClass", "STANDARD") != "STANDARD":
        raise option_not_implemented("logGroupClass", "all log groups are of the class STANDARD.")
    _check_tags(request.get("tags") or {})

    def change(tx: Transaction) -> None:
        if GROUPS.get(tx, *name) is not None:
            raise AWSError("ResourceAlreadyExistsException", "The specified log group already exists")
        group = LogGroup(
            new_id(),
            milliseconds(context),
            tags=(request.get("tags") or {}) | dict(context.system_tags),
            deletion_protection=bool(request.get("deletionProtectionEnabled")),
        )
        GROUPS.put(tx, *name, value=group)

    await context.store.transact(change)


@service.operation("DeleteLogGroup", access=on_group("DeleteLogGroup"))
async def delete_log_group(context: Context, request: Shape) -> None:
    name = group_name(context, request)

    def change(tx: Transaction) -> None:
        group = get_group(tx, name)
        if group.deletion_protection:
            raise AWSError("ValidationException", "The log group is protected against deletion.", status=400)
        GROUPS.delete(tx, *name)
        SIZES.delete(tx, group.id)
        for records in (STREAMS, BEGINS, ENDS, CHUNKS):
            records.delete_all(tx, group.id)

    await context.store.transact(change)


@service.operation("PutLogGroupDeletionProtection", access=on_group("PutLogGroupDeletionProtection"))
async def put_log_group_deletion_protection(context: Context, request: Shape) -> None:
    def protect(group: LogGroup) -> None:
        group.deletion_protection = request["deletionProtectionEnabled"]

    await _change(context, group_name(context, request), protect)


def _on_list(context: Context, request: Shape) -> Access:
    return Access("logs:DescribeLogGroups", GroupName(context.account, context.region, "").stream_arn(""))


@service.operation("DescribeLogGroups", access=_on_list)
async def describe_log_groups(context: Context, request: Shape) -> Shape:
    prefix, pattern = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
    if prefix and pattern:
        raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    if request.get("includeLinkedAccounts") or request.get("accountIdentifiers"):
        raise option_not_implemented("includeLinkedAccounts and accountIdentifiers", "accounts are not linked.")
    named = {identifier.rpartition(":log-group:")[2] for identifier in request.get("logGroupIdentifiers") or ()}

    def wanted(name: str) -> bool:
        if prefix:
            return name.startswith(prefix)
        if pattern:
            return pattern.lower() in name.lower()
        return not named or name in named

    rows = GROUPS.scan(context.store, context.account, context.region, after=position(request.get("nextToken")))
    shown, token = paging.page((row for row in rows if wanted(str(row[0][2]))), request.get("limit") or 50)
    groups = []
    for key, group in shown:
        name = GroupName(context.account, context.region, str(key[2]))
        shape: Shape = {
            "logGroupName": name.name,
            "creationTime": group.created,
            "metricFilterCount": 0,
            "arn": f"{name.arn}:*",
            "storedBytes": SIZES.get(context.store, group.id) or 0,
            "logGroupClass": "STANDARD",
            "logGroupArn": name.arn,
            "deletionProtectionEnabled": group.deletion_protection,
        }
        if group.retention is not None:
            shape["retentionInDays"] = group.retention
        groups.append(shape)
    return {"logGroups": groups, **({"nextToken": token} if token else {})}


def _on_search(context: Context, request: Shape) -> Access:
    return Access("logs:ListLogGroups", GroupName(context.account, context.region, "").stream_arn(""))


@service.operation("ListLogGroups", access=_on_search)
async def list_log_groups(context: Context, request: Shape) -> Shape:
    for option in ("includeLinkedAccounts", "accountIdentifiers", "dataSources", "fieldIndexNames", "logGroupTags"):
        if request.get(option):
            raise option_not_implemented(option)
    pattern: str = request.get("logGroupNamePattern") or ""
    anchored, parts = pattern.startswith("^"), pattern.lstrip("^").split("|")
    if not all(re.fullmatch(r"[.\-_/#A-Za-z0-9]*", part) for part in parts):
        raise option_not_implemented("logGroupNamePattern", "it may be words between | and begin with ^.")

    def wanted(name: str) -> bool:
        return any(name.startswith(part) if anchored else part in name for part in parts)

    rows = GROUPS.scan(context.store, context.account, context.region, after=position(request.get("nextToken")))
    shown, token = paging.page((row for row in rows if wanted(str(row[0][2]))), request.get("limit") or 50)
    groups = [
        {
            "logGroupName": str(key[2]),
            "logGroupArn": GroupName(context.account, context.region, str(key[2])).arn,
            "logGroupClass": "STANDARD",
        }
        for key, _ in shown
    ]
    return {"logGroups": groups, **({"nextToken": token} if token else {})}


@service.operation("PutRetentionPolicy", access=on_group("PutRetentionPolicy"))
async def put_retention_policy(context: Context, request: Shape) -> None:
    days = request["retentionInDays"]
    if days not in _RETENTIONS:
        raise invalid(f"Invalid retention value. Valid values are: [{', '.join(map(str, _RETENTIONS))}]")

    def keep(group: LogGroup) -> None:
        group.retention = days

    await _change(context, group_name(context, request), keep)


@service.operation("DeleteRetentionPolicy", access=on_group("DeleteRetentionPolicy"))
async def delete_retention_policy(context: Context, request: Shape) -> None:
    def keep(group: LogGroup) -> None:
        group.retention = None

    await _change(context, group_name(context, request), keep)


@service.operation("ListTagsLogGroup", access=on_group("ListTagsLogGroup"))
async def list_tags_log_group(context: Context, request: Shape) -> Shape:
    return {"tags": get_group(context.store, group_name(context, request)).tags}


@service.operation("TagLogGroup", access=on_group("TagLogGroup"))
async def tag_log_group(context: Context, request: Shape) -> None:
    await _retag(context, group_name(context, request), lambda tags: {**tags, **request["tags"]})


@service.operation("UntagLogGroup", access=on_group("UntagLogGroup"))
async def untag_log_group(context: Context, request: Shape) -> None:
    gone = set(request["tags"])
    await _retag(context, group_name(context, request), lambda tags: {k: v for k, v in tags.items() if k not in gone})


@service.operation("ListTagsForResource", access=on_resource("ListTagsForResource"))
async def list_tags_for_resource(context: Context, request: Shape) -> Shape:
    return {"tags": get_group(context.store, from_arn(request["resourceArn"])).tags}


@service.operation("TagResource", access=on_resource("TagResource"))
async def tag_resource(context: Context, request: Shape) -> None:
    await _retag(context, from_arn(request["resourceArn"]), lambda tags: {**tags, **request["tags"]})


@service.operation("UntagResource", access=on_resource("UntagResource"))
async def untag_resource(context: Context, request: Shape) -> None:
    gone = set(request["tagKeys"])
    await _retag(
        context, from_arn(request["resourceArn"]), lambda tags: {k: v for k, v in tags.items() if k not in gone}
    )


async def _retag(context: Context, name: GroupName, retagged: Callable[[dict[str, str]], dict[str, str]]) -> None:
    def change(group: LogGroup) -> None:
        before = system(group.tags)
        group.tags = retagged(group.tags)
        if system(group.tags) != before:
            raise invalid(_RESERVED)
        _check_tags(own(group.tags))

    await _change(context, name, change)


_RESERVED = "Tag keys cannot begin with aws:"


def _check_tags(tags: dict[str, str]) -> None:
    if len(tags) > _TAGS:
        raise AWSError("TooManyTagsException", f"A log group can have at most {_TAGS} tags.")
    if system(tags):
        raise invalid(_RESERVED)


async def _change(context: Context, name: GroupName, apply: Callable[[LogGroup], None]) -> None:
    def change(tx: Transaction) -> None:
        group = get_group(tx, name)
        apply(group)
        GROUPS.put(tx, *name, value=group)

    await context.store.transact(change)
