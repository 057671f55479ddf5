"""The path of a request, with real SDK clients over real sockets."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError


def _post(url: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    request = Request(url, data=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except HTTPError as error:
        return error.code, error.read()


def test_health_says_what_is_in_force(cloud: Any) -> None:
    health = json.loads(cloud.get("/_pileus/health"))
    assert health["status"] == "ready"
    assert health["durability"] == "relaxed"


def test_each_protocol_answers_its_own_clients(account: Any) -> None:
    assert account.client("dynamodb").list_tables()["TableNames"] == []
    assert account.client("iam").list_roles()["Roles"] == []
    assert account.client("lambda").list_functions()["Functions"] == []
    assert account.client("s3").list_buckets()["Buckets"] == []


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("dynamodb", "list_tables", "InvalidSignatureException"),
        ("iam", "list_roles", "SignatureDoesNotMatch"),
        ("lambda", "list_functions", "InvalidSignatureException"),
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_secret_is_refused_in_each_protocols_words(account: Any, service: str, call: str, code: str) -> None:
    account.secret_access_key = "x" * 40
    with pytest.raises(ClientError) as caught:
        getattr(account.client(service), call)()
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("dynamodb", "list_tables", "UnrecognizedClientException"),
        ("iam", "list_roles", "InvalidClientTokenId"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
    ],
)
def test_an_unknown_key_is_not_its_own_secret(account: Any, service: str, call: str, code: str) -> None:
    account.access_key_id = account.secret_access_key = "AKIAQQQQQQQQQQQQQQQQ"
    with pytest.raises(ClientError) as caught:
        getattr(account.client(service), call)()
    assert caught.value.response["Error"]["Code"] == code


def test_a_foreign_regions_signature_is_refused(account: Any) -> None:
    with pytest.raises(ClientError) as caught:
        account.client("dynamodb", region_name="eu-west-1").list_tables()
    assert "valid region" in caught.value.response["Error"]["Message"]


def test_what_pileus_has_not_is_named(account: Any) -> None:
    with pytest.raises(ClientError) as caught:
        account.client("dynamodb").describe_limits()
        account.client("dynamodb").list_global_tables()
    error = caught.value.response
    assert error["Error"]["Code"] == "NotImplemented"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_malformed_bodies_are_the_callers_fault(cloud: Any) -> None:
    status, body = _post(
        cloud.endpoint, b"{nonsense", X_Amz_Target="DynamoDB_20120810.ListTables", Content_Type="application/x-amz-json"
    )
    assert status == 400
    assert b"MissingAuthenticationToken" in body
    status, body = _post(cloud.endpoint, b"\xff\xfe=%%%&Action", Content_Type="application/x-www-form-urlencoded")
    assert 400 <= status < 500


def test_browsers_may_call_from_any_origin(cloud: Any) -> None:
    request = Request(
        f"{cloud.endpoint}/2015-03-31/functions/f/invocations",
        method="OPTIONS",
        headers={
            "Origin": "http://todo.localhost:4566",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,x-amz-date",
        },
    )
    with urlopen(request, timeout=10) as response:
        assert response.status == 200
        assert response.headers["access-control-allow-origin"] == "*"
        assert "authorization" in response.headers["access-control-allow-headers"]


def _call(cloud: Any, method: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, Any, bytes]:
    port = int(cloud.endpoint.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_only_who_says_an_origin_is_told_of_origins(cloud: Any, method: str) -> None:
    wanted = {"Access-Control-Request-Method": "dog", "Access-Control-Request-Headers": "cat, meerkat"}
    _, headers, _ = _call(cloud, method, wanted)
    assert not [name for name in headers if name.lower().startswith("access-control-")]
    _, headers, _ = _call(cloud, method, {"Origin": "http://example.com", **wanted})
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-methods"] == ("dog" if method == "OPTIONS" else None)
    assert headers["access-control-allow-headers"] == ("cat, meerkat" if method == "OPTIONS" else None)


def test_the_time_of_a_malformed_signature_is_looked_at_first(cloud: Any) -> None:
    status, _, body = _call(
        cloud,
        "POST",
        {
            "X-Amz-Date": "20170101T010101Z",
            "X-Amz-Target": "DynamoDB_20120810.ListTables",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/2/3/4/aws4_request SignedHeaders=host Signature=1",
        },
    )
    assert status == 400
    assert b"InvalidSignatureException" in body
    assert b"Signature expired" in body


def _visit(cloud: Any, host: str, path: str = "/") -> tuple[int, str, str]:
    """What a browser is told at the root of a host: status, where it is sent, and the page."""
    port = int(cloud.endpoint.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": f"{host}:{port}", "Accept": "text/html,*/*"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("location") or "", answer.read().decode()
    finally:
        connection.close()


def test_a_browser_at_the_root_is_shown_the_way(cloud: Any) -> None:
    assert _visit(cloud, "localhost")[:2] == (307, "/_pileus/")
    status, _, page = _visit(cloud, "no-such-site.localhost")
    assert status == 404 and "NoSuchBucket" in page
    status, _, page = _visit(cloud, "localhost", "/no-such-bucket")
    assert status in (403, 404) and "<Error>" in page, "what is asked of the API is answered by the API"


def test_dynamodb_says_that_it_is_there(cloud: Any) -> None:
    status, _, page = _visit(cloud, "dynamodb.localhost")
    assert status == 200 and page.startswith("healthy: dynamodb.localhost:")
    assert _visit(cloud, "dynamodb.localhost", "/other")[0] in (403, 404)


def test_dynamodb_takes_heads_of_16_kilobytes(cloud: Any) -> None:
    target = {"X-Amz-Target": "DynamoDB_20120810.ListTables"}
    for size, code in ((15 << 10, b"MissingAuthenticationToken"), (16 << 10, b"RequestHeaderSectionTooLarge")):
        status, _, body = _call(cloud, "POST", {**target, "X-Long": "x" * size})
        assert status == 400 and code in body
    status, _, body = _call(cloud, "POST", {**target, "X-Long": "x" * (16 << 10), "X-Amz-Target": "Logs_20140328.x"})
    assert b"RequestHeaderSectionTooLarge" not in body, "other services have no such limit"


def test_a_bucket_may_have_the_whole_name_of_a_local_host(cloud: Any, account: Any) -> None:
    s3, host = account.client("s3"), f"www-{account.id}.localhost"
    s3.create_bucket(Bucket=host)
    s3.put_bucket_website(Bucket=host, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.delete_public_access_block(Bucket=host)
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{host}/*"}
    s3.put_bucket_policy(Bucket=host, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everyone]}))
    s3.put_object(Bucket=host, Key="index.html", Body=b"here", ContentType="text/html")
    assert _visit(cloud, host) == (200, "", "here")
