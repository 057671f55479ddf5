"""Signatures that botocore makes verify; no mutation of a signed request does."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.aws.body import Bytes
from pileus.aws.http import Request
from pileus.security import signature
from pileus.security.signature import SignatureError

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY = "AKIAIOSFODNN7EXAMPLE"


def _received(signed: AWSRequest) -> Request:
    prepared = signed.prepare()
    path, _, query = prepared.url.partition("://")[2].partition("/")[2].partition("?")
    headers: dict[str, str] = {}
    for name, value in prepared.headers.items():
        headers[name.lower()] = value if isinstance(value, str) else value.decode()
    headers.setdefault("host", "localhost:4566")
    return Request(prepared.method, "/" + path, query, headers, Bytes(b""))


def _verify(request: Request, body: bytes, secret: str = SECRET) -> None:
    claim = signature.parse(request)
    digest = request.headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
    if claim.presigned and claim.service == "s3":
        digest = signature.UNSIGNED_PAYLOAD
    signature.verify(request, claim, secret, digest)


def _sign(method: str, path: str, query: dict[str, str], body: bytes, service: str, presigned: bool) -> Request:
    from urllib.parse import quote, urlencode

    url = "http://localhost:4566" + quote(path, safe="/~")
    if query:
        url += "?" + urlencode(query, quote_via=quote)
    raw = AWSRequest(method=method, url=url, data=body, headers={"host": "localhost:4566", "x-amz-meta-a": "b  c"})
    auth = {
        (False, False): SigV4Auth,
        (False, True): SigV4QueryAuth,
        (True, False): S3SigV4Auth,
        (True, True): S3SigV4QueryAuth,
    }[service == "s3", presigned]
    auth(Credentials(KEY, SECRET, "token+/=" if presigned else None), service, "us-east-1").add_auth(raw)
    return _received(raw)


@given(key=st.binary(max_size=64), text=st.binary(max_size=300))
def test_a_signing_key_signs_as_hmac_does(key: bytes, text: bytes) -> None:
    assert signature.SigningKey(key).sign(text) == hmac.digest(key, text, "sha256").hex()


SEGMENT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).filter(lambda t: t not in (".", ".."))
PATHS = st.lists(SEGMENT, max_size=3).map(lambda parts: "/" + "/".join(part.replace("/", "") for part in parts))
QUERIES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), SEGMENT, max_size=3
)


@settings(max_examples=150, deadline=None)
@given(PATHS, QUERIES, st.binary(max_size=20), st.sampled_from(["dynamodb", "lambda", "s3"]), st.booleans())
def test_what_botocore_signs_verifies(
    path: str, query: dict[str, str], body: bytes, service: str, presigned: bool
) -> None:
    query = {name: value for name, value in query.items() if not name.startswith("X-Amz")}
    body = b"" if presigned else body  # botocore moves the body of a presigned POST into the query
    _verify(_sign("POST", path, query, body, service, presigned), body)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(["dynamodb", "s3"]), st.booleans())
def test_no_mutation_verifies(data: st.DataObject, service: str, presigned: bool) -> None:
    body = b"" if presigned else b'{"TableName": "t"}'
    request = _sign("POST", "/bucket/key", {"list-type": "2"}, body, service, presigned)
    _verify(request, body)
    what = data.draw(st.sampled_from(["method", "path", "query", "header", "host", "secret", "signature", "body"]))
    secret = SECRET
    if what == "method":
        request.method = "PUT"
    elif what == "path":
        request.raw_path += data.draw(st.sampled_from(["/", "x", "%2F", "/../x", "?"]))
    elif what == "query":
        request.query += data.draw(st.sampled_from(["&a=b", "&list-type=3", "&x"]))
    elif what == "header":
        request.headers["x-amz-meta-a"] = "other"
    elif what == "host":
        request.headers["host"] = "elsewhere"
    elif what == "secret":
        secret = SECRET[:-1] + "Z"
    elif what == "signature" and not presigned:
        text = request.headers["authorization"]
        request.headers["authorization"] = text[:-1] + ("0" if text[-1] != "0" else "1")
    elif what == "body" and service != "s3" and not presigned:
        body += b" "
    else:
        request.headers["x-amz-added"] = "later"
    with pytest.raises(SignatureError):
        _verify(request, body, secret)


@given(st.text(max_size=200))
def test_no_authorization_header_crashes_the_parser(header: str) -> None:
    request = Request("GET", "/", "", {"authorization": header, "host": "x"}, Bytes(b""))
    with pytest.raises(SignatureError):
        signature.parse(request)


@given(st.text(max_size=100))
def test_no_query_crashes_the_parser(text: str) -> None:
    request = Request("GET", "/", "X-Amz-Signature=" + text, {"host": "x"}, Bytes(b""))
    try:
        claim = signature.parse(request)
        signature.check_time(claim, 0, 300)
    except SignatureError:
        pass
    else:
        raise AssertionError("parsed")


def _claim(**changes: Any) -> signature.Claim:
    fields = {
        "access_key_id": KEY,
        "date": "20260101",
        "region": "us-east-1",
        "service": "dynamodb",
        "signed_headers": ("host",),
        "signature": "0",
        "timestamp": "20260101T000000Z",
        "token": "",
        "presigned": False,
    }
    return signature.Claim(**{**fields, **changes})


NEW_YEAR = 1767225600.0


@pytest.mark.parametrize(
    ("claim", "now", "kind"),
    [
        (_claim(), NEW_YEAR + 301, "skewed"),
        (_claim(), NEW_YEAR - 301, "skewed"),
        (_claim(date="20260102"), NEW_YEAR, "scope"),
        (_claim(presigned=True, expires=60), NEW_YEAR + 61, "expired"),
        (_claim(presigned=True, expires=60), NEW_YEAR - 301, "skewed"),
        (_claim(timestamp="20269901T000000Z", date="20269901"), NEW_YEAR, "incomplete"),
    ],
)
def test_times_that_do_not_hold(claim: signature.Claim, now: float, kind: str) -> None:
    with pytest.raises(SignatureError) as caught:
        signature.check_time(claim, now, 300)
    assert caught.value.kind == kind


def test_times_that_hold() -> None:
    signature.check_time(_claim(), NEW_YEAR + 299, 300)
    signature.check_time(_claim(presigned=True, expires=3600), NEW_YEAR + 3599, 300)


def test_paths_are_canonical_as_each_service_has_them() -> None:
    assert signature.canonical_path("/a//b/../c", "s3") == "/a//b/../c"
    assert signature.canonical_path("/a//b/../c", "lambda") == "/a/c"
    assert signature.canonical_path("/arn%3Aaws", "lambda") == "/arn%253Aaws"
    assert signature.canonical_path("/a%20b+c", "s3") == "/a%20b%2Bc"
