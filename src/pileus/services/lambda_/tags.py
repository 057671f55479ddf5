"""Tags of functions and event source mappings."""

from __future__ import annotations

from collections.abc import Callable

from pileus.aws.arn import parse
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.lambda_ import limits, names, revisions, service
from pileus.services.lambda_.access import request_tags, to_function
from pileus.services.lambda_.configuration import invalid, revision
from pileus.services.lambda_.records import FUNCTIONS, MAPPINGS, get_function
from pileus.services.operation import Access, AccessRule, Shape
from pileus.services.system_tags import own, system
from pileus.store.interface import Reader, Transaction

Tags = dict[str, str]


def check_tags(tags: Tags) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html#configuration-tags-restrictions"""
    if len(tags) > limits.TAGS:
        raise invalid("Number of tags exceeds resource tag limit.")
    for key in system(tags):
        raise invalid(f"Tag keys starting with 'aws:' are reserved for system use: {key}")


def _on_resource(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        keys = request_tags(request)
        if request.get("TagKeys"):
            keys["aws:tagkeys"] = tuple(request["TagKeys"])
        resource = parse(request["Resource"])
        if resource.resource.startswith("function:"):
            return to_function(context, action, names.parse(context, request["Resource"]).at(""), keys)
        return Access(f"lambda:{action}", request["Resource"], keys, owner=resource.account)

    return rule


def _read(context: Context, reader: Reader, text: str) -> tuple[Tags, Callable[[Transaction, Tags], None]]:
    """The tags of a resource, and what keeps others in their place."""
    resource = parse(text)
    kind, _, rest = resource.resource.partition(":")
    if kind == "function":
        name = names.parse(context, text)
        if name.qualifier:
            raise invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
        function = get_function(reader, name)

        def keep_function(tx: Transaction, tags: Tags) -> None:
            function.tags = tags
            FUNCTIONS.put(tx, *name.key, value=function)
            revisions.move(tx, name, revision())

        return function.tags, keep_function
    if kind != "event-source-mapping":
        raise option_not_implemented(f"tags of the resource type {kind}")
    mapping = MAPPINGS.get(reader, resource.account, resource.region, rest)
    if mapping is None:
        raise AWSError("ResourceNotFoundException", f"Event source mapping not found: {text}", Type="User")

    def keep_mapping(tx: Transaction, tags: Tags) -> None:
        mapping.tags = tags
        MAPPINGS.put(tx, resource.account, resource.region, rest, value=mapping)

    return mapping.tags, keep_mapping


@service.operation("ListTags", access=_on_resource("ListTags"))
async def list_tags(context: Context, request: Shape) -> Shape:
    return {"Tags": _read(context, context.store, request["Resource"])[0]}


@service.operation("TagResource", access=_on_resource("TagResource"))
async def tag_resource(context: Context, request: Shape) -> None:
    if not request["Tags"]:
        raise invalid("An error occurred and the request cannot be processed.")
    await _change(context, request["Resource"], lambda tags: {**tags, **request["Tags"]})


@service.operation("UntagResource", access=_on_resource("UntagResource"))
async def untag_resource(context: Context, request: Shape) -> None:
    gone = set(request["TagKeys"])
    await _change(
        context, request["Resource"], lambda tags: {key: value for key, value in tags.items() if key not in gone}
    )


async def _change(context: Context, resource: str, changed: Callable[[Tags], Tags]) -> None:
    def change(tx: Transaction) -> None:
        tags, keep = _read(context, tx, resource)
        after = changed(tags)
        # Theirs are checked, and the system's are as they were.
        check_tags(own(after) | dict(system(after).items() ^ system(tags).items()))
        keep(tx, after)

    await context.store.transact(change)
