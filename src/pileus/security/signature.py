"""Signature Version 4, as the receiving side verifies it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, and for S3's payload modes
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html.

`parse` finds what a request claims, in its Authorization header or its query; `verify` holds that against the secret.
Faults are raised as `SignatureError` with a kind; `security.faults` words them as each protocol's services do.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

from pileus.aws.http import Request

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STREAMING_PREFIX = "STREAMING-"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
MAX_PRESIGNED_SECONDS = 604_800

Kind = Literal[
    "missing",  # no signature at all
    "incomplete",  # a part of it is missing or malformed
    "algorithm",  # a signing algorithm that is not supported (SigV4A)
    "scope",  # credential scope for another region, service or date
    "skewed",  # the clock differs too much
    "expired",  # a presigned URL past its time
    "mismatch",
    "unknown-key",
    "expired-token",
    "invalid-token",
    "unsigned-headers",
    "malformed",  # version 2: what is not of its form
    "undated",  # version 2: without a valid date, or one of the parameters of a URL
]


class SignatureError(Exception):
    def __init__(self, kind: Kind, message: str = "", **details: str) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.details = details


@dataclass(slots=True)
class Claim:
    """What a request says of its signature. `timestamp` as in X-Amz-Date; `expires` is a presigned URL's seconds."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    token: str
    presigned: bool
    expires: int = 0

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def is_signed(request: Request) -> bool:
    return (
        bool(request.headers.get("authorization"))
        or "X-Amz-Signature=" in request.query
        or "X-Amz-Algorithm=" in request.query
        or "X-Amz-Credential=" in request.query
        or "AWSAccessKeyId=" in request.query
    )


def claimed_service(request: Request) -> str:
    """The service in the credential scope, empty where there is none: a hint for routing, checked later."""
    text = request.headers.get("authorization")
    if text:
        scope = _scope(text[:-64]) if len(text) <= _SHORT else None
        if scope is not None:
            return scope[3]
    found = _SCOPE.search(text) if text else _SCOPE_IN_QUERY.search(request.query)
    return found.group(1) if found else ""


_SCOPE = re.compile(r"Credential=[^/,\s]+/[0-9]{8}/[^/,\s]*/([^/,\s]+)/")
_SCOPE_IN_QUERY = re.compile(
    r"X-Amz-Credential=[^&]+?(?:%2F|/)[0-9]{8}(?:%2F|/)[^&/%]*(?:%2F|/)([^&/%]+)(?:%2F|/)", re.I
)
_HEADER = re.compile(
    rf"{ALGORITHM} Credential=([^/,\s]+)/([0-9]{{8}})/([^/,\s]*)/([^/,\s]*)/aws4_request, ?"
    r"SignedHeaders=([^,=\s]+), ?Signature=\Z"
)
_SEPARATORS = re.compile(r"[,\s]+")
_SIGNATURE = re.compile(r"[0-9a-f]{64}\Z")
_SHORT = 768
"""As all SDKs write the Authorization header, and how long it is then at most."""
_CREDENTIAL = re.compile(r"(.+)/([^/]+)/([^/]*)/([^/]*)/aws4_request\Z")
_EXPIRES = re.compile(r"-?[0-9]{1,11}\Z")
_TIMESTAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z")


def parse(request: Request) -> Claim:
    """Raises SignatureError (missing, incomplete, algorithm)."""
    header = request.headers.get("authorization")
    if header:
        if "X-Amz-Signature=" in request.query:
            raise SignatureError(
                "incomplete",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string"
                " parameter or the Authorization header should be specified",
            )
        return _parse_header(request, header)
    if is_signed(request):
        return _parse_query(request)
    raise SignatureError("missing")


@lru_cache(maxsize=1024)  # a client's requests to a service differ in nothing but what follows
def _scope(beginning: str) -> tuple[str, str, str, str, tuple[str, ...]] | None:
    """Key, date, region, service and signed headers out of an Authorization header up to its signature."""
    found = _HEADER.match(beginning)
    if found is None or not beginning.isascii():
        return None
    key, date, region, service, signed = found.groups()
    return key, date, region, service, tuple(signed.split(";"))


def _parse_header(request: Request, header: str) -> Claim:
    headers = request.headers
    timestamp = headers.get("x-amz-date", "")
    if len(header) <= _SHORT and _SIGNATURE.match(header[-64:]) and _TIMESTAMP.match(timestamp):
        scope = _scope(header[:-64])
        if scope is not None:
            return Claim(*scope, header[-64:], timestamp, headers.get("x-amz-security-token", ""), False)
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        kind: Kind = "algorithm" if algorithm.startswith("AWS4-") or algorithm == "AWS" else "incomplete"
        raise SignatureError(kind, f"Unsupported authorization type: {algorithm[:64]}")
    fields: dict[str, str] = {}
    for piece in _SEPARATORS.split(rest):
        name, _, value = piece.partition("=")
        fields[name] = value
    absent = [name for name in ("Credential", "Signature", "SignedHeaders") if not fields.get(name)]
    timestamp = timestamp or _from_date_header(headers.get("date", ""))
    problems = [f"Authorization header requires '{name}' parameter." for name in absent]
    if not timestamp:
        problems.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if problems:
        raise SignatureError("incomplete", " ".join(problems) + f" Authorization={header[:256]}")
    return _claim(
        fields["Credential"],
        fields["SignedHeaders"],
        fields["Signature"],
        timestamp,
        headers.get("x-amz-security-token", ""),
        presigned=False,
    )


