"""Roles: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html"""

from __future__ import annotations

from pileus.aws.identifiers import unique_id
from pileus.security.activity import LAST_USED
from pileus.security.identities import ROLES, Role, role
from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.documents import trust_policy
from pileus.services.iam.entities import ROLE, check_boundary, date, on, on_account, role_shape
from pileus.services.iam.errors import delete_conflict, entity_already_exists, invalid_input
from pileus.services.iam.listings import entity_listing
from pileus.services.iam.tags import merged
from pileus.services.operation import Shape
from pileus.store.interface import Transaction

_RESERVED_PATHS = ("/aws-service-role/", "/aws-reserved/")


@service.operation("CreateRole", access=on(ROLE))
async def create_role(context: Context, request: Shape) -> Shape:
    account, name = context.account, request["RoleName"]

    def create(tx: Transaction) -> Role:
        if request.get("Path", "/").startswith(_RESERVED_PATHS):
            raise invalid_input(f"The path {request['Path']} is reserved for roles of AWS's services.")
        if role(tx, account, name):
            raise entity_already_exists(f"Role with name {name} already exists.")
        made = Role(
            account=account,
            name=name,
            path=request.get("Path", "/"),
            id=unique_id("AROA"),
            created=context.received,
            trust=request["AssumeRolePolicyDocument"],
            trusted=trust_policy(tx, request["AssumeRolePolicyDocument"]),
            description=request.get("Description", ""),
            max_session_duration=request.get("MaxSessionDuration", 3600),
            tags=merged({}, request.get("Tags", [])),
            boundary=check_boundary(tx, account, request.get("PermissionsBoundary")),
        )
        ROLE.put(tx, made)
        return made

    shape = role_shape(context.store, await context.store.transact(create), detail=True)
    # As recorded: only GetRole and the listings tell it.
    del shape["MaxSessionDuration"]
    return {"Role": shape}


@service.operation("GetRole", access=on(ROLE))
async def get_role(context: Context, request: Shape) -> Shape:
    found = ROLE.find(context.store, context.account, request["RoleName"])
    used = LAST_USED.get(context.store, found.arn)
    last = {"LastUsedDate": date(used.time), "Region": used.region} if used else {}
    return {"Role": {**role_shape(context.store, found, detail=True), "RoleLastUsed": last}}


@service.operation("ListRoles", access=on_account("role/"))
async def list_roles(context: Context, request: Shape) -> Shape:
    return entity_listing("Roles", context, request, ROLES, lambda found: role_shape(context.store, found))


@service.operation("UpdateRole", access=on(ROLE))
async def update_role(context: Context, request: Shape) -> Shape:
    def update(tx: Transaction) -> None:
        found: Role = ROLE.find(tx, context.account, request["RoleName"])
        found.description = request.get("Description", found.description)
        found.max_session_duration = request.get("MaxSessionDuration", found.max_session_duration)
        ROLE.put(tx, found)

    await context.store.transact(update)
    return {}


@service.operation("UpdateRoleDescription", access=on(ROLE))
async def update_role_description(context: Context, request: Shape) -> Shape:
    def update(tx: Transaction) -> Role:
        found: Role = ROLE.find(tx, context.account, request["RoleName"])
        found.description = request["Description"]
        ROLE.put(tx, found)
        return found

    return {"Role": role_shape(context.store, await context.store.transact(update), detail=True)}


@service.operation("UpdateAssumeRolePolicy", access=on(ROLE))
async def update_assume_role_policy(context: Context, request: Shape) -> Shape:
    def update(tx: Transaction) -> None:
        found: Role = ROLE.find(tx, context.account, request["RoleName"])
        found.trusted = trust_policy(tx, request["PolicyDocument"])
        found.trust = request["PolicyDocument"]
        ROLE.put(tx, found)

    await context.store.transact(update)
    return {}


@service.operation("DeleteRole", access=on(ROLE))
async def delete_role(context: Context, request: Shape) -> Shape:
    def delete(tx: Transaction) -> None:
        found: Role = ROLE.find(tx, context.account, request["RoleName"])
        if found.attached:
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if found.inline:
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        ROLE.delete(tx, found)

    await context.store.transact(delete)
    return {}
