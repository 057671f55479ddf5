"""What each operation must be allowed to do, with DynamoDB's condition keys for fine-grained access.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pileus.security.access import LazyKeys
from pileus.security.policy.document import parse
from pileus.security.policy.patterns import Value
from pileus.services.context import Context
from pileus.services.dynamodb import tag_records
from pileus.services.dynamodb.catalog import find_at, locate
from pileus.services.dynamodb.errors import validation
from pileus.services.dynamodb.expressions.lexer import ExpressionError
from pileus.services.dynamodb.schema import Table, table_arn
from pileus.services.operation import Access, AccessRule, Shape

Describe = Callable[[Table | None, Shape], dict[str, Value]]


class TableKeys(LazyKeys):
    """The condition keys of a request to a table."""

    __slots__ = ("_context", "_describe", "_request", "_table")

    def __init__(self, context: Context, describe: Describe | None, table: Table | None, request: Shape) -> None:
        super().__init__()
        self._context = context
        self._describe = describe
        self._table = table
        self._request = request

    def work_out(self) -> dict[str, Value]:
        try:
            found = self._describe(self._table, self._request) if self._describe is not None else {}
        except ExpressionError as error:
            raise validation(str(error)) from None
        except (KeyError, TypeError, AttributeError, ValueError):
            # Nothing may be allowed, or escape a denial, by what cannot be read.
            raise validation("The request is malformed") from None
        return found | self._tags()

    def _tags(self) -> dict[str, Value]:
        """Those of the table, and those that the request brings
        (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/attribute-based-access-control.html)."""
        keys: dict[str, Value] = {}
        if self._table is not None:
            tags = tag_records.get(self._context.store, self._table.record.number)
            keys.update({f"aws:resourcetag/{key.lower()}": value for key, value in tags.items()})
        given = self._request.get("Tags") or ()
        keys.update({f"aws:requesttag/{tag['Key'].lower()}": tag["Value"] for tag in given})
        names = tuple(tag["Key"] for tag in given) or tuple(self._request.get("TagKeys") or ())
        if names:
            keys["aws:tagkeys"] = names
        return keys


def table_access(
    context: Context, action: str, name: str, *, index: str = "", describe: Describe | None = None, request: Shape
) -> Access:
    """Access to one table, or to one of its indexes."""
    place = account, region, short = locate(context, name)
    table = find_at(context, place)
    resource = table_arn(region, account, short) if table is None else table.arn
    policies = (parse(table.record.policy),) if table is not None and table.record.policy else ()
    keys = TableKeys(context, describe, table, request)
    if index:
        resource = f"{resource}/index/{index}"
    return Access(
        f"dynamodb:{action}", resource, keys, policies, "" if account == context.principal.account else account
    )


def on_table(action: str, parameter: str = "TableName", describe: Describe | None = None) -> AccessRule:
    def access(context: Context, request: Shape) -> Access:
        index = request.get("IndexName") or ""
        return table_access(context, action, request[parameter], index=index, describe=describe, request=request)

    return access


def everything(action: str) -> AccessRule:
    """For operations that act on no particular resource."""

    def access(context: Context, request: Shape) -> Iterable[Access]:
        return (Access(f"dynamodb:{action}", "*"),)

    return access


# What requests touch, for the condition keys


def key_text(value: dict[str, Any]) -> str:
    """A key attribute as dynamodb:LeadingKeys shows it."""
    for content in value.values():
        return str(content)
    return ""


def common_keys(request: Shape) -> dict[str, Value]:
    keys: dict[str, Value] = {}
    for parameter, key in (
        ("ReturnValues", "dynamodb:returnvalues"),
        ("ReturnConsumedCapacity", "dynamodb:returnconsumedcapacity"),
        ("Select", "dynamodb:select"),
    ):
        if request.get(parameter):
            keys[key] = request[parameter]
    if request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and keys.get("dynamodb:returnvalues") in _LESS:
        # A failed condition shows the item as well: who may not ask for all of it cannot have it so.
        keys["dynamodb:returnvalues"] = "ALL_OLD"
    return keys


_LESS = (None, "NONE", "UPDATED_OLD", "UPDATED_NEW")


def default_select(request: Shape) -> str:
    """What a read selects where it does not say: a policy that limits attributes must know of reads of all."""
    if request.get("ProjectionExpression") is not None or request.get("AttributesToGet") is not None:
        return "SPECIFIC_ATTRIBUTES"
    return "ALL_PROJECTED_ATTRIBUTES" if request.get("IndexName") else "ALL_ATTRIBUTES"


def leading_keys(table: Table | None, items: Iterable[dict[str, Any]]) -> dict[str, Value]:
    if table is None:
        return {}
    name = table.record.partition
    found = tuple(dict.fromkeys(key_text(item[name]) for item in items if name in item))
    return {"dynamodb:leadingkeys": found} if found else {}
