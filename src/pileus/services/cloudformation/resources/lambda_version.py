"""AWS::Lambda::Version."""

from __future__ import annotations

from pileus.services.cloudformation.resources.resource import ResourceType, Work, absent
from pileus.services.cloudformation.schemas import members

_DIRECT = ("FunctionName", "Description", "CodeSha256")


async def create(work: Work) -> None:
    published = await work.call("lambda", "PublishVersion", **work.given(*_DIRECT))
    await work.identify(published["FunctionArn"])
    work.attributes = {"Version": published["Version"], "FunctionArn": published["FunctionArn"]}


async def delete(work: Work) -> None:
    function, _, version = work.physical_id.rpartition(":")
    request = {"FunctionName": function, "Qualifier": version}
    await absent(work.call("lambda", "DeleteFunction", **request), "ResourceNotFoundException")


VERSION = ResourceType(
    "AWS::Lambda::Version",
    properties=members("lambda", "PublishVersion", _DIRECT),
    create=create, delete=delete,
    required=frozenset({"FunctionName"}),
    create_only=frozenset(_DIRECT),
    attributes=frozenset({"Version", "FunctionArn"}),
)  # fmt: skip
