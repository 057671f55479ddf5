"""The headers with which a runtime is given an invocation.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-next
"""

from __future__ import annotations

import msgspec

from pileus.runtime.interface import Invocation


def headers(invocation: Invocation, deadline_ms: int, trace: str) -> str:
    lines = (
        f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {invocation.invoked_arn}\r\n"
        f"Lambda-Runtime-Trace-Id: {_one_line(trace)}\r\n"
    )
    # A header that is there but empty crashes some runtime clients.
    if invocation.client_context:
        lines += f"Lambda-Runtime-Client-Context: {_one_line(invocation.client_context)}\r\n"
    if invocation.cognito_identity_id:
        identity = {
            "cognitoIdentityId": invocation.cognito_identity_id,
            "cognitoIdentityPoolId": invocation.cognito_identity_pool_id,
        }
        lines += f"Lambda-Runtime-Cognito-Identity: {msgspec.json.encode(identity).decode()}\r\n"
    return lines


def _one_line(text: str) -> str:
    """Whatever the caller put into it."""
    return text.replace("\r", " ").replace("\n", " ")
