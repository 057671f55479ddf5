"""AddTagsToResource, RemoveTagsFromResource, ListTagsForResource: tags of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.operation import Access, AccessRule, Shape
from pileus.services.ssm import service
from pileus.services.ssm.records import PARAMETERS, Key, access, find, invalid, missing, own, select
from pileus.services.system_tags import own as own_tags
from pileus.services.system_tags import reserved
from pileus.store.interface import Reader, Transaction

MOST = 50


def checked_tags(tags: Iterable[Shape]) -> dict[str, str]:
    made = {tag["Key"]: tag["Value"] for tag in tags}
    _check_keys(made)
    if len(made) > MOST:
        raise AWSError("TooManyTagsError", f"The Targets parameter includes too many tags; {MOST} are allowed.")
    return made


def _check_keys(keys: Iterable[str]) -> None:
    for key in keys:
        if reserved(key):
            raise invalid(f"{key}: tag keys that begin with aws: are reserved for system use.")


def _on_resource(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}
        keys = {f"aws:requesttag/{name.lower()}": value for name, value in tags.items()}
        named = (*tags, *(request.get("TagKeys") or ()))
        more = {"aws:tagkeys": named} if named else {}
        return access(context, action, select(context, request["ResourceId"]).key, **keys, **more)

    return rule


def _key(context: Context, request: Shape) -> Key:
    if request["ResourceType"] != "Parameter":
        raise option_not_implemented(f"tags of the resource type {request['ResourceType']}")
    return own(context, select(context, request["ResourceId"]).key)


def _there(reader: Reader, key: Key) -> dict[str, str]:
    try:
        return find(reader, key).tags
    except AWSError as error:
        if error.code != missing().code:
            raise
        raise AWSError("InvalidResourceId", f"The resource ID {key.name} isn't valid.") from None


async def _change(context: Context, key: Key, changed: Callable[[dict[str, str]], dict[str, str]]) -> Shape:
    def change(tx: Transaction) -> None:
        tags = changed(_there(tx, key))
        if len(own_tags(tags)) > MOST:
            raise AWSError("TooManyTagsError", f"A parameter can have at most {MOST} tags.")
        parameter = find(tx, key)
        parameter.tags = tags
        PARAMETERS.put(tx, *key, value=parameter)

    await context.store.transact(change)
    return {}


@service.operation("AddTagsToResource", access=_on_resource("AddTagsToResource"))
async def add_tags_to_resource(context: Context, request: Shape) -> Shape:
    added = checked_tags(request["Tags"])
    return await _change(context, _key(context, request), lambda tags: tags | added)


@service.operation("RemoveTagsFromResource", access=_on_resource("RemoveTagsFromResource"))
async def remove_tags_from_resource(context: Context, request: Shape) -> Shape:
    gone = set(request["TagKeys"])
    _check_keys(gone)
    return await _change(
        context, _key(context, request), lambda tags: {key: value for key, value in tags.items() if key not in gone}
    )


@service.operation("ListTagsForResource", access=_on_resource("ListTagsForResource"))
async def list_tags_for_resource(context: Context, request: Shape) -> Shape:
    tags = _there(context.store, _key(context, request))
    return {"TagList": [{"Key": key, "Value": value} for key, value in tags.items()]}
