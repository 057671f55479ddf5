"""A function's whole resource-based policy, put and got as a document."""

from __future__ import annotations

from typing import Any

import orjson

from pileus.aws.errors import AWSError, option_not_implemented
from pileus.services.context import Context
from pileus.services.lambda_ import revisions, service
from pileus.services.lambda_.access import to_function
from pileus.services.lambda_.configuration import invalid, revision
from pileus.services.lambda_.names import FunctionName, parse
from pileus.services.lambda_.permissions import (
    check_document,
    check_existing,
    check_policy_revision,
    check_principals,
    no_policy,
)
from pileus.services.lambda_.records import POLICIES, ResourcePolicy
from pileus.services.operation import Access, AccessRule, Shape
from pileus.store.interface import Transaction


def _on_resource(action: str) -> AccessRule:
    def rule(context: Context, request: Shape) -> Access:
        return to_function(context, action, _name(context, request))

    return rule


def _name(context: Context, request: Shape) -> FunctionName:
    if ":function:" not in request["ResourceArn"]:
        raise option_not_implemented("policies of resources that are no functions")
    return parse(context, request["ResourceArn"])


@service.operation("PutResourcePolicy", access=_on_resource("PutResourcePolicy"))
async def put_resource_policy(context: Context, request: Shape) -> Shape:
    name = _name(context, request)
    policy = _parsed(request["Policy"])

    def change(tx: Transaction) -> None:
        check_existing(tx, name)
        check_principals(tx, policy.statements)
        before = POLICIES.get(tx, *name.key, name.qualifier) or ResourcePolicy([], revisions.current(tx, name))
        check_policy_revision(before, request.get("RevisionId"), "GetResourcePolicy")
        POLICIES.put(tx, *name.key, name.qualifier, value=policy)
        revisions.move(tx, name, policy.revision)

    await context.store.transact(change)
    return _shape(policy)


@service.operation("GetResourcePolicy", access=_on_resource("GetResourcePolicy"))
async def get_resource_policy(context: Context, request: Shape) -> Shape:
    name = _name(context, request)
    policy = POLICIES.get(context.store, *name.key, name.qualifier)
    if policy is None:
        raise AWSError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
    return _shape(policy)


@service.operation("DeleteResourcePolicy", access=_on_resource("DeleteResourcePolicy"))
async def delete_resource_policy(context: Context, request: Shape) -> None:
    name = _name(context, request)

    def change(tx: Transaction) -> None:
        policy = POLICIES.get(tx, *name.key, name.qualifier)
        if policy is None:
            raise no_policy()
        check_policy_revision(policy, request.get("RevisionId"), "GetResourcePolicy")
        POLICIES.delete(tx, *name.key, name.qualifier)
        revisions.move(tx, name, revision())

    await context.store.transact(change)


def _parsed(text: str) -> ResourcePolicy:
    try:
        document: Any = orjson.loads(text)
    except ValueError:
        raise invalid("The policy is not valid JSON.") from None
    statements = document.get("Statement") if isinstance(document, dict) else None
    listed = [statements] if isinstance(statements, dict) else statements
    if not isinstance(listed, list) or not listed:
        raise invalid("The policy has no statements.")
    policy = ResourcePolicy(
        listed, revision(), str(document.get("Version", "2008-10-17")), str(document.get("Id", "default"))
    )
    check_document(policy)
    return policy


def _shape(policy: ResourcePolicy) -> Shape:
    return {"Policy": orjson.dumps(policy.document).decode(), "RevisionId": policy.revision}
