"""One record of a server access log (https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from pileus.aws.http import Request, Response
from pileus.security.policy.principal_element import canonical_user
from pileus.security.principals import Principal
from pileus.services.s3.state import Bucket

_RESOURCES = {
    "accelerate": "ACCELERATE", "acl": "ACL", "attributes": "OBJECT_ATTRIBUTES", "cors": "CORS",
    "delete": "MULTI_OBJECT_DELETE", "encryption": "ENCRYPTION", "legal-hold": "OBJECT_LOCK_LEGALHOLD",
    "lifecycle": "LIFECYCLE", "location": "LOCATION", "logging": "LOGGING_STATUS", "notification": "NOTIFICATION",
    "object-lock": "OBJECT_LOCK_CONFIGURATION", "ownershipControls": "OWNERSHIP_CONTROLS", "policy": "BUCKETPOLICY",
    "policyStatus": "POLICY_STATUS", "publicAccessBlock": "PUBLIC_ACCESS_BLOCK", "replication": "REPLICATION",
    "requestPayment": "REQUEST_PAYMENT", "retention": "OBJECT_LOCK_RETENTION", "tagging": "OBJECT_TAGGING",
    "uploads": "UPLOADS", "versioning": "VERSIONING", "versions": "BUCKETVERSIONS", "website": "WEBSITE",
}  # fmt: skip
# What would let a reader of the log do what the request did.
_SECRET = re.compile(r"(?i)((?:^|&)(?:x-amz-signature|signature|x-amz-security-token)=)[^&]*")
_CONTROLS = {number: f"%{number:02X}" for number in (*range(32), 34, 127)}


class Access(NamedTuple):
    """What a request and its answer do not tell themselves. `seconds` is how long answering took."""

    principal: Principal | None
    request_id: str
    key: str
    error: str = ""
    seconds: float = 0.0
    website: bool = False


def line(bucket: Bucket, request: Request, response: Response, access: Access, now: float) -> str:
    headers = request.headers
    sent = _sent(response) if request.method != "HEAD" else 0
    milliseconds = str(int(1000 * access.seconds))
    query = _SECRET.sub(r"\1REDACTED", request.query)
    target = f"{request.raw_path}?{query}" if query else request.raw_path
    version = response.headers.get("x-amz-version-id") or request.parameter("versionId")
    fields = (
        canonical_user(bucket.account),
        bucket.name,
        datetime.fromtimestamp(now, UTC).strftime("[%d/%b/%Y:%H:%M:%S +0000]"),
        request.source_ip,
        _requester(access.principal),
        access.request_id,
        _operation(request, access),
        quote(quote(access.key.encode("utf-8", "surrogateescape"), safe="/"), safe="/"),
        _quoted(f"{request.method} {target} HTTP/1.1"),
        str(response.status),
        access.error,
        str(sent or ""),
        _object_size(request, response),
        milliseconds,
        milliseconds,
        _quoted(headers.get("referer", "-")),
        _quoted(headers.get("user-agent", "-")),
        quote(version or "", safe=""),
        access.request_id,
        *_signature(request, access.principal),
        quote(headers.get("host", ""), safe=":.-[]"),
        "",
        "",
        "",
    )
    return " ".join(field or "-" for field in fields) + "\n"


def _quoted(text: str) -> str:
    return f'"{text.translate(_CONTROLS)}"'


def _requester(principal: Principal | None) -> str:
    """The canonical user of a root, the ARN of everybody else who signed."""
    if principal is None or principal.kind == "anonymous":
        return ""
    return canonical_user(principal.account) if principal.kind == "root" else principal.arn


def _operation(request: Request, access: Access) -> str:
    names = {name for name, _ in request.parameters}
    copies = request.method == "PUT" and "x-amz-copy-source" in request.headers
    method = "COPY" if copies else request.method
    if "uploadId" in names:
        resource = "PART" if "partNumber" in names and request.method == "PUT" else "UPLOAD"
    else:
        resource = next((resource for name, resource in _RESOURCES.items() if name in names), "")
    resource = resource or ("OBJECT" if access.key or access.website else "BUCKET")
    return f"{'WEBSITE' if access.website else 'REST'}.{method}.{resource}"


def _sent(response: Response) -> int:
    length = response.headers.get("content-length")
    if length is not None:
        return int(length)
    return len(response.body) if isinstance(response.body, bytes) else 0


def _object_size(request: Request, response: Response) -> str:
    if response.status >= 300:
        return ""
    if request.method in ("GET", "HEAD"):
        whole = response.headers.get("content-range", "").rpartition("/")[2]
        return whole or response.headers.get("content-length", "")
    headers = request.headers
    return headers.get("x-amz-decoded-content-length") or headers.get("content-length", "")


def _signature(request: Request, principal: Principal | None) -> tuple[str, str, str]:
    """Signature version, cipher suite (the front of TLS does not tell), authentication type."""
    if principal is None or principal.kind == "anonymous":
        return "", "", ""
    header = request.headers.get("authorization")
    if header:
        return "SigV2" if header.startswith("AWS ") else "SigV4", "", "AuthHeader"
    return "SigV2" if "AWSAccessKeyId=" in request.query else "SigV4", "", "QueryString"
