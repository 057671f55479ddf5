"""Cross-origin requests to buckets (https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.aws.identifiers import request_id as new_request_id
from pileus.services.context import Cloud
from pileus.services.s3.state import Bucket, bucket_of

_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})
_MOST_RULES = 100
_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def checked(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not 0 < len(rules) <= _MOST_RULES:
        raise AWSError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
            status=400,
        )
    for rule in rules:
        for method in rule["AllowedMethods"]:
            if method not in _METHODS:
                raise AWSError(
                    "InvalidRequest",
                    f"Found unsupported HTTP method in CORS config. Unsupported method is {method}",
                    status=400,
                )
        for text in (*rule["AllowedOrigins"], *rule.get("AllowedHeaders", ())):
            if text.count("*") > 1:
                raise AWSError(
                    "InvalidRequest", f'AllowedOrigin "{text}" can not have more than one wildcard.', status=400
                )
        for header in rule.get("ExposeHeaders", ()):
            if "*" in header:
                raise AWSError(
                    "InvalidRequest",
                    f'ExposeHeader "{header}" contains wildcard. We currently do not support wildcard for '
                    "ExposeHeader.",
                    status=400,
                )
    return rules


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.IGNORECASE)


def _find(rules: Iterable[Mapping[str, Any]], origin: str, method: str, headers: list[str]) -> Mapping[str, Any] | None:
    """The first rule that allows the request."""
    for rule in rules:
        allowed = rule.get("AllowedHeaders", ())
        if (
            method in rule["AllowedMethods"]
            and any(_pattern(text).fullmatch(origin) for text in rule["AllowedOrigins"])
            and all(any(_pattern(text).fullmatch(header) for text in allowed) for header in headers)
        ):
            return rule
    return None


def _allowing(rule: Mapping[str, Any], origin: str) -> dict[str, str]:
    headers = {
        "access-control-allow-methods": ", ".join(rule["AllowedMethods"]),
        "vary": _VARY,
    }
    if "*" in rule["AllowedOrigins"]:
        headers["access-control-allow-origin"] = "*"
    else:
        headers |= {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
    if rule.get("ExposeHeaders"):
        headers["access-control-expose-headers"] = ", ".join(rule["ExposeHeaders"])
    if rule.get("MaxAgeSeconds") is not None:
        headers["access-control-max-age"] = str(rule["MaxAgeSeconds"])
    return headers


def _rules(bucket: Bucket | None) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = bucket.configurations.get("cors", []) if bucket is not None else []
    return rules


def preflight(cloud: Cloud, name: str, request: Request) -> Response:
    """The answer to an OPTIONS request, which is never signed."""
    origin = request.headers.get("origin")
    method = request.headers.get("access-control-request-method")
    if not origin:
        return _refused(400, "BadRequest", "Insufficient information. Origin request header needed.")
    bucket = bucket_of(cloud, name)
    rules = _rules(bucket)
    if not rules:
        why = "CORS is not enabled for this bucket." if bucket is not None else "Bucket not found"
        return _refused(403, "AccessForbidden", f"CORSResponse: {why}", Method=_shown(method), ResourceType="BUCKET")
    if not method:
        return _refused(400, "BadRequest", "Invalid Access-Control-Request-Method: null")
    headers = _asked(request)
    rule = _find(rules, origin, method, headers)
    if rule is None:
        kind = "BUCKET" if request.raw_path.strip("/") in ("", name) else "OBJECT"
        message = (
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request "
            "method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the "
            "resource's CORS spec."
        )
        return _refused(403, "AccessForbidden", message, Method=_shown(method), ResourceType=kind)
    answer = _allowing(rule, origin) | _identity(new_request_id())
    if headers:
        answer["access-control-allow-headers"] = ", ".join(header.lower() for header in headers)
    return Response(200, answer)


def _asked(request: Request) -> list[str]:
    text = request.headers.get("access-control-request-headers", "")
    return [header.strip() for header in text.split(",") if header.strip()]


def _shown(method: str | None) -> str:
    """What the request asked for, and nothing that it made up."""
    return "OPTIONS" if method is None else method if method in _METHODS else ""


def _identity(identifier: str) -> dict[str, str]:
    return {"x-amz-request-id": identifier, "x-amz-id-2": identifier}


def _refused(status: int, code: str, message: str, **members: str) -> Response:
    identifier = new_request_id()
    told = {"Code": code, "Message": message, **members, "RequestId": identifier, "HostId": identifier}
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return Response(status, {"content-type": "application/xml", **_identity(identifier)}, body.encode())


def allow(cloud: Cloud, name: str, request: Request, response: Response) -> None:
    """Adds to an answer the headers that let a page of the request's origin read it."""
    origin = request.headers.get("origin")
    method = request.headers.get("access-control-request-method", request.method)
    rule = _find(_rules(bucket_of(cloud, name)), origin, method, _asked(request)) if origin else None
    if rule is not None and origin:
        response.headers.update(_allowing(rule, origin))
