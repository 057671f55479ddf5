"""IAM's errors, in its words."""

from __future__ import annotations

from pileus.aws.errors import AWSError


def no_such_entity(message: str) -> AWSError:
    return AWSError("NoSuchEntity", message, status=404)


def entity_already_exists(message: str) -> AWSError:
    return AWSError("EntityAlreadyExists", message, status=409)


def delete_conflict(message: str) -> AWSError:
    return AWSError("DeleteConflict", message, status=409)


def limit_exceeded(message: str) -> AWSError:
    return AWSError("LimitExceeded", message, status=409)


def invalid_input(message: str) -> AWSError:
    return AWSError("InvalidInput", message, status=400)


def validation_error(message: str) -> AWSError:
    return AWSError("ValidationError", message, status=400)
