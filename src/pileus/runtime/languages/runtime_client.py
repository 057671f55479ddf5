"""The native half of `awslambdaric` in Python, for interpreters that its compiled one does not fit.

Same functions, same answers: see `runtime_client.cpp` in https://github.com/aws/aws-lambda-python-runtime-interface-client.
It runs inside functions, as /var/runtime/runtime_client.py.
"""

from __future__ import annotations

import http.client
import os

_PATH = "/2018-06-01/runtime/"
_agent = ""
_connection: http.client.HTTPConnection | None = None


def initialize_client(user_agent: str) -> None:
    global _agent
    _agent = user_agent


def _call(
    method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    global _connection
    if _connection is None:
        _connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        _connection.request(method, _PATH + path, body, {"User-Agent": _agent, **(headers or {})})
        response = _connection.getresponse()
        return response.status, response.headers, response.read()
    except BaseException:
        _connection.close()
        _connection = None
        raise


def next() -> tuple[bytes, dict[str, str]]:
    status, headers, body = _call("GET", "invocation/next")
    if status != 200:
        raise RuntimeError(f"Failed to get next invocation: {status}")
    return body, dict(headers.items())


def post_invocation_result(request_id: str, body: bytes, content_type: str, invocation_id: str | None = None) -> None:
    status, _, _ = _call("POST", f"invocation/{request_id}/response", body, {"Content-Type": content_type})
    if status not in (202, 413):
        raise RuntimeError(f"Failed to post invocation response: {status}")


def post_error(request_id: str, error: str, xray_fault: str, invocation_id: str | None = None) -> None:
    headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": "Unhandled"}
    status, _, _ = _call("POST", f"invocation/{request_id}/error", error.encode(), headers)
    if status != 202:
        raise RuntimeError(f"Failed to post invocation error: {status}")
