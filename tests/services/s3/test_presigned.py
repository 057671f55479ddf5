"""Presigned URLs: what they say in the query counts as the headers that it stands for."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

Send = Callable[..., int]


@pytest.fixture
def send() -> Send:
    """The status of a request to a URL."""

    def request(method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> int:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        try:
            connection.request(method, f"{parts.path}?{parts.query}", body, headers or {})
            return connection.getresponse().status
        finally:
            connection.close()

    return request


@pytest.fixture
def presign(owner: Any) -> Callable[..., str]:
    """A URL signed in version 4 with all that it says in its query, as most SDKs make them."""

    def make(bucket: str, key: str, **said: str) -> str:
        request = AWSRequest("PUT", f"{owner.endpoint}/{bucket}/{key}", params=said)
        S3SigV4QueryAuth(Credentials(owner.access_key_id, owner.secret_access_key), "s3", "us-east-1").add_auth(request)
        return str(request.prepare().url)

    return make


def test_a_url_says_what_is_written(s3: Any, bucket: str, presign: Callable[..., str], send: Send) -> None:
    said = {"x-amz-meta-colour": "red", "x-amz-tagging": "a=1", "x-amz-storage-class": "STANDARD_IA"}
    assert send("PUT", presign(bucket, "k", **said), b"body") == 200
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["Metadata"], head["StorageClass"], head["TagCount"]) == ({"colour": "red"}, "STANDARD_IA", 1)


def test_a_urls_conditions_hold(bucket: str, presign: Callable[..., str], send: Send) -> None:
    once = presign(bucket, "k", **{"If-None-Match": "*"})
    assert [send("PUT", once, b"body") for _ in range(2)] == [200, 412]
    assert send("PUT", presign(bucket, "k", **{"If-Match": "0" * 32}), b"body") == 412


def test_a_urls_checksum_is_nobodys(bucket: str, presign: Callable[..., str], send: Send) -> None:
    """SDKs sign the checksum of the empty body that they have when they make the URL."""
    said = {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32"}
    assert send("PUT", presign(bucket, "k", **said), b"body") == 200


@pytest.fixture
def before_version_4(owner: Any) -> Any:
    return owner.client("s3", config=Config(signature_version="s3"))


def test_version_2_says_it_too(s3: Any, bucket: str, before_version_4: Any, send: Send) -> None:
    said = {"Bucket": bucket, "Key": "k", "Metadata": {"colour": "red"}}
    url = before_version_4.generate_presigned_url("put_object", said)
    assert "x-amz-meta-colour=red" in url
    assert send("PUT", url, b"body") == 200
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"colour": "red"}


def test_who_has_a_url_does_not_change_what_was_signed(
    s3: Any, make_bucket: Callable[..., str], before_version_4: Any, send: Send
) -> None:
    """In version 2 the query stands for the header in what is signed: another header must not be what counts."""
    name = make_bucket(acls=True)
    url = before_version_4.generate_presigned_url("put_object", {"Bucket": name, "Key": "k", "ACL": "private"})
    assert send("PUT", url, b"body", {"x-amz-acl": "public-read"}) == 200
    grants = s3.get_object_acl(Bucket=name, Key="k")["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]
