"""AWS::SSM::Parameter."""

from __future__ import annotations

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent
from pileus.services.cloudformation.schemas import Map, members

_DIRECT = ("Type", "Value", "Description", "AllowedPattern", "DataType", "Tier", "Policies")


async def create(work: Work) -> None:
    # AWS's own naming: not after the stack.
    name = work.properties.get("Name") or f"CFN-{work.logical_id}-{work.suffix}"
    tags = [{"Key": key, "Value": value} for key, value in work.properties.get("Tags", {}).items()]
    await work.create(
        "ssm", "PutParameter", exists="ParameterAlreadyExists", Name=name, **work.given(*_DIRECT), Tags=tags or None
    )
    await work.identify(name)
    _tell(work)


def _tell(work: Work) -> None:
    work.attributes = {name: work.properties[name] for name in ("Type", "Value")}


async def update(work: Work) -> None:
    if work.changed(*_DIRECT):
        await work.call("ssm", "PutParameter", Name=work.physical_id, Overwrite=True, **work.given(*_DIRECT))
    if work.changed("Tags"):
        old, new = (properties.get("Tags", {}) for properties in (work.previous, work.properties))
        resource = {"ResourceType": "Parameter", "ResourceId": work.physical_id}
        gone = sorted(old.keys() - new.keys())
        if gone:
            await work.call("ssm", "RemoveTagsFromResource", **resource, TagKeys=gone)
        if new:
            tags = [{"Key": key, "Value": value} for key, value in new.items()]
            await work.call("ssm", "AddTagsToResource", **resource, Tags=tags)
    _tell(work)


async def delete(work: Work) -> None:
    await absent(work.call("ssm", "DeleteParameter", Name=work.physical_id), "ParameterNotFound")


PARAMETER = ResourceType(
    "AWS::SSM::Parameter",
    properties={"Name": str, "Tags": Map(str), **members("ssm", "PutParameter", _DIRECT)},
    create=create, update=update, delete=delete,
    required=frozenset({"Type", "Value"}),
    create_only=frozenset({"Name"}),
    attributes=frozenset({"Type", "Value"}),
    name_property="Name", tags="Tags",
)  # fmt: skip
