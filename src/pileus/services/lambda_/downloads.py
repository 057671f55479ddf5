"""Archives as they were uploaded, at the URLs that `Code.Location` and a layer's `Content.Location` give."""

from __future__ import annotations

from pileus.aws.http import Response
from pileus.services.context import Cloud
from pileus.services.lambda_.packages import opened_location


def respond(cloud: Cloud, token: str) -> Response:
    reading = opened_location(cloud, token)
    if reading is None:
        return Response(403, {"content-type": "application/json"}, b'{"Message":"The URL has expired."}')
    return Response(200, {"content-type": "application/zip"}, reading)
