"""Requests to function URLs: authenticated, authorised, made into an event, and the outcome into a response.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import msgspec
import orjson

from pileus.aws import body as bodies
from pileus.aws import tracing
from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.aws.identifiers import request_id as new_request_id
from pileus.runtime.interface import Invocation, Outcome
from pileus.security import signature
from pileus.security.authentication import Authenticator
from pileus.security.principals import ANONYMOUS, Principal
from pileus.security.signature import SignatureError
from pileus.security.tokens import Opener
from pileus.services.context import Cloud, Context
from pileus.services.lambda_ import limits
from pileus.services.lambda_.access import to_function
from pileus.services.lambda_.execution import Execution
from pileus.services.lambda_.invocations import identity, prepared, trace
from pileus.services.lambda_.names import FunctionName
from pileus.services.lambda_.records import URL_CONFIGS, URL_OWNERS, UrlConfig

_FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see:"
    " https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
_NOT_SHOWN = frozenset({"authorization", "connection"})
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")
_OWN_RESPONSE = "application/vnd.awslambda.http-integration-response"
_PRELUDE_END = b"\0" * 8
_LONGEST_PRELUDE = 1 << 20


class _Authentication:
    """One a worker process: opened session tokens are remembered."""

    def __init__(self, cloud: Cloud) -> None:
        self.authenticator = Authenticator(
            cloud.store, Opener(cloud.keyring.sealer), cloud.clock, cloud.settings.region
        )


async def handle(cloud: Cloud, identifier: str, request: Request) -> Response:
    """Answers a request to the URL with this id. Never raises for what a client sent."""
    owner = URL_OWNERS.get(cloud.store, identifier)
    name = FunctionName(owner.account, owner.region, owner.name, owner.qualifier) if owner else None
    config = URL_CONFIGS.get(cloud.store, *name.key, name.qualifier) if name else None
    if name is None or config is None:
        return _denied(None)
    origin = request.headers.get("origin")
    if config.cors and origin and request.method == "OPTIONS" and "access-control-request-method" in request.headers:
        return Response(200, _preflight(config.cors, origin, request))
    response = await _answer(cloud, name, config, request)
    if config.cors and origin:
        response.headers.update(_shared(config.cors, origin))
    return response


async def _answer(cloud: Cloud, name: FunctionName, config: UrlConfig, request: Request) -> Response:
    try:
        content = await bodies.read(request.body, limits.REQUEST_BYTES)
    except ValueError:
        return _message(413, "Request Entity Too Large")
    try:
        principal = _principal(cloud, config, request, content)
    except SignatureError as error:
        return _denied(error.message or _FORBIDDEN)
    context = Context(
        cloud=cloud,
        principal=principal,
        region=name.region,
        request_id=new_request_id(),
        service="lambda",
        operation="InvokeFunctionUrl",
        received=cloud.clock.time(),
        source_ip=request.source_ip,
        secure=cloud.is_secure(request),
        user_agent=request.headers.get("user-agent", ""),
        headers=request.headers,
        host=request.host,
    )
    try:
        _authorise(context, name, config)
        response = await _invoke(context, name, config, request, content)
        response.headers.setdefault("x-amzn-requestid", context.request_id)
        return response
    except AWSError as error:
        if error.code == "AccessDenied":
            return _denied(_FORBIDDEN)
        if error.code == "TooManyRequestsException":
            return _message(429, error.message)
        return _message(502, "Internal Server Error")


def _principal(cloud: Cloud, config: UrlConfig, request: Request, content: bytes) -> Principal:
    if config.auth_type == "NONE":
        return ANONYMOUS
    digest = hashlib.sha256(content).hexdigest()
    claim = signature.parse(request)
    return cloud.part(_Authentication).authenticator.authenticate(request, claim, "lambda", digest).principal


def _authorise(context: Context, name: FunctionName, config: UrlConfig) -> None:
    """Both permissions are needed, as for all URLs made since October 2025
    (https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html)."""
    url = {"lambda:functionurlauthtype": config.auth_type}
    via = {"lambda:invokedviafunctionurl": "true"}
    context.cloud.authorizer.authorize(
        context,
        (to_function(context, "InvokeFunctionUrl", name, url), to_function(context, "InvokeFunction", name, via)),
    )


async def _invoke(
    context: Context, name: FunctionName, config: UrlConfig, request: Request, content: bytes
) -> Response:  # fmt: skip
    version = await prepared(context, name)
    identity_id, pool_id = identity(context.principal)
    trace_id = trace(context, name, version)
    invocation = Invocation(
        request_id=context.request_id,
        payload=orjson.dumps(_event(context, config, request, content, trace_id)),
        invoked_arn=name.qualified_arn,
        cognito_identity_id=identity_id,
        cognito_identity_pool_id=pool_id,
        trace_id=trace_id,
    )
    execution = context.cloud.part(Execution)
    if config.invoke_mode == "RESPONSE_STREAM":
        return await _streamed(await execution.stream(name, version, invocation))
    outcome = await execution.run(name, version, invocation)
    return _buffered(outcome)


def _event(context: Context, config: UrlConfig, request: Request, content: bytes, trace_id: str) -> dict[str, Any]:
    """The request in payload format 2.0."""
    now = context.cloud.clock.now()
    headers = {name: value for name, value in request.headers.items() if name not in _NOT_SHOWN}
    headers.setdefault("x-amzn-trace-id", f"Root={tracing.fields(trace_id)['Root']}")
    headers["x-forwarded-for"] = request.source_ip
    headers["x-forwarded-proto"] = "https" if request.secure else "http"
    headers["x-forwarded-port"] = request.headers.get("host", "").partition(":")[2] or "80"
    about: dict[str, Any] = {
        "accountId": "anonymous" if context.principal.kind == "anonymous" else context.account,
        "apiId": config.id,
        "domainName": request.host,
        "domainPrefix": config.id,
        "http": {
            "method": request.method,
            "path": _path(request),
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": context.user_agent,
        },
        "requestId": context.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": _common_log_time(now),
        "timeEpoch": int(now.timestamp() * 1000),
    }
    if context.principal.kind != "anonymous":
        about["authorizer"] = {"iam": _caller(context.principal)}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": _path(request),
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": about,
        "isBase64Encoded": False,
    }
    cookies = [cookie.strip() for cookie in request.headers.get("cookie", "").split(";") if cookie.strip()]
    if cookies:
        event["cookies"] = cookies
    parameters: dict[str, str] = {}
    for key, value in request.parameters:
        key, value = _printable(key), _printable(value.replace("+", " "))
        parameters[key] = f"{parameters[key]},{value}" if key in parameters else value
    if parameters:
        event["queryStringParameters"] = parameters
    if content:
        _embed(event, content, request.headers.get("content-type", ""))
    return event


def _path(request: Request) -> str:
    try:
        return request.path
    except UnicodeDecodeError:
        return request.raw_path


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _embed(event: dict[str, Any], content: bytes, content_type: str) -> None:
    if content_type.startswith(_TEXT_TYPES) or not content_type:
        try:
            event["body"] = content.decode()
            return
        except UnicodeDecodeError:
            pass
    event["body"] = base64.b64encode(content).decode()
    event["isBase64Encoded"] = True


def _caller(principal: Principal) -> dict[str, Any]:
    return {
        "accessKey": principal.access_key_id,
        "accountId": principal.account,
        "callerId": principal.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": principal.arn,
        "userId": principal.user_id,
    }


def _common_log_time(now: datetime) -> str:
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{now.day:02d}/{months[now.month - 1]}/{now:%Y:%H:%M:%S} +0000"


def _buffered(outcome: Outcome) -> Response:
    if outcome.function_error:
        return _message(502, "Internal Server Error", plain=True)
    try:
        answer = orjson.loads(outcome.payload)
    except ValueError:
        return Response(200, {"content-type": "application/json"}, outcome.payload)
    if not isinstance(answer, dict) or "statusCode" not in answer:
        payload = answer.encode() if isinstance(answer, str) else msgspec.json.format(outcome.payload, indent=-1)
        return Response(200, {"content-type": "application/json"}, payload)
    content = answer.get("body", "")
    if not isinstance(content, str):
        content = orjson.dumps(content).decode() if content is not None else ""
    try:
        data = base64.b64decode(content, validate=True) if answer.get("isBase64Encoded") else content.encode()
        return Response(_status(answer), _headers(answer), data, _cookies(answer))
    except (ValueError, TypeError, AttributeError):
        return _message(502, "Internal Server Error", plain=True)


def _status(answer: dict[str, Any]) -> int:
    status = int(answer.get("statusCode") or 200)
    if not 100 <= status <= 599:
        raise ValueError("no HTTP status")
    return status


def _headers(answer: dict[str, Any]) -> dict[str, str]:
    """What the function says of its response; what belongs to the connection is not its to say."""
    headers = {"content-type": "application/json"}
    for name, value in (answer.get("headers") or {}).items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        if not _is_token(name) or any(ord(letter) < 32 and letter != "\t" for letter in text):
            raise ValueError("no HTTP header")
        if name.lower() not in ("connection", "content-length", "transfer-encoding", "upgrade"):
            headers[name.lower()] = text
    return headers


def _cookies(answer: dict[str, Any]) -> list[str]:
    return [str(cookie) for cookie in answer.get("cookies") or ()]


def _is_token(name: str) -> bool:
    return bool(name) and all(33 <= ord(letter) < 127 and letter not in '()<>@,;:\\"/[]?={}' for letter in name)


async def _streamed(outcome: Outcome) -> Response:
    if outcome.stream is None:
        return _buffered(outcome)
    if outcome.content_type != _OWN_RESPONSE:
        return Response(200, {"content-type": outcome.content_type}, outcome.stream)
    start = bytearray()
    async for piece in outcome.stream:
        start += piece
        if _PRELUDE_END in start or len(start) > _LONGEST_PRELUDE:
            break
    prelude, _, rest = bytes(start).partition(_PRELUDE_END)
    try:
        about = orjson.loads(prelude)
        status, headers, cookies = _status(about), _headers(about), _cookies(about)
    except (ValueError, TypeError, AttributeError):
        return _message(502, "Internal Server Error", plain=True)
    return Response(status, headers, _after(rest, outcome.stream), cookies)


async def _after(first: bytes, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in stream:
        yield piece


def _denied(text: str | None) -> Response:
    response = _message(403, text)
    response.headers["x-amzn-errortype"] = "AccessDeniedException"
    return response


def _message(status: int, text: str | None, *, plain: bool = False) -> Response:
    if plain:
        return Response(status, {"content-type": "application/json"}, (text or "").encode())
    return Response(status, {"content-type": "application/json"}, orjson.dumps({"Message": text}))


def _allowed(origin: str, allowed: list[str]) -> bool:
    return "*" in allowed or origin in allowed


def _shared(cors: dict[str, Any], origin: str) -> dict[str, str]:
    """CORS headers for a response; the configuration's replace the function's own."""
    if not _allowed(origin, cors.get("AllowOrigins") or []):
        return {}
    headers = {"access-control-allow-origin": origin, "vary": "Origin"}
    if cors.get("AllowCredentials"):
        headers["access-control-allow-credentials"] = "true"
    if cors.get("ExposeHeaders"):
        headers["access-control-expose-headers"] = ",".join(cors["ExposeHeaders"])
    return headers


def _preflight(cors: dict[str, Any], origin: str, request: Request) -> dict[str, str]:
    headers = _shared(cors, origin)
    if not headers:
        return {}
    methods = cors.get("AllowMethods") or []
    wanted = request.headers["access-control-request-method"]
    if "*" not in methods and wanted not in methods:
        return {}
    headers["access-control-allow-methods"] = wanted if "*" in methods else ",".join(methods)
    if cors.get("AllowHeaders"):
        asked = request.headers.get("access-control-request-headers", "")
        headers["access-control-allow-headers"] = (
            asked if "*" in cors["AllowHeaders"] else ",".join(cors["AllowHeaders"])
        )
    if cors.get("MaxAge"):
        headers["access-control-max-age"] = str(cors["MaxAge"])
    return headers
