"""Managed policies attached to users, groups and roles."""

from __future__ import annotations

import re

from pileus.security.identities import managed_policy
from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.entities import GROUP, ROLE, USER, Kind, on
from pileus.services.iam.errors import limit_exceeded, no_such_entity, validation_error
from pileus.services.iam.listings import listing
from pileus.services.operation import Shape
from pileus.store.interface import Transaction

_ARN = re.compile(r"^arn:[^:]+:iam::[^:]+:.+$")
POLICIES_PER_ENTITY = 20
"""The most that AWS's quota of 10 can be raised to."""


async def _attach(context: Context, request: Shape, kind: Kind) -> Shape:
    arn = request["PolicyArn"]

    def attach(tx: Transaction) -> None:
        entity = kind.find(tx, context.account, request[kind.member])
        if not _ARN.match(arn):
            raise validation_error("Invalid ARN:  Could not be parsed!")
        policy = managed_policy(tx, arn)
        if policy is None or policy.account not in (context.account, "aws"):
            raise no_such_entity(f"Policy {arn} does not exist or is not attachable.")
        if arn in entity.attached:
            return
        if len(entity.attached) >= POLICIES_PER_ENTITY:
            raise limit_exceeded(f"Cannot exceed quota for PoliciesPer{kind.word.capitalize()}: {POLICIES_PER_ENTITY}")
        entity.attached = [*entity.attached, arn]
        kind.put(tx, entity)

    await context.store.transact(attach)
    return {}


async def _detach(context: Context, request: Shape, kind: Kind) -> Shape:
    arn = request["PolicyArn"]

    def detach(tx: Transaction) -> None:
        entity = kind.find(tx, context.account, request[kind.member])
        if arn not in entity.attached:
            raise no_such_entity(f"Policy {arn} was not found.")
        entity.attached = [other for other in entity.attached if other != arn]
        kind.put(tx, entity)

    await context.store.transact(detach)
    return {}


def _list(context: Context, request: Shape, kind: Kind) -> Shape:
    entity = kind.find(context.store, context.account, request[kind.member])
    prefix = request.get("PathPrefix", "/")
    policies = [found for arn in entity.attached if (found := managed_policy(context.store, arn))]
    return listing(
        "AttachedPolicies",
        request,
        (policy for policy in policies if policy.path.startswith(prefix)),
        key=lambda policy: policy.name,
        shape=lambda policy: {"PolicyName": policy.name, "PolicyArn": policy.arn},
    )


@service.operation("AttachUserPolicy", access=on(USER))
async def attach_user_policy(context: Context, request: Shape) -> Shape:
    return await _attach(context, request, USER)


@service.operation("DetachUserPolicy", access=on(USER))
async def detach_user_policy(context: Context, request: Shape) -> Shape:
    return await _detach(context, request, USER)


@service.operation("ListAttachedUserPolicies", access=on(USER))
async def list_attached_user_policies(context: Context, request: Shape) -> Shape:
    return _list(context, request, USER)


@service.operation("AttachGroupPolicy", access=on(GROUP))
async def attach_group_policy(context: Context, request: Shape) -> Shape:
    return await _attach(context, request, GROUP)


@service.operation("DetachGroupPolicy", access=on(GROUP))
async def detach_group_policy(context: Context, request: Shape) -> Shape:
    return await _detach(context, request, GROUP)


@service.operation("ListAttachedGroupPolicies", access=on(GROUP))
async def list_attached_group_policies(context: Context, request: Shape) -> Shape:
    return _list(context, request, GROUP)


@service.operation("AttachRolePolicy", access=on(ROLE))
async def attach_role_policy(context: Context, request: Shape) -> Shape:
    return await _attach(context, request, ROLE)


@service.operation("DetachRolePolicy", access=on(ROLE))
async def detach_role_policy(context: Context, request: Shape) -> Shape:
    return await _detach(context, request, ROLE)


@service.operation("ListAttachedRolePolicies", access=on(ROLE))
async def list_attached_role_policies(context: Context, request: Shape) -> Shape:
    return _list(context, request, ROLE)
