"""Groups and who is in them: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_groups.html"""

from __future__ import annotations

from collections.abc import Iterator

from pileus.aws.identifiers import unique_id
from pileus.security.identities import GROUPS, USERS, Group, User, group
from pileus.services.context import Context
from pileus.services.iam import service
from pileus.services.iam.entities import GROUP, USER, group_shape, on, on_account, user_shape
from pileus.services.iam.errors import delete_conflict, entity_already_exists
from pileus.services.iam.listings import entity_listing, listing
from pileus.services.operation import Shape
from pileus.store.interface import Reader, Transaction


def members(reader: Reader, found: Group) -> Iterator[User]:
    return (user for _, user in USERS.scan(reader, found.account) if found.name in user.groups)


@service.operation("CreateGroup", access=on(GROUP))
async def create_group(context: Context, request: Shape) -> Shape:
    account, name = context.account, request["GroupName"]

    def create(tx: Transaction) -> Group:
        if group(tx, account, name):
            raise entity_already_exists(f"Group with name {name} already exists.")
        made = Group(
            account=account, name=name, path=request.get("Path", "/"), id=unique_id("AGPA"), created=context.received
        )
        GROUP.put(tx, made)
        return made

    return {"Group": group_shape(await context.store.transact(create))}


@service.operation("GetGroup", access=on(GROUP))
async def get_group(context: Context, request: Shape) -> Shape:
    found = GROUP.find(context.store, context.account, request["GroupName"])
    users = members(context.store, found)
    page = listing("Users", request, users, key=lambda one: one.name.lower(), shape=user_shape)
    return {"Group": group_shape(found), **page}


@service.operation("ListGroups", access=on_account("group/"))
async def list_groups(context: Context, request: Shape) -> Shape:
    return entity_listing("Groups", context, request, GROUPS, group_shape)


@service.operation("UpdateGroup", access=on(GROUP))
async def update_group(context: Context, request: Shape) -> Shape:
    account, new_name = context.account, request.get("NewGroupName")

    def update(tx: Transaction) -> None:
        found: Group = GROUP.find(tx, account, request["GroupName"])
        if new_name and new_name.lower() != found.name.lower() and group(tx, account, new_name):
            raise entity_already_exists(f"Group with name {new_name} already exists.")
        inside = list(members(tx, found))
        GROUP.delete(tx, found)
        old_name, found.name = found.name, new_name or found.name
        found.path = request.get("NewPath") or found.path
        GROUP.put(tx, found)
        for user in inside:
            user.groups = [found.name if name == old_name else name for name in user.groups]
            USER.put(tx, user)

    await context.store.transact(update)
    return {}


@service.operation("DeleteGroup", access=on(GROUP))
async def delete_group(context: Context, request: Shape) -> Shape:
    def delete(tx: Transaction) -> None:
        found: Group = GROUP.find(tx, context.account, request["GroupName"])
        if next(members(tx, found), None):
            raise delete_conflict("Cannot delete entity, must remove users from group first.")
        if found.attached:
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if found.inline:
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        GROUP.delete(tx, found)

    await context.store.transact(delete)
    return {}


@service.operation("AddUserToGroup", access=on(GROUP))
async def add_user_to_group(context: Context, request: Shape) -> Shape:
    def add(tx: Transaction) -> None:
        found: Group = GROUP.find(tx, context.account, request["GroupName"])
        user: User = USER.find(tx, context.account, request["UserName"])
        if found.name not in user.groups:
            user.groups = [*user.groups, found.name]
            USER.put(tx, user)

    await context.store.transact(add)
    return {}


@service.operation("RemoveUserFromGroup", access=on(GROUP))
async def remove_user_from_group(context: Context, request: Shape) -> Shape:
    def remove(tx: Transaction) -> None:
        found: Group = GROUP.find(tx, context.account, request["GroupName"])
        user: User = USER.find(tx, context.account, request["UserName"])
        user.groups = [name for name in user.groups if name != found.name]
        USER.put(tx, user)

    await context.store.transact(remove)
    return {}


@service.operation("ListGroupsForUser", access=on(USER))
async def list_groups_for_user(context: Context, request: Shape) -> Shape:
    user: User = USER.find(context.store, context.account, request["UserName"])
    found = (group(context.store, context.account, name) for name in user.groups)
    groups = [one for one in found if one is not None]
    return listing("Groups", request, groups, key=lambda one: one.name.lower(), shape=group_shape)
