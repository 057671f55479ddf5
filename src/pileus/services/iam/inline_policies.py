"""Policies that live inside a user, group or role: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-vs-inline.html"""

from __future__ import annotations

from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.documents import identity_policy, size
from pileus.services.iam.entities import GROUP, ROLE, USER, Kind, encoded, on
from pileus.services.iam.errors import limit_exceeded, no_such_entity
from pileus.services.iam.listings import listing
from pileus.services.operation import Shape
from pileus.store.interface import Transaction


async def _put(context: Context, request: Shape, kind: Kind) -> Shape:
    def put(tx: Transaction) -> None:
        entity = kind.find(tx, context.account, request[kind.member])
        identity_policy(request["PolicyDocument"])
        entity.inline = {**entity.inline, request["PolicyName"]: request["PolicyDocument"]}
        if sum(size(text) for text in entity.inline.values()) > kind.inline_limit:
            raise limit_exceeded(
                f"Maximum policy size of {kind.inline_limit} bytes exceeded for {kind.word} {entity.name}"
            )
        kind.put(tx, entity)

    await context.store.transact(put)
    return {}


def _get(context: Context, request: Shape, kind: Kind) -> Shape:
    entity = kind.find(context.store, context.account, request[kind.member])
    name = request["PolicyName"]
    if name not in entity.inline:
        raise no_such_entity(f"The {kind.word} policy with name {name} cannot be found.")
    return {kind.member: entity.name, "PolicyName": name, "PolicyDocument": encoded(entity.inline[name])}


async def _delete(context: Context, request: Shape, kind: Kind) -> Shape:
    name = request["PolicyName"]

    def delete(tx: Transaction) -> None:
        entity = kind.find(tx, context.account, request[kind.member])
        if name not in entity.inline:
            raise no_such_entity(f"The {kind.word} policy with name {name} cannot be found.")
        entity.inline = {other: text for other, text in entity.inline.items() if other != name}
        kind.put(tx, entity)

    await context.store.transact(delete)
    return {}


def _list(context: Context, request: Shape, kind: Kind) -> Shape:
    entity = kind.find(context.store, context.account, request[kind.member])
    return listing("PolicyNames", request, entity.inline, key=str, shape=str)


@service.operation("PutUserPolicy", access=on(USER))
async def put_user_policy(context: Context, request: Shape) -> Shape:
    return await _put(context, request, USER)


@service.operation("GetUserPolicy", access=on(USER))
async def get_user_policy(context: Context, request: Shape) -> Shape:
    return _get(context, request, USER)


@service.operation("DeleteUserPolicy", access=on(USER))
async def delete_user_policy(context: Context, request: Shape) -> Shape:
    return await _delete(context, request, USER)


@service.operation("ListUserPolicies", access=on(USER))
async def list_user_policies(context: Context, request: Shape) -> Shape:
    return _list(context, request, USER)


@service.operation("PutGroupPolicy", access=on(GROUP))
async def put_group_policy(context: Context, request: Shape) -> Shape:
    return await _put(context, request, GROUP)


@service.operation("GetGroupPolicy", access=on(GROUP))
async def get_group_policy(context: Context, request: Shape) -> Shape:
    return _get(context, request, GROUP)


@service.operation("DeleteGroupPolicy", access=on(GROUP))
async def delete_group_policy(context: Context, request: Shape) -> Shape:
    return await _delete(context, request, GROUP)


@service.operation("ListGroupPolicies", access=on(GROUP))
async def list_group_policies(context: Context, request: Shape) -> Shape:
    return _list(context, request, GROUP)


@service.operation("PutRolePolicy", access=on(ROLE))
async def put_role_policy(context: Context, request: Shape) -> Shape:
    return await _put(context, request, ROLE)


@service.operation("GetRolePolicy", access=on(ROLE))
async def get_role_policy(context: Context, request: Shape) -> Shape:
    return _get(context, request, ROLE)


@service.operation("DeleteRolePolicy", access=on(ROLE))
async def delete_role_policy(context: Context, request: Shape) -> Shape:
    return await _delete(context, request, ROLE)


@service.operation("ListRolePolicies", access=on(ROLE))
async def list_role_policies(context: Context, request: Shape) -> Shape:
    return _list(context, request, ROLE)
