"""AWS's own descriptions of its services, as botocore ships them: the source of every shape, route and constraint."""

from __future__ import annotations

from functools import cache

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

_loader = Loader()


@cache
def service_model(name: str) -> ServiceModel:
    """By botocore's name (`dynamodb`, `cognito-identity`). Raises botocore's UnknownServiceError."""
    return ServiceModel(_loader.load_service_model(name, "service-2"), name)


@cache
def operation_model(service: str, operation: str) -> OperationModel:
    """Raises botocore's OperationNotFoundError."""
    return service_model(service).operation_model(operation)


@cache
def is_public(service: str, operation: str) -> bool:
    """Whether AWS accepts the operation unsigned (GetId, AssumeRoleWithWebIdentity)."""
    model = service_model(service)._service_description["operations"][operation]
    return bool(model.get("authtype") == "none" or model.get("auth") == ["smithy.api#noAuth"])


def streaming_member(shape: Shape | None) -> str | None:
    """The name of the member that is a streaming blob payload, if the shape has one."""
    if shape is None:
        return None
    name: str | None = shape.serialization.get("payload")
    if name is not None:
        member = shape.members[name]
        if member.type_name == "blob" and (member.serialization.get("streaming") or shape.metadata.get("streaming")):
            return name
    return None
