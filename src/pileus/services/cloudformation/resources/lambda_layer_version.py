"""AWS::Lambda::LayerVersion."""

from __future__ import annotations

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent
from pileus.services.cloudformation.schemas import members

_DIRECT = ("Content", "CompatibleRuntimes", "CompatibleArchitectures", "Description", "LicenseInfo")


async def create(work: Work) -> None:
    name = work.properties.get("LayerName") or work.name("", 140)
    published = await work.call("lambda", "PublishLayerVersion", LayerName=name, **work.given(*_DIRECT))
    await work.identify(published["LayerVersionArn"])
    work.attributes = {"LayerVersionArn": published["LayerVersionArn"]}


async def delete(work: Work) -> None:
    layer, _, version = work.physical_id.rpartition(":")
    request = {"LayerName": layer, "VersionNumber": int(version)}
    await absent(work.call("lambda", "DeleteLayerVersion", **request), "ResourceNotFoundException")


LAYER_VERSION = ResourceType(
    "AWS::Lambda::LayerVersion",
    properties={"LayerName": str, **members("lambda", "PublishLayerVersion", _DIRECT)},
    create=create, delete=delete,
    required=frozenset({"Content"}),
    create_only=frozenset({"LayerName", *_DIRECT}),
    attributes=frozenset({"LayerVersionArn"}),
)  # fmt: skip
