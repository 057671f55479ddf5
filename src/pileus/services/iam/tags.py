"""Tags on users, roles, managed policies and identity providers: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.entities import ROLE, USER, Kind, on
from pileus.services.iam.errors import invalid_input, limit_exceeded
from pileus.services.iam.listings import listing
from pileus.services.operation import Shape
from pileus.services.system_tags import own, reserved
from pileus.store.interface import Transaction

TAGS_PER_RESOURCE = 50


def merged(tags: Mapping[str, str], added: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags with others added. Keys that differ in case only are one key to policies, so they are one here."""
    result = dict(tags)
    seen: set[str] = set()
    for tag in added:
        key = tag["Key"]
        if key.lower() in seen:
            raise invalid_input("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        _refuse_reserved(key)
        seen.add(key.lower())
        for existing in [name for name in result if name.lower() == key.lower()]:
            del result[existing]
        result[key] = tag["Value"]
    if len(own(result)) > TAGS_PER_RESOURCE:
        raise limit_exceeded(f"The number of tags has reached the maximum limit of {TAGS_PER_RESOURCE}.")
    return result


def _refuse_reserved(key: str) -> None:
    if reserved(key):
        raise invalid_input("Tag keys beginning with aws: are reserved for system use.")


def without(tags: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    dropped = {key.lower() for key in keys}
    for key in dropped:
        _refuse_reserved(key)
    return {key: value for key, value in tags.items() if key.lower() not in dropped}


def tags_listing(request: Shape, tags: Mapping[str, str]) -> Shape:
    return listing(
        "Tags", request, tags.items(), key=lambda tag: tag[0], shape=lambda tag: {"Key": tag[0], "Value": tag[1]}
    )


async def _change(context: Context, request: Shape, kind: Kind) -> Shape:
    def change(tx: Transaction) -> None:
        entity = kind.find(tx, context.account, request[kind.member])
        entity.tags = without(merged(entity.tags, request.get("Tags", [])), request.get("TagKeys", []))
        kind.put(tx, entity)

    await context.store.transact(change)
    return {}


@service.operation("TagUser", access=on(USER))
async def tag_user(context: Context, request: Shape) -> Shape:
    return await _change(context, request, USER)


@service.operation("UntagUser", access=on(USER))
async def untag_user(context: Context, request: Shape) -> Shape:
    return await _change(context, request, USER)


@service.operation("ListUserTags", access=on(USER))
async def list_user_tags(context: Context, request: Shape) -> Shape:
    return tags_listing(request, USER.find(context.store, context.account, request["UserName"]).tags)


@service.operation("TagRole", access=on(ROLE))
async def tag_role(context: Context, request: Shape) -> Shape:
    return await _change(context, request, ROLE)


@service.operation("UntagRole", access=on(ROLE))
async def untag_role(context: Context, request: Shape) -> Shape:
    return await _change(context, request, ROLE)


@service.operation("ListRoleTags", access=on(ROLE))
async def list_role_tags(context: Context, request: Shape) -> Shape:
    return tags_listing(request, ROLE.find(context.store, context.account, request["RoleName"]).tags)
