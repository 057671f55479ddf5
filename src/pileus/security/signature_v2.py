"""S3's signature version 2 (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html): in the
Authorization header, which older programs still send, and in presigned URLs, which boto3 makes by default where it can.

It covers the method, the date, Content-MD5, Content-Type, `x-amz-` headers, the path and the sub-resources that are
listed here; not the body, nor any other header. Query parameters are allow-listed: what is not under the signature must
not be able to make another operation of the request.
"""

from __future__ import annotations

import base64
import hmac
from datetime import UTC
from email.utils import parsedate_to_datetime

from pileus.aws.http import Request
from pileus.security.signature import Claim, SignatureError

SCHEME = "AWS "
# Regions opened after January 2014 take version 4 only.
_REGIONS = frozenset(
    {
        "ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "eu-west-1", "sa-east-1", "us-east-1", "us-gov-west-1",
        "us-west-1", "us-west-2",
    }
)  # fmt: skip
_SKEW_SECONDS = 900.0
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
# Headers that boto3 repeats in the query of a URL; the header counts.
_STANDARD = ("content-md5", "content-type")
# Those that are not, and make no other operation of the request. A name that is neither here nor there could.
_HARMLESS = frozenset(
    {
        "continuation-token", "delimiter", "encoding-type", "fetch-owner", "key-marker", "list-type", "marker",
        "max-keys", "max-parts", "max-uploads", "part-number-marker", "prefix", "start-after", "upload-id-marker",
        "version-id-marker", "x-id",
    }
)  # fmt: skip


def is_used(request: Request) -> bool:
    header = request.headers.get("authorization") or None
    return header.startswith(SCHEME) if header is not None else "AWSAccessKeyId=" in request.query


def parse(request: Request, region: str) -> Claim:
    """Raises SignatureError (algorithm, malformed, undated)."""
    if region not in _REGIONS:
        raise SignatureError("algorithm")
    parameters = _parameters(request)
    header = request.headers.get("authorization") or None
    return _of_query(parameters, region) if header is None else _of_header(request, header, parameters, region)


def _parameters(request: Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in request.parameters:
        if name in found:
            raise SignatureError("malformed", f"The query string parameter {name} may be given once.")
        found[name] = value
        known = name in _AUTHENTICATION or name in _SIGNED or name in _HARMLESS or name.lower() in _STANDARD
        if not known and not name.lower().startswith("x-amz-"):
            raise SignatureError(
                "malformed", f"The query string parameter {name} cannot be in a request signed in this version."
            )
    return found


def _of_query(parameters: dict[str, str], region: str) -> Claim:
    expires = parameters.get("Expires", "")
    if not _AUTHENTICATION.issubset(parameters) or not expires.isdecimal() or len(expires) > 12:
        raise SignatureError(
            "undated", "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
        )
    token = parameters.get("x-amz-security-token", "")
    key_id, signature = parameters["AWSAccessKeyId"], parameters["Signature"]
    return Claim(key_id, "", region, "s3", (), signature, "", token, True, int(expires))


def _of_header(request: Request, header: str, parameters: dict[str, str], region: str) -> Claim:
    if any(name in _AUTHENTICATION or name.lower().startswith("x-amz-") for name in parameters):
        # In the query they count only for presigned URLs.
        raise SignatureError("malformed", "Only one auth mechanism allowed")
    key_id, separator, signature = header.removeprefix(SCHEME).strip().partition(":")
    if not separator or not key_id or not signature:
        raise SignatureError("malformed", "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")
    timestamp = request.headers.get("x-amz-date", request.headers.get("date", ""))
    token = request.headers.get("x-amz-security-token", "")
    return Claim(key_id, "", region, "s3", (), signature, timestamp, token, False)


def check_time(claim: Claim, now: float) -> None:
    """Raises SignatureError (undated, skewed) for a header; a URL's time is told only to who could make it."""
    if claim.presigned:
        return
    try:
        when = parsedate_to_datetime(claim.timestamp)
        moment = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        moment = -1.0
    if moment < 0:
        raise SignatureError("undated", "AWS authentication requires a valid Date or x-amz-date header")
    if abs(moment - now) > _SKEW_SECONDS:
        raise SignatureError("skewed", "", RequestTime=claim.timestamp, MaxAllowedSkewMilliseconds="900000")


def verify(request: Request, claim: Claim, secret: str, bucket: str | None, now: float) -> None:
    """Raises SignatureError (mismatch, expired). `bucket` is the one that the host names."""
    path = (f"/{bucket}" if bucket else "") + request.raw_path
    if not _matches(claim, secret, string_to_sign(request, claim, path)):
        # Of a bucket alone, some clients sign the path with the slash that they do not send.
        slashed = f"{path}/" if path.count("/") == 1 and path != "/" else path
        if slashed == path or not _matches(claim, secret, string_to_sign(request, claim, slashed)):
            raise SignatureError("mismatch", "", StringToSign=string_to_sign(request, claim, path))
    if claim.presigned and now > claim.expires:
        raise SignatureError("expired", "Request has expired")


def _matches(claim: Claim, secret: str, text: str) -> bool:
    wanted = base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1"))
    return hmac.compare_digest(wanted, claim.signature.encode("utf-8", "surrogateescape"))


def string_to_sign(request: Request, claim: Claim, path: str) -> str:
    """`path` is the request's, behind the bucket that its host names."""
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
    lines = "".join(f"{name}:{amazon[name].strip()}\n" for name in sorted(amazon))
    query = "&".join(f"{name}={value}" if value else name for name, value in sorted(resources))
    resource = f"{path}?{query}" if query else path
    md5, kind = (headers.get(name, standard[name]) for name in _STANDARD)
    # With x-amz-date, which is among the lines, the date's own line is empty.
    date = str(claim.expires) if claim.presigned else "" if "x-amz-date" in headers else claim.timestamp
    return f"{request.method}\n{md5}\n{kind}\n{date}\n{lines}{resource}"
