"""`/_pileus/…`: health for everyone, the owner's functions (`services.admin`) by signed request, the console's page,
and functions' archives for whoever was given the URL."""

from __future__ import annotations

import hashlib
import logging

import orjson

from pileus import __version__
from pileus.aws import body as bodies
from pileus.aws.errors import AWSError
from pileus.aws.http import Request, Response
from pileus.aws.identifiers import request_id as new_request_id
from pileus.gateway import cors
from pileus.security import signature
from pileus.security.authentication import Authenticator
from pileus.security.signature import SignatureError
from pileus.services.admin import ADMIN, PAGES, PUBLIC
from pileus.services.context import Cloud, Context
from pileus.services.lambda_ import downloads

log = logging.getLogger("pileus.gateway")

PREFIX = "/_pileus/"
SERVICE = "pileus"
_LARGEST_BODY = 1 << 20


async def respond(cloud: Cloud, authenticator: Authenticator, request: Request) -> Response:
    if request.method == "OPTIONS":
        return cors.preflight(request)
    response = await _respond(cloud, authenticator, request, request.raw_path.removeprefix(PREFIX))
    if "origin" in request.headers:
        cors.allow(response)
    return response


async def _respond(cloud: Cloud, authenticator: Authenticator, request: Request, name: str) -> Response:
    if name == "health":
        return await health(cloud)
    if name.startswith("code/"):
        return downloads.respond(cloud, name.removeprefix("code/"))
    if name in PAGES:
        return Response(200, dict(PAGES[name].headers), PAGES[name].body)
    if name in PUBLIC and request.method == "GET":
        address = f"{'https' if request.secure else 'http'}://{request.headers.get('host', '')}"
        return _json(200, PUBLIC[name](cloud, address))
    if name in ADMIN:
        return await _call(cloud, authenticator, request, name)
    return _json(404, {"Code": "NotFound", "Message": f"Pileus has no {request.raw_path[:256]}"})


async def health(cloud: Cloud) -> Response:
    """200 when ready, with the version and what isolation is in force for functions."""
    isolation = await cloud.isolation() if cloud.isolation is not None else {}
    settings = cloud.settings
    return _json(
        200,
        {
            "status": "ready",
            "version": __version__,
            "region": settings.region,
            "workers": settings.workers,
            "durability": settings.durability,
            "isolation": isolation,
        },
    )


async def _call(cloud: Cloud, authenticator: Authenticator, request: Request, name: str) -> Response:
    identifier = new_request_id()
    try:
        body = await bodies.read(request.body, _LARGEST_BODY)
        claim = signature.parse(request)
        digest = hashlib.sha256(body).hexdigest()
        principal = authenticator.authenticate(request, claim, SERVICE, digest).principal
        if principal.kind != "root":
            return _json(403, {"Code": "AccessDenied", "Message": "Only an account's root key may ask this."})
        context = Context(
            cloud=cloud,
            principal=principal,
            region=cloud.settings.region,
            request_id=identifier,
            service=SERVICE,
            operation=name,
            received=cloud.clock.time(),
            source_ip=request.source_ip,
            secure=cloud.is_secure(request),
            headers=request.headers,
            host=request.host,
        )
        asked = orjson.loads(body) if body else {}
        if not isinstance(asked, dict):
            raise AWSError("ValidationException", "The request is no JSON object.")
        return _json(200, await ADMIN[name](context, asked))
    except SignatureError as error:
        return _json(403, {"Code": "SignatureDoesNotMatch", "Message": error.message or error.kind})
    except AWSError as error:
        return _json(error.status or 400, {"Code": error.code, "Message": error.message})
    except (orjson.JSONDecodeError, bodies.TooLongError):
        return _json(400, {"Code": "ValidationException", "Message": "The request is no JSON, or too long."})
    except Exception:
        log.exception("admin request %s (%s) failed", identifier, name)
        return _json(500, {"Code": "InternalFailure", "Message": f"The log says why, under {identifier}."})


def _json(status: int, value: object) -> Response:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return Response(status, headers, orjson.dumps(value))
