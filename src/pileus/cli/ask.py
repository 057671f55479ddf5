"""Asking the running cloud what only its owner may know: signed requests to `/_pileus/<name>`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from pileus.cli.errors import CommandError
from pileus.cli.running import trust, variables

_PATIENCE_SECONDS = 60


def ask(data: Path, name: str, request: dict[str, Any], account: str = "") -> dict[str, Any]:
    """The answer of the admin function `name`, as the root of `account` (the first one where empty). Raises
    CommandError."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    cloud = variables(data, account)
    address = cloud["AWS_ENDPOINT_URL"]
    body = json.dumps(request).encode()
    signed = AWSRequest("POST", f"{address}/_pileus/{name}", data=body)
    credentials = Credentials(cloud["AWS_ACCESS_KEY_ID"], cloud["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(credentials, "pileus", cloud["AWS_REGION"]).add_auth(signed)
    asked = urllib.request.Request(signed.url, body, dict(signed.headers), method="POST")  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(asked, timeout=_PATIENCE_SECONDS, context=trust(address)) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        raise CommandError(_message(error.read()) or f"The cloud answered {error.code} to {name}.") from error
    except OSError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            message = f"{address} shows a certificate that nobody vouches for"
            raise CommandError(f"{message}; set AWS_CA_BUNDLE to a file with it.") from error
        raise CommandError(f"The cloud at {address} does not answer ({error}).") from error


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["Message"])
    except (ValueError, KeyError, TypeError):
        return ""
