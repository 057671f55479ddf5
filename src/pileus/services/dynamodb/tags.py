"""TagResource, UntagResource, ListTagsOfResource."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pileus.aws import arn as arns
from pileus.aws.errors import AWSError
from pileus.services.context import Context
from pileus.services.dynamodb import service, tag_records
from pileus.services.dynamodb.access import table_access
from pileus.services.dynamodb.catalog import find_table
from pileus.services.dynamodb.errors import resource_not_found, validation
from pileus.services.dynamodb.schema import Table
from pileus.services.operation import Access, AccessRule, Shape

_TABLE = re.compile(r"table/[a-zA-Z0-9_.-]{3,255}", re.ASCII)


def _table_name(resource: str) -> str:
    """The ARN of the table, checked in form."""
    try:
        parsed = arns.parse(resource)
    except ValueError:
        parsed = None
    if not resource.startswith("arn:"):
        raise validation(f"Invalid ResourceArn: ARNs must start with 'arn:': {resource}")
    if parsed is None or parsed.service != "dynamodb" or not _TABLE.fullmatch(parsed.resource):
        raise validation(f"Invalid TableArn: Invalid ResourceArn provided as input {resource}")
    return resource


def tagged(action: str) -> AccessRule:
    def access(context: Context, request: Shape) -> Iterable[Access]:
        name = _table_name(request["ResourceArn"])
        return (table_access(context, action, name, request=request),)

    return access


def _table(context: Context, resource: str, detail: bool = True) -> Table:
    name = _table_name(resource)
    if arns.parse(name).account != context.account:
        raise AWSError("AccessDeniedException", "Cross-account tagging is not supported", status=400)
    table = find_table(context, name)
    if table is None:
        tail = f": ResourcArn: {resource} not found" if detail else ""
        raise resource_not_found(f"Requested resource not found{tail}")
    return table


@service.operation("TagResource", access=tagged("TagResource"))
async def tag_resource(context: Context, request: Shape) -> Shape:
    if not request["Tags"]:
        raise validation("Atleast one Tag needs to be provided as Input.")
    tags = tag_records.checked(request["Tags"])
    number = _table(context, request["ResourceArn"]).record.number
    await context.store.transact(lambda tx: tag_records.put(tx, number, tags))
    return {}


@service.operation("UntagResource", access=tagged("UntagResource"))
async def untag_resource(context: Context, request: Shape) -> Shape:
    if not request["TagKeys"]:
        raise validation("Atleast one Tag Key needs to be provided as Input.")
    for key in request["TagKeys"]:
        tag_records.refuse_reserved(key)
    number = _table(context, request["ResourceArn"], detail=False).record.number
    await context.store.transact(lambda tx: tag_records.remove(tx, number, request["TagKeys"]))
    return {}


@service.operation("ListTagsOfResource", access=tagged("ListTagsOfResource"))
async def list_tags_of_resource(context: Context, request: Shape) -> Shape:
    number = _table(context, request["ResourceArn"]).record.number
    tags = tag_records.get(context.store, number)
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
