"""DynamoDB's errors, in its own words."""

from __future__ import annotations

from pileus.aws.errors import AWSError


def validation(message: str) -> AWSError:
    return AWSError("ValidationException", message)


def invalid_parameters(message: str) -> AWSError:
    return AWSError("ValidationException", f"One or more parameter values were invalid: {message}")


def serialization(message: str) -> AWSError:
    return AWSError("SerializationException", message, status=400)


def key_mismatch() -> AWSError:
    return AWSError("ValidationException", "The provided key element does not match the schema")


def resource_not_found(message: str = "Requested resource not found") -> AWSError:
    return AWSError("ResourceNotFoundException", message)


def resource_in_use(message: str) -> AWSError:
    return AWSError("ResourceInUseException", message)
