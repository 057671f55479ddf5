"""Invoking: synchronously, streaming, asynchronously, dry.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import orjson

from pileus.aws import eventstream
from pileus.aws.errors import AWSError, option_not_implemented
from pileus.runtime.interface import Invocation, Outcome
from pileus.security.principals import Principal
from pileus.services.context import Context
from pileus.services.lambda_ import events, limits, recursion, service
from pileus.services.lambda_.access import on_function
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.functions import settle
from pileus.services.lambda_.names import FunctionName, function_name
from pileus.services.lambda_.records import Version
from pileus.services.operation import Shape

_COGNITO = "cognito-identity.amazonaws.com"


async def prepared(context: Context, name: FunctionName) -> Version:
    """The version to run, ready to."""
    execution = context.cloud.part(Execution)
    version = execution.resolve(name)
    if version.busy:
        await settle(context.cloud, name)
        version = execution.resolve(name)
    return version


@service.operation("Invoke", access=on_function("InvokeFunction"), actions=("lambda:InvokeFunction",))
async def invoke(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    kind = request.get("InvocationType") or "RequestResponse"
    payload = _payload(request, limits.EVENT_BYTES if kind == "Event" else limits.REQUEST_BYTES)
    if request.get("DurableExecutionName") or request.get("TenantId"):
        raise option_not_implemented("DurableExecutionName and TenantId")
    version = await prepared(context, name)
    if kind == "DryRun":
        return {"StatusCode": 204}
    if kind == "Event":
        await events.accept(context, name, payload, identity(context.principal))
        return {"StatusCode": 202}
    invocation = _invocation(context, name, version, request, payload)
    outcome = await context.cloud.part(Execution).run(name, version, invocation)
    answer: Shape = {
        "StatusCode": 200,
        "Payload": outcome.payload,
        "ExecutedVersion": version.configuration.version,
    }
    if outcome.function_error:
        answer["FunctionError"] = outcome.function_error
    if invocation.tail:
        answer["LogResult"] = base64.b64encode(outcome.log_tail).decode()
    return answer


@service.operation("InvokeAsync", access=on_function("InvokeAsync"))
async def invoke_async(context: Context, request: Shape) -> Shape:
    """Deprecated by AWS in favour of Invoke with the type Event, which it is."""
    name = function_name(context, request)
    await prepared(context, name)
    payload = _payload({"Payload": request["InvokeArgs"]}, limits.EVENT_BYTES)
    await events.accept(context, name, payload, identity(context.principal))
    return {"Status": 202}


@service.operation("InvokeWithResponseStream", access=on_function("InvokeFunction"), actions=("lambda:InvokeFunction",))
async def invoke_with_response_stream(context: Context, request: Shape) -> Shape:
    name = function_name(context, request)
    payload = _payload(request, limits.REQUEST_BYTES)
    if request.get("TenantId"):
        raise option_not_implemented("TenantId")
    version = await prepared(context, name)
    if request.get("InvocationType") == "DryRun":
        return {"StatusCode": 204}
    invocation = _invocation(context, name, version, request, payload)
    outcome = await context.cloud.part(Execution).stream(name, version, invocation)
    return {
        "StatusCode": 200,
        "ExecutedVersion": version.configuration.version,
        "ResponseStreamContentType": eventstream.CONTENT_TYPE,
        "EventStream": _response_events(outcome, invocation.tail),
    }


async def _response_events(outcome: Outcome, tail: bool) -> AsyncIterator[bytes]:
    if outcome.stream is not None:
        async for piece in outcome.stream:
            yield _chunk(piece)
    elif not outcome.function_error:
        yield _chunk(outcome.payload)
    complete = {}
    if outcome.function_error:
        complete["ErrorCode"] = outcome.error_type or "Unhandled"
        complete["ErrorDetails"] = outcome.payload.decode("utf-8", "replace") or outcome.error_message
    if tail:
        complete["LogResult"] = base64.b64encode(outcome.log_tail).decode()
    yield eventstream.event("InvokeComplete", orjson.dumps(complete))


def _chunk(piece: bytes) -> bytes:
    return eventstream.event("PayloadChunk", piece, "application/octet-stream")


def identity(principal: Principal) -> tuple[str, str]:
    """The identity and the pool that `context.identity` shows, whichever flow made the caller's credentials."""
    claims = principal.session.web_identity if principal.session else None
    return (claims.subject, claims.audience) if claims and claims.provider == _COGNITO else ("", "")


def _invocation(
    context: Context, name: FunctionName, version: Version, request: Shape, payload: bytes
) -> Invocation:  # fmt: skip
    identity_id, pool_id = identity(context.principal)
    return Invocation(
        request_id=context.request_id,
        payload=payload,
        invoked_arn=name.qualified_arn,
        client_context=_client_context(request.get("ClientContext")),
        cognito_identity_id=identity_id,
        cognito_identity_pool_id=pool_id,
        trace_id=trace(context, name, version),
        tail=request.get("LogType") == "Tail",
    )


def trace(context: Context, name: FunctionName, version: Version) -> str:
    sampled = "1" if version.configuration.tracing_config["Mode"] == "Active" else "0"
    return recursion.traced(context.store, name, context.headers.get("x-amzn-trace-id", ""), sampled)


def _payload(request: Shape, limit: int) -> bytes:
    payload: bytes = request.get("Payload") or b""
    if len(payload) > limit:
        raise _too_large(limit, "InvokeFunction")
    if not payload.strip():
        return b"{}"
    try:
        orjson.loads(payload)
    except ValueError as error:
        raise AWSError(
            "InvalidRequestContentException",
            f"Could not parse request body into json: Could not parse payload into json: {error}",
            Type="User",
        ) from error
    return payload


def _too_large(limit: int, operation: str) -> AWSError:
    return AWSError(
        "RequestTooLargeException",
        f"Request must be smaller than {limit} bytes for the {operation} operation",
        Type="User",
    )


def _client_context(text: str | None) -> str:
    """The JSON that the header brings in base64."""
    if not text:
        return ""
    try:
        decoded = base64.b64decode(text, validate=True)
        if len(text) > limits.CLIENT_CONTEXT_BYTES:
            raise ValueError("too long")
        orjson.loads(decoded)
    except ValueError as error:
        raise AWSError(
            "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.", Type="User"
        ) from error
    return decoded.decode()
