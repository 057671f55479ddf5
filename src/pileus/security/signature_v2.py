"""Presigned S3 URLs of signature version 2, which boto3 still makes by default in us-east-1
(https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html#RESTAuthenticationQueryStringAuth).

Nothing else is taken in this version: its Authorization header would leave the body unsigned.
"""

from __future__ import annotations

import base64
import hmac

from pileus.aws.http import Request
from pileus.security.signature import Claim, SignatureError

_AUTHENTICATION = frozenset({"AWSAccessKeyId", "Signature", "Expires"})
# Query parameters that are under the signature.
_SIGNED = frozenset(
    {
        "accelerate", "acl", "analytics", "cors", "delete", "inventory", "lifecycle", "location", "logging", "metrics",
        "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
        "response-cache-control", "response-content-disposition", "response-content-encoding",
        "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
        "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    }
)  # fmt: skip
# Headers that boto3 repeats in the query; the header counts.
_STANDARD = ("content-md5", "content-type")
# Those that are not, and make no other operation of the request. A name that is neither here nor there could.
_HARMLESS = frozenset(
    {
        "continuation-token", "delimiter", "encoding-type", "fetch-owner", "key-marker", "list-type", "marker",
        "max-keys", "max-parts", "max-uploads", "part-number-marker", "prefix", "start-after", "upload-id-marker",
        "version-id-marker", "x-id",
    }
)  # fmt: skip


def is_presigned(request: Request) -> bool:
    return "AWSAccessKeyId=" in request.query and "authorization" not in request.headers


def parse(request: Request, region: str) -> Claim:
    """Raises SignatureError (incomplete, mismatch)."""
    found: dict[str, str] = {}
    for name, value in request.parameters:
        if name in found:
            raise SignatureError("incomplete", f"The query string parameter {name} may be given once.")
        found[name] = value
        known = name in _AUTHENTICATION or name in _SIGNED or name in _HARMLESS or name.lower() in _STANDARD
        if not known and not name.lower().startswith("x-amz-"):
            raise SignatureError("incomplete", f"The query string parameter {name} cannot be in a URL of this version.")
    if not _AUTHENTICATION.issubset(found) or not found["Expires"].isdecimal() or len(found["Expires"]) > 12:
        raise SignatureError(
            "incomplete", "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        )
    token = found.get("x-amz-security-token", "")
    signature = found["Signature"]
    key_id, expires = found["AWSAccessKeyId"], int(found["Expires"])
    return Claim(key_id, "", region, "s3", [], signature, "", token, True, expires)


def verify(request: Request, claim: Claim, secret: str, bucket: str | None, now: float) -> None:
    """Raises SignatureError (mismatch, expired). `bucket` is the one that the host names."""
    text = string_to_sign(request, claim, bucket)
    wanted = base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1"))
    if not hmac.compare_digest(wanted, claim.signature.encode("utf-8", "surrogateescape")):
        raise SignatureError("mismatch", "", StringToSign=text)
    if now > claim.expires:
        raise SignatureError("expired", "Request has expired")


def string_to_sign(request: Request, claim: Claim, bucket: str | None) -> str:
    headers = request.headers
    amazon: dict[str, str] = {name: value for name, value in headers.items() if name.startswith("x-amz-")}
    resources = []
    standard = dict.fromkeys(_STANDARD, "")
    for name, value in request.parameters:
        if name.lower() in _STANDARD:
            standard[name.lower()] = value
        elif name.lower().startswith("x-amz-"):
            amazon[name.lower()] = value
        elif name in _SIGNED:
            resources.append((name, value))
    lines = "".join(f"{name}:{' '.join(amazon[name].split())}\n" for name in sorted(amazon))
    path = (f"/{bucket}" if bucket else "") + request.raw_path
    query = "&".join(f"{name}={value}" if value else name for name, value in sorted(resources))
    resource = f"{path}?{query}" if query else path
    md5, kind = (headers.get(name, standard[name]) for name in _STANDARD)
    return f"{request.method}\n{md5}\n{kind}\n{claim.expires}\n{lines}{resource}"
