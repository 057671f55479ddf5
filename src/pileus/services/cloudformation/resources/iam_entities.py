"""What roles, users and groups have in common: inline policies, attached policies, tags, a boundary."""

from __future__ import annotations

from typing import Any, NamedTuple

from pileus.services.cloudformation.resources.resource import Work, absent, document
from pileus.services.cloudformation.schemas import JSON

GONE = "NoSuchEntity"
SHARED: dict[str, Any] = {
    "ManagedPolicyArns": [str],
    "Path": str,
    "Policies": [{"PolicyName": str, "PolicyDocument": JSON}],
}
TAGGED: dict[str, Any] = {"PermissionsBoundary": str, "Tags": [{"Key": str, "Value": str}]}


class Entity(NamedTuple):
    """`noun` as it stands in operations (PutRolePolicy), `key` as it stands in requests (RoleName)."""

    noun: str
    key: str

    def name(self, work: Work) -> dict[str, str]:
        return {self.key: work.physical_id}


async def attach(work: Work, entity: Entity) -> None:
    """Brings everything that hangs on the entity from what was to what is wanted."""
    noun, name = entity.noun, entity.name(work)
    old, new = (set(properties.get("ManagedPolicyArns", [])) for properties in (work.previous, work.properties))
    for policy in sorted(new - old):
        await work.call("iam", f"Attach{noun}Policy", **name, PolicyArn=policy)
    for policy in sorted(old - new):
        await absent(work.call("iam", f"Detach{noun}Policy", **name, PolicyArn=policy), GONE)
    before, after = (_inline(properties) for properties in (work.previous, work.properties))
    for policy, text in after.items():
        if before.get(policy) != text:
            await work.call("iam", f"Put{noun}Policy", **name, PolicyName=policy, PolicyDocument=text)
    for policy in before.keys() - after.keys():
        await absent(work.call("iam", f"Delete{noun}Policy", **name, PolicyName=policy), GONE)
    if work.previous and work.changed("PermissionsBoundary"):
        await _bound(work, entity)
    if work.previous and work.changed("Tags"):
        await _tag(work, entity)


def _inline(properties: dict[str, Any]) -> dict[str, str]:
    return {item["PolicyName"]: document(item["PolicyDocument"]) for item in properties.get("Policies", [])}


async def _bound(work: Work, entity: Entity) -> None:
    boundary = work.properties.get("PermissionsBoundary")
    if boundary:
        operation = f"Put{entity.noun}PermissionsBoundary"
        await work.call("iam", operation, **entity.name(work), PermissionsBoundary=boundary)
    else:
        await work.call("iam", f"Delete{entity.noun}PermissionsBoundary", **entity.name(work))


async def _tag(work: Work, entity: Entity) -> None:
    new = work.properties.get("Tags", [])
    kept = {tag["Key"] for tag in new}
    gone = [tag["Key"] for tag in work.previous.get("Tags", []) if tag["Key"] not in kept]
    if gone:
        await work.call("iam", f"Untag{entity.noun}", **entity.name(work), TagKeys=gone)
    if new:
        await work.call("iam", f"Tag{entity.noun}", **entity.name(work), Tags=new)


async def detach(work: Work, entity: Entity) -> None:
    """Takes off what the template hung on the entity, which cannot be deleted before."""
    work.previous, work.properties = work.given("ManagedPolicyArns", "Policies"), {}
    await attach(work, entity)
