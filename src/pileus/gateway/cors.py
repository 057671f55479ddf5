"""Cross-origin requests from browsers to AWS's APIs, which answer every origin: the signature is what counts, and no
cookie exists. Buckets are apart: there their own rules decide (`services.s3.cors`)."""

from __future__ import annotations

from pileus.aws.http import Request, Response

_EXPOSED = (
    "x-amzn-requestid,x-amzn-errortype,x-amzn-errormessage,x-amzn-trace-id,x-amz-apigw-id,x-amz-function-error,"
    "x-amz-log-result,x-amz-executed-version,date"
)
_METHODS = "GET, HEAD, PUT, POST, PATCH, DELETE"


def preflight(request: Request) -> Response:
    """https://fetch.spec.whatwg.org/#cors-preflight-fetch"""
    if "origin" not in request.headers:
        return Response(200)
    headers = {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": request.headers.get("access-control-request-method", _METHODS),
        "access-control-allow-headers": request.headers.get("access-control-request-headers", "*"),
        "access-control-expose-headers": _EXPOSED,
        "access-control-max-age": "172800",
    }
    return Response(200, headers)


def allow(response: Response) -> None:
    response.headers["access-control-allow-origin"] = "*"
    response.headers["access-control-expose-headers"] = _EXPOSED
