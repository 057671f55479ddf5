"""Permissions boundaries: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"""

from __future__ import annotations

from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.entities import ROLE, USER, Kind, check_boundary, on
from pileus.services.iam.errors import no_such_entity
from pileus.services.operation import Shape
from pileus.store.interface import Transaction


async def _put(context: Context, request: Shape, kind: Kind) -> Shape:
    def put(tx: Transaction) -> None:
        entity = kind.find(tx, context.account, request[kind.member])
        entity.boundary = check_boundary(tx, context.account, request["PermissionsBoundary"])
        kind.put(tx, entity)

    await context.store.transact(put)
    return {}


async def _delete(context: Context, request: Shape, kind: Kind) -> Shape:
    def delete(tx: Transaction) -> None:
        entity = kind.find(tx, context.account, request[kind.member])
        if not entity.boundary:
            raise no_such_entity(f"The permissions boundary of {kind.word} {entity.name} cannot be found.")
        entity.boundary = ""
        kind.put(tx, entity)

    await context.store.transact(delete)
    return {}


@service.operation("PutUserPermissionsBoundary", access=on(USER))
async def put_user_permissions_boundary(context: Context, request: Shape) -> Shape:
    return await _put(context, request, USER)


@service.operation("DeleteUserPermissionsBoundary", access=on(USER))
async def delete_user_permissions_boundary(context: Context, request: Shape) -> Shape:
    return await _delete(context, request, USER)


@service.operation("PutRolePermissionsBoundary", access=on(ROLE))
async def put_role_permissions_boundary(context: Context, request: Shape) -> Shape:
    return await _put(context, request, ROLE)


@service.operation("DeleteRolePermissionsBoundary", access=on(ROLE))
async def delete_role_permissions_boundary(context: Context, request: Shape) -> Shape:
    return await _delete(context, request, ROLE)
