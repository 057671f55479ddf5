from collections.abc import Callable
from typing import Any

import pytest

Fetch = Callable[..., Any]
RULES = [
    {
        "AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["https://*.example.com"], "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 60,
    },
    {"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://app.test"], "AllowedHeaders": ["x-amz-*", "Authorization"]},
]  # fmt: skip


@pytest.fixture
def shared(s3: Any, bucket: str) -> str:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    return bucket


def ask(fetch: Fetch, bucket: str, origin: str, method: str, headers: str = "") -> Any:
    told = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        told["Access-Control-Request-Headers"] = headers
    return fetch(f"/{bucket}/k", "OPTIONS", headers=told)


@pytest.mark.parametrize(
    ("origin", "method", "headers", "allowed"),
    [
        ("https://www.example.com", "GET", "", True),
        ("https://example.com", "GET", "", False),
        ("https://www.example.com.evil.test", "GET", "", False),
        ("https://www.example.com", "PUT", "", False),
        ("https://www.example.com", "GET", "x-other", False),
        ("https://app.test", "PUT", "X-Amz-Date, authorization", True),
        ("https://app.test", "PUT", "x-amz-date, x-other", False),
    ],
)
def test_preflights(fetch: Fetch, shared: str, origin: str, method: str, headers: str, allowed: bool) -> None:
    answer = ask(fetch, shared, origin, method, headers)
    assert answer.status == (200 if allowed else 403)
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
    if allowed and headers:
        assert answer.headers["access-control-allow-headers"] == headers.lower()


def test_answers_tell_whose_pages_may_read_them(fetch: Fetch, shared: str) -> None:
    answer = fetch(f"/{shared}/k", headers={"Origin": "https://www.example.com"})
    assert answer.status == 403  # and yet the page may read why
    assert answer.headers["access-control-allow-origin"] == "https://www.example.com"
    assert answer.headers["access-control-expose-headers"] == "ETag"
    assert answer.headers["access-control-max-age"] == "60"
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-origin" not in fetch(f"/{shared}/k", headers={"Origin": "https://evil.test"}).headers
    asking = {"Origin": "https://www.example.com", "Access-Control-Request-Headers": "x-other"}
    assert "access-control-allow-origin" not in fetch(f"/{shared}/k", headers=asking).headers


def test_buckets_without_rules_share_nothing(fetch: Fetch, bucket: str) -> None:
    assert ask(fetch, bucket, "https://www.example.com", "GET").status == 403
    answer = fetch(f"/{bucket}/k", headers={"Origin": "https://www.example.com"})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "rule",
    [
        {"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]},
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.*"]},
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposeHeaders": ["x-*"]},
    ],
)
def test_rules_that_cannot_be(s3: Any, bucket: str, refused: Any, rule: dict[str, Any]) -> None:
    with refused("InvalidRequest", 400):
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})


def test_refusals_of_preflights_say_why(fetch: Fetch, make_bucket: Callable[..., str], shared: str) -> None:
    origin, bucket = "https://www.example.com", make_bucket()
    none = fetch(f"/{shared}/k", "OPTIONS")
    assert (none.status, b"<Method>" in none.body) == (400, False)
    assert b"Bucket not found" in ask(fetch, "no-such-bucket", origin, "GET").body
    assert b"<ResourceType>BUCKET</ResourceType>" in ask(fetch, bucket, origin, "GET").body
    unsaid = fetch(f"/{bucket}/k", "OPTIONS", headers={"Origin": origin})
    assert (unsaid.status, b"<Method>OPTIONS</Method>" in unsaid.body) == (403, True)
    refused = ask(fetch, shared, origin, "PUT")
    assert b"<ResourceType>OBJECT</ResourceType>" in refused.body
    assert refused.headers["x-amz-request-id"].encode() in refused.body
