"""URLs as boto3 presigns them by default, against the gateway: taken as they are, refused when touched."""

import http.client
import secrets
import time
from typing import Any
from urllib.parse import quote, urlsplit

import pytest


@pytest.fixture(scope="module")
def bucket(cloud: Any) -> tuple[Any, str]:
    account = cloud.create_account()
    name = f"test-{secrets.token_hex(6)}"
    s3 = account.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a b/ü+", Body=b"x")
    return account, name


def send(cloud: Any, url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(cloud.endpoint.rpartition("/")[2], timeout=10)
    connection.request(method, f"{parts.path}?{parts.query}", body, {"Host": parts.netloc, **headers})
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def presign(bucket: tuple[Any, str], operation: str = "get_object", expires: int = 60, **parameters: Any) -> str:
    account, name = bucket
    parameters = {"Bucket": name, "Key": "a b/ü+", **parameters}
    url: str = account.client("s3").generate_presigned_url(operation, parameters, ExpiresIn=expires)
    assert "AWSAccessKeyId=" in url
    return url


def test_what_boto3_presigns_is_taken(cloud: Any, bucket: tuple[Any, str]) -> None:
    assert send(cloud, presign(bucket)) == (200, b"x")
    assert send(cloud, presign(bucket, ResponseContentType="text/x"))[0] == 200
    upload = presign(bucket, "put_object", Key="new", ContentType="text/plain", Metadata={"m": "1"})
    headers = {"Content-Type": "text/plain", "x-amz-meta-m": "1"}
    assert send(cloud, upload, "PUT", b"new", **headers)[0] == 200
    assert send(cloud, presign(bucket, Key="new")) == (200, b"new")


def test_what_was_touched_is_refused(cloud: Any, bucket: tuple[Any, str]) -> None:
    url = presign(bucket)
    assert send(cloud, url, "PUT", b"y")[0] == 403
    assert send(cloud, url, "GET", None, **{"x-amz-acl": "public-read"})[0] == 403
    assert send(cloud, url.replace(quote("a b"), "other"))[0] == 403
    assert send(cloud, f"{url}&acl")[0] == 403
    assert send(cloud, f"{url}&ownershipControls=")[0] in (400, 403)
    assert send(cloud, url.replace("Signature=", "Signature=A"))[0] == 403
    assert send(cloud, url.replace(bucket[0].access_key_id, "AKIANOBODY0000000000"))[0] == 403
    later = url.partition("Expires=")
    assert send(cloud, f"{later[0]}Expires={int(time.time()) + 9999}")[0] == 403
    assert send(cloud, presign(bucket, expires=-10))[0] == 403


def test_a_url_is_good_for_its_bucket_alone(cloud: Any, bucket: tuple[Any, str]) -> None:
    """`/bucket/key` on one host is `/bucket/key` in another bucket by the name of that host."""
    account, name = bucket
    s3 = account.client("s3")
    other = f"test-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=other)
    s3.put_object(Bucket=other, Key=f"{name}/k", Body=b"other")
    s3.put_object(Bucket=name, Key="k", Body=b"own")
    url = urlsplit(presign(bucket, Key="k"))
    assert send(cloud, url.geturl()) == (200, b"own")
    assert send(cloud, url._replace(netloc=f"{other}.s3.localhost").geturl())[0] == 403
