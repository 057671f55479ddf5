"""Tags of functions and event source mappings."""

from __future__ import annotations

from pileus.services.context import Context
from pileus.services.lambda_ import limits, service
from pileus.services.lambda_.access import request_tags, to_function
from pileus.services.lambda_.configuration import invalid
from pileus.services.lambda_.names import FunctionName, parse
from pileus.services.lambda_.records import FUNCTIONS, Function, get_function
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store.interface import Transaction


def check_tags(tags: dict[str, str]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html#configuration-tags-restrictions"""
    if len(tags) > limits.TAGS:
        raise invalid("Number of tags exceeds resource tag limit.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise invalid(f"Tag keys starting with 'aws:' are reserved for system use: {key}")


def _function(context: Context, request: Shape) -> FunctionName:
    name = parse(context, request["Resource"])
    if name.qualifier:
        raise invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
    return name


def _on_resource(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        keys = request_tags(request)
        if request.get("TagKeys"):
            keys["aws:tagkeys"] = tuple(request["TagKeys"])
        return to_function(context, action, parse(context, request["Resource"]).at(""), keys)

    return rule


@service.operation("ListTags", access=_on_resource("ListTags"))
async def list_tags(context: Context, request: Shape) -> Shape:
    return {"Tags": get_function(context.store, _function(context, request)).tags}


@service.operation("TagResource", access=_on_resource("TagResource"))
async def tag_resource(context: Context, request: Shape) -> None:
    name = _function(context, request)

    def change(tx: Transaction) -> None:
        function = get_function(tx, name)
        _retag(tx, name, function, {**function.tags, **request["Tags"]})

    if not request["Tags"]:
        raise invalid("An error occurred and the request cannot be processed.")
    await context.store.transact(change)


@service.operation("UntagResource", access=_on_resource("UntagResource"))
async def untag_resource(context: Context, request: Shape) -> None:
    name = _function(context, request)

    def change(tx: Transaction) -> None:
        function = get_function(tx, name)
        left = {key: value for key, value in function.tags.items() if key not in request["TagKeys"]}
        _retag(tx, name, function, left)

    await context.store.transact(change)


def _retag(tx: Transaction, name: FunctionName, function: Function, tags: dict[str, str]) -> None:
    check_tags(tags)
    function.tags = tags
    FUNCTIONS.put(tx, *name.key, value=function)
