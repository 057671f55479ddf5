"""Schedule groups: what schedules are sorted, tagged and deleted by.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-group.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pileus.aws.arn import arn
from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.operation import Access, AccessRule, Shape
from pileus.services.scheduler import service
from pileus.services.scheduler.records import (
    DEFAULT_GROUP,
    GROUPS,
    ScheduleGroup,
    delete_schedule,
    get_group,
    schedules_of,
)
from pileus.services.system_tags import reserved
from pileus.store import paging
from pileus.store.interface import Transaction

_TAGS = 50

GroupKey = tuple[str, str, str]


def _on_group(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        keys: dict[str, Any] = {f"aws:requesttag/{key.lower()}": value for key, value in _tags_of(request).items()}
        if request.get("Tags") or request.get("TagKeys"):
            keys["aws:tagkeys"] = tuple(request.get("TagKeys") or _tags_of(request))
        text = request.get("ResourceArn") or _arn(_key(context, request))
        return Access(f"scheduler:{action}", text, keys)

    return rule


def _tags_of(request: Shape) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}


def _key(context: Context, request: Shape) -> GroupKey:
    if "ResourceArn" in request:
        _, _, _, region, account, rest = request["ResourceArn"].split(":", 5)
        return account, region, rest.partition("/")[2]
    return context.account, context.region, request["Name"]


def _arn(key: GroupKey) -> str:
    account, region, name = key
    return arn("scheduler", region, account, f"schedule-group/{name}")


@service.operation("CreateScheduleGroup", access=_on_group("CreateScheduleGroup"))
async def create_schedule_group(context: Context, request: Shape) -> Shape:
    key, now = _key(context, request), context.cloud.clock.time()
    tags = _tags_of(request)
    _check(tags)

    def change(tx: Transaction) -> None:
        if key[2] == DEFAULT_GROUP or GROUPS.get(tx, *key) is not None:
            raise AWSError("ConflictException", f"Schedule group {key[2]} already exists.")
        GROUPS.put(tx, *key, value=ScheduleGroup(now, now, tags | dict(context.system_tags)))

    await context.store.transact(change)
    return {"ScheduleGroupArn": _arn(key)}


@service.operation("GetScheduleGroup", access=_on_group("GetScheduleGroup"))
async def get_schedule_group(context: Context, request: Shape) -> Shape:
    key = _key(context, request)
    return _shape(key, get_group(context.store, key))


@service.operation("DeleteScheduleGroup", access=_on_group("DeleteScheduleGroup"))
async def delete_schedule_group(context: Context, request: Shape) -> None:
    """With all its schedules; at once, where AWS takes a while."""
    key = _key(context, request)
    if key[2] == DEFAULT_GROUP:
        raise AWSError("ValidationException", "The default schedule group cannot be deleted.")

    def change(tx: Transaction) -> None:
        get_group(tx, key)
        for schedule, _ in list(schedules_of(tx, key)):
            delete_schedule(tx, schedule)
        GROUPS.delete(tx, *key)

    await context.store.transact(change)


def _on_list(context: Context, request: Shape) -> Access:
    return Access("scheduler:ListScheduleGroups", "*")


@service.operation("ListScheduleGroups", access=_on_list)
async def list_schedule_groups(context: Context, request: Shape) -> Shape:
    prefix = request.get("NamePrefix") or ""
    try:
        after = paging.decode(request.get("NextToken"))
    except ValueError:
        raise AWSError("ValidationException", "Invalid NextToken.") from None
    found = {str(key[2]): group for key, group in GROUPS.scan(context.store, context.account, context.region)}
    found.setdefault(DEFAULT_GROUP, ScheduleGroup(0, 0))
    rows = (
        ((name,), group)
        for name, group in sorted(found.items())
        if name.startswith(prefix) and (after is None or name > str(after[-1]))
    )
    shown, token = paging.page(rows, request.get("MaxResults") or 100)
    groups = [_shape((context.account, context.region, str(key[0])), group) for key, group in shown]
    return {"ScheduleGroups": groups, **({"NextToken": token} if token else {})}


@service.operation("ListTagsForResource", access=_on_group("ListTagsForResource"))
async def list_tags_for_resource(context: Context, request: Shape) -> Shape:
    group = get_group(context.store, _key(context, request))
    return {"Tags": [{"Key": key, "Value": value} for key, value in group.tags.items()]}


@service.operation("TagResource", access=_on_group("TagResource"))
async def tag_resource(context: Context, request: Shape) -> None:
    await _retag(context, request, _tags_of(request), ())


@service.operation("UntagResource", access=_on_group("UntagResource"))
async def untag_resource(context: Context, request: Shape) -> None:
    await _retag(context, request, {}, request["TagKeys"])


async def _retag(context: Context, request: Shape, added: dict[str, str], gone: tuple[str, ...] | list[str]) -> None:
    key = _key(context, request)
    _check(dict.fromkeys(gone, "") | added)

    def change(tx: Transaction) -> None:
        group = get_group(tx, key)
        group.tags = {name: value for name, value in {**group.tags, **added}.items() if name not in gone}
        _check({name: value for name, value in group.tags.items() if not reserved(name)})
        if group.created:
            group.modified = context.cloud.clock.time()
        GROUPS.put(tx, *key, value=group)

    await context.store.transact(change)


def _check(tags: dict[str, str]) -> None:
    if len(tags) > _TAGS:
        raise AWSError("ValidationException", f"A schedule group has at most {_TAGS} tags.")
    for name in tags:
        if reserved(name):
            raise AWSError("ValidationException", f"Tag keys that begin with aws: are reserved for the system: {name}")


def _shape(key: GroupKey, group: ScheduleGroup) -> Shape:
    shape: Shape = {"Arn": _arn(key), "Name": key[2], "State": "ACTIVE"}
    if group.created:  # the default one is there from the beginning
        shape["CreationDate"] = datetime.fromtimestamp(group.created, UTC)
        shape["LastModificationDate"] = datetime.fromtimestamp(group.modified, UTC)
    return shape