def _parse_query(request: Request) -> Claim:
    values = dict(reversed(request.parameters))
    if values.get("X-Amz-Algorithm", ALGORITHM) != ALGORITHM:
        raise SignatureError("algorithm", "X-Amz-Algorithm only supports AWS4-HMAC-SHA256")
    needed = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders")
    if not all(values.get(name) for name in (*needed, "X-Amz-Expires")):
        raise SignatureError(
            "incomplete",
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature,"
            " X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )
    claim = _claim(
        values["X-Amz-Credential"],
        values["X-Amz-SignedHeaders"],
        values["X-Amz-Signature"],
        values["X-Amz-Date"],
        values.get("X-Amz-Security-Token", "") or request.headers.get("x-amz-security-token", ""),
        presigned=True,
    )
    expires = values["X-Amz-Expires"]
    if not _EXPIRES.match(expires):
        raise SignatureError("incomplete", "X-Amz-Expires should be a number")
    claim.expires = int(expires)
    if claim.expires < 0:
        raise SignatureError("incomplete", "X-Amz-Expires must be non-negative")
    if claim.expires > MAX_PRESIGNED_SECONDS:
        raise SignatureError(
            "incomplete",
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than"
            " 604800 seconds",
        )
    return claim


def _claim(credential: str, signed: str, signature: str, timestamp: str, token: str, *, presigned: bool) -> Claim:
    found = _CREDENTIAL.match(credential)
    if not found or not credential.isascii():
        raise SignatureError(
            "incomplete",
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting"
            ' "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
        )
    if not _TIMESTAMP.match(timestamp):
        raise SignatureError("incomplete", f"Date must be in ISO-8601 'basic format'. Got '{timestamp[:32]}'.")
    key, date, region, service = found.groups()
    return Claim(key, date, region, service, tuple(signed.split(";")), signature, timestamp, token, presigned)


def _from_date_header(value: str) -> str:
    """A Date header (RFC 9110, 5.6.7, or with an offset, as boto3 sends it), as X-Amz-Date writes it; empty where it is
    none."""
    try:
        found = parsedate_to_datetime(value)
    except ValueError:
        return value if _TIMESTAMP.match(value) else ""
    return (found.astimezone(UTC) if found.tzinfo else found).strftime("%Y%m%dT%H%M%SZ")


@lru_cache(maxsize=1024)  # a client signs many requests within one second
def seconds(timestamp: str) -> float:
    """Raises SignatureError for a time that does not exist."""
    try:
        return calendar.timegm(time.strptime(timestamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise SignatureError(
            "incomplete", f"Date must be in ISO-8601 'basic format'. Got '{timestamp[:32]}'."
        ) from None


def check_time(claim: Claim, now: float, skew: float) -> None:
    """Raises SignatureError (skewed, expired, scope). `skew` is in seconds."""
    signed = seconds(claim.timestamp)
    minutes = int(skew // 60)
    if signed > now + skew:
        raise SignatureError(
            "skewed",
            f"Signature not yet current: {claim.timestamp} is still later than {_stamp(now + skew)} ({_stamp(now)} +"
            f" {minutes} min.)",
            RequestTime=claim.timestamp,
            ServerTime=_iso(now),
        )
    if claim.presigned:
        if now > signed + claim.expires:
            raise SignatureError(
                "expired",
                f"Signature expired: {claim.timestamp} is now earlier than {_stamp(now)}",
                **{
                    "X-Amz-Expires": str(claim.expires),
                    "Expires": _iso(signed + claim.expires),
                    "ServerTime": _iso(now),
                },
            )
    elif signed < now - skew:
        raise SignatureError(
            "skewed",
            f"Signature expired: {claim.timestamp} is now earlier than {_stamp(now - skew)} ({_stamp(now)} -"
            f" {minutes} min.)",
            RequestTime=claim.timestamp,
            ServerTime=_iso(now),
        )
    if claim.timestamp[:8] != claim.date:
        raise SignatureError(
            "scope",
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{claim.date}'"
            f" != '{claim.timestamp[:8]}', from '{claim.timestamp}'.",
        )


def _stamp(moment: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


# Signing

_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class SigningKey:
    """What signs for a day, a region and a service. HMAC's two halves (RFC 2104) are begun once: that is most of its
    cost for texts as short as these."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def sign(self, text: bytes) -> str:
        """HMAC-SHA256, in hexadecimal digits."""
        inner = self._inner.copy()
        inner.update(text)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


_signing_keys: dict[tuple[str, str, str, str], SigningKey] = {}
_SIGNING_KEYS_LIMIT = 4096


def signing_key(secret: str, date: str, region: str, service: str) -> SigningKey:
    """Four HMACs, the same for a day: remembered."""
    which = (secret, date, region, service)
    key = _signing_keys.get(which)
    if key is None:
        derived = f"AWS4{secret}".encode()
        for part in (date, region, service, "aws4_request"):
            derived = hmac.digest(derived, part.encode(), "sha256")
        if len(_signing_keys) >= _SIGNING_KEYS_LIMIT:
            _signing_keys.clear()
        key = _signing_keys[which] = SigningKey(derived)
    return key


def string_to_sign(claim: Claim, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{digest}"


def canonical_request(request: Request, claim: Claim, payload_hash: str, *, skip_token: bool = False) -> str:
    path = canonical_path(request.raw_path, claim.service)
    query = canonical_query(request.query, presigned=claim.presigned, skip_token=skip_token)
    headers = request.headers
    lines = "".join([f"{name}:{headers.get(name, '')}\n" for name in claim.signed_headers])
    if "  " in lines or ": " in lines or " \n" in lines:
        lines = "".join([f"{name}:{_trim(headers.get(name, ''))}\n" for name in claim.signed_headers])
    return f"{request.method}\n{path}\n{query}\n{lines}\n{';'.join(claim.signed_headers)}\n{payload_hash}"


def _trim(value: str) -> str:
    return " ".join(value.split()) if "  " in value or value[:1] == " " or value[-1:] == " " else value


def canonical_path(raw_path: str, service: str) -> str:
    """S3 takes the path as it is, encoded once; all others normalise it and encode what was sent once more."""
    path = raw_path if service in _S3_NAMES else _normalise(raw_path)
    if _PLAIN_PATH.match(path):
        return path
    return quote(unquote_to_bytes(path) if service in _S3_NAMES else path, safe="/-_.~")


_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._~-]*\Z")
_S3_NAMES = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})


def _normalise(path: str) -> str:
    """RFC 3986, 5.2.4, and empty segments fall away."""
    if "/." not in path and "//" not in path:
        return path
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    tail = "/" if path.endswith(("/", "/.", "/..")) and kept else ""
    return "/" + "/".join(kept) + tail


def canonical_query(query: str, *, presigned: bool, skip_token: bool = False) -> str:
    if not query:
        return ""
    pairs = []
    for piece in query.split("&"):
        if not piece:
            continue
        name, _, value = piece.partition("=")
        name, value = _recode(name), _recode(value)
        if presigned and (name == "X-Amz-Signature" or (skip_token and name == "X-Amz-Security-Token")):
            continue
        pairs.append((name, value))
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs])


_PLAIN = re.compile(r"[A-Za-z0-9._~-]*\Z")


def _recode(text: str) -> str:
    return text if _PLAIN.match(text) else quote(unquote_to_bytes(text), safe="-_.~")


def verify(request: Request, claim: Claim, secret: str, payload_hash: str) -> SigningKey:
    """The signing key, where the signature holds. Raises SignatureError (mismatch, unsigned-headers).

    Every `x-amz-` header and Host must be under the signature: what is not signed could have been added on the way.
    """
    signed = claim.signed_headers
    key = signing_key(secret, claim.date, claim.region, claim.service)
    canonical = canonical_request(request, claim, payload_hash)
    text = string_to_sign(claim, canonical)
    if not _matches(key, text, claim.signature):
        if not (claim.presigned and claim.token and "X-Amz-Security-Token" in request.query):
            raise SignatureError("mismatch", "", CanonicalRequest=canonical, StringToSign=text)
        # Some services' clients add the token after signing; it is sealed and bound to the key, so nothing is lost.
        without = canonical_request(request, claim, payload_hash, skip_token=True)
        if not _matches(key, string_to_sign(claim, without), claim.signature):
            raise SignatureError("mismatch", "", CanonicalRequest=canonical, StringToSign=text)
    unsigned = [
        name
        for name in request.headers
        if name[:6] == "x-amz-" and name not in signed and not (claim.presigned and name in _HARMLESS_UNSIGNED)
    ]
    if "host" not in signed:
        unsigned.append("host")
    if unsigned:
        raise SignatureError("unsigned-headers", ", ".join(unsigned))
    return key


_HARMLESS_UNSIGNED = frozenset({"x-amz-content-sha256", "x-amz-user-agent", "x-amz-date"})


def _matches(key: SigningKey, text: str, signature: str) -> bool:
    wanted = key.sign(text.encode("utf-8", "surrogateescape"))
    return signature.isascii() and hmac.compare_digest(wanted, signature)
