from __future__ import annotations

import gzip
import json
import secrets
import zlib
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pileus.aws.body import Bytes
from pileus.aws.http import Request
from pileus.gateway.compression import NotCompressedError, TooLongError, accepted, inflated


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("gzip, deflate", "gzip"),
        ("br, identity, deflate, gzip", "deflate"),
        ("GZIP", "gzip"),
        ("*", "gzip"),
        ("*, gzip;q=0.5", "deflate"),
        ("gzip;q=0", None),
        ("identity", None),
        ("", None),
        ("br", None),
        ("deflate;q=0.5, gzip;q=0.2", "deflate"),
        ("gzip;q=31,deflate;q=51", "gzip"),
        ("deflate;q=-0.5,gzip;q=0.2", "gzip"),
        ("gzip br", None),
    ],
)
def test_the_encoding_is_chosen_as_dynamodb_chooses(header: str, encoding: str | None) -> None:
    assert accepted(header) == encoding


def _request(encoding: str) -> Request:
    return Request("POST", "/", "", {"content-encoding": encoding}, Bytes(b""))


def test_requests_are_inflated_within_their_limit() -> None:
    assert inflated(_request("gzip"), gzip.compress(b"ab") + gzip.compress(b"c"), 3) == b"abc"
    assert inflated(_request("deflate"), zlib.compress(b"abc"), 3) == b"abc"
    assert inflated(_request("identity"), b"abc", 3) == b"abc"
    with pytest.raises(TooLongError):
        inflated(_request("gzip"), gzip.compress(bytes(10 << 20)), 1 << 20)
    for encoding, body in (
        ("gzip", b""), ("gzip", b"abc"), ("gzip", gzip.compress(b"abc")[:-1]),
        ("gzip", gzip.compress(b"a") + b"junk"), ("deflate", b"abc"), ("br", b"abc"),
    ):  # fmt: skip
        with pytest.raises(NotCompressedError):
            inflated(_request(encoding), body, 1 << 20)


def test_both_ways_over_the_wire(account: Any) -> None:
    name = f"table-{secrets.token_hex(6)}"
    account.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "p", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    signer = SigV4Auth(Credentials(account.access_key_id, account.secret_access_key), "dynamodb", "us-east-1")

    def call(operation: str, request: dict[str, Any], **headers: str) -> urllib3.BaseHTTPResponse:
        body = json.dumps(request).encode()
        given = {"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Content-Type": "application/x-amz-json-1.0"}
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.compress(body)
        signed = AWSRequest("POST", account.endpoint + "/", data=body, headers={**given, **headers})
        signer.add_auth(signed)
        return urllib3.request(
            "POST", account.endpoint + "/", body=body, headers=dict(signed.headers), decode_content=False
        )

    item = {"p": {"S": "a"}, "x": {"S": "y" * 5000}}
    assert call("PutItem", {"TableName": name, "Item": item}, **{"Content-Encoding": "gzip"}).status == 200
    broken = call("PutItem", {"TableName": name, "Item": item}, **{"Content-Encoding": "deflate"})
    assert broken.status == 500 and b"InternalServerError" in broken.data, "what AWS answers"
    get = {"TableName": name, "Key": {"p": {"S": "a"}}}
    plain = call("GetItem", get)
    assert json.loads(plain.data)["Item"] == item and "content-encoding" not in plain.headers
    small = call("GetItem", get, **{"Accept-Encoding": "gzip"})
    assert small.headers["content-encoding"] == "gzip" and len(small.data) < 500
    assert json.loads(gzip.decompress(small.data))["Item"] == item
