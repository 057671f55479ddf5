"""Cognito's errors, in its words."""

from __future__ import annotations

from pileus.aws.errors import AWSError


def invalid_parameter(message: str) -> AWSError:
    return AWSError("InvalidParameterException", message, status=400)


def not_authorized(message: str) -> AWSError:
    return AWSError("NotAuthorizedException", message, status=400)


def logins_mismatch() -> AWSError:
    return not_authorized(
        "Logins don't match. Please include at least one valid login for this identity or identity pool."
    )


def not_found(kind: str, name: str) -> AWSError:
    return AWSError("ResourceNotFoundException", f"{kind} '{name}' not found.", status=400)


def resource_conflict(message: str) -> AWSError:
    return AWSError("ResourceConflictException", message, status=400)


def invalid_configuration() -> AWSError:
    return AWSError(
        "InvalidIdentityPoolConfigurationException",
        "Invalid identity pool configuration. Check assigned IAM roles for this pool.",
        status=400,
    )
