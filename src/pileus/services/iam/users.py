"""Users: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_users.html"""

from __future__ import annotations

from collections.abc import Iterable

from pileus.aws.identifiers import unique_id
from pileus.security.identities import USERS, User, user
from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.access_keys import keys_of, move_keys
from pileus.services.iam.entities import USER, action, check_boundary, date, on, on_account, own_name, user_shape
from pileus.services.iam.errors import delete_conflict, entity_already_exists
from pileus.services.iam.listings import entity_listing
from pileus.services.iam.tags import merged
from pileus.services.operation import Access, Shape
from pileus.store.interface import Transaction


@service.operation("CreateUser", access=on(USER))
async def create_user(context: Context, request: Shape) -> Shape:
    account, name = context.account, request["UserName"]

    def create(tx: Transaction) -> User:
        if user(tx, account, name):
            raise entity_already_exists(f"User with name {name} already exists.")
        made = User(
            account=account,
            name=name,
            path=request.get("Path", "/"),
            id=unique_id("AIDA"),
            created=context.received,
            tags=merged({}, request.get("Tags", [])),
            boundary=check_boundary(tx, account, request.get("PermissionsBoundary")),
        )
        USER.put(tx, made)
        return made

    made = await context.store.transact(create)
    return {"User": user_shape(made, detail=True)}


def _on_user_or_self(context: Context, request: Shape) -> Access | Iterable[Access]:
    if _asks_for_root(context, request):
        return Access(action(context), context.principal.arn)
    return on(USER)(context, request)


def _asks_for_root(context: Context, request: Shape) -> bool:
    return context.principal.kind == "root" and not request.get("UserName")


@service.operation("GetUser", access=_on_user_or_self)
async def get_user(context: Context, request: Shape) -> Shape:
    if _asks_for_root(context, request):
        return {
            "User": {
                "Path": "/",
                "UserName": "root",
                "UserId": context.account,
                "Arn": context.principal.arn,
                "CreateDate": date(0),
            }
        }
    found = USER.find(context.store, context.account, own_name(context, request))
    return {"User": user_shape(found, detail=True)}


@service.operation("ListUsers", access=on_account("user/"))
async def list_users(context: Context, request: Shape) -> Shape:
    return entity_listing("Users", context, request, USERS, user_shape)


@service.operation("UpdateUser", access=on(USER))
async def update_user(context: Context, request: Shape) -> Shape:
    account, name, new_name = context.account, request["UserName"], request.get("NewUserName")

    def update(tx: Transaction) -> None:
        found = USER.find(tx, account, name)
        if new_name and new_name.lower() != name.lower() and user(tx, account, new_name):
            raise entity_already_exists(f"User with name {new_name} already exists.")
        USER.delete(tx, found)
        found.name = new_name or found.name
        found.path = request.get("NewPath") or found.path
        USER.put(tx, found)
        move_keys(tx, account, name, found)

    await context.store.transact(update)
    return {}


@service.operation("DeleteUser", access=on(USER))
async def delete_user(context: Context, request: Shape) -> Shape:
    account = context.account

    def delete(tx: Transaction) -> None:
        found: User = USER.find(tx, account, request["UserName"])
        if keys_of(tx, account, found.name):
            raise delete_conflict("Cannot delete entity, must delete access keys first.")
        if found.groups:
            raise delete_conflict("Cannot delete entity, must remove users from group first.")
        if found.attached:
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if found.inline:
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        USER.delete(tx, found)

    await context.store.transact(delete)
    return {}
