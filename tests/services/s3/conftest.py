"""Two accounts for all tests of S3, and buckets with names of their own."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

Client = Any
MakeBucket = Callable[..., str]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="session")
def owner(cloud: Any) -> Any:
    return cloud.create_account()


@pytest.fixture(scope="session")
def stranger(cloud: Any) -> Any:
    return cloud.create_account()


@pytest.fixture(scope="session")
def s3(owner: Any) -> Client:
    return owner.client("s3")


@pytest.fixture(scope="session")
def other(stranger: Any) -> Client:
    """S3 as another account sees it."""
    return stranger.client("s3")


@pytest.fixture
def make_bucket(s3: Client) -> MakeBucket:
    """A new bucket; `acls` has it as buckets were before 2023, `public` lets policies be public."""

    def make(*, acls: bool = False, public: bool = False, versioning: bool = False, **options: Any) -> str:
        name = f"test-{secrets.token_hex(8)}"
        if acls:
            options["ObjectOwnership"] = "ObjectWriter"
        s3.create_bucket(Bucket=name, **options)
        if acls or public:
            s3.delete_public_access_block(Bucket=name)
        if versioning:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    return make


@pytest.fixture
def bucket(make_bucket: MakeBucket) -> str:
    return make_bucket()


@pytest.fixture
def allow(s3: Client) -> Callable[..., None]:
    """Sets a bucket policy with one statement."""

    def set_policy(bucket: str, action: Any, *, key: str | None = "*", principal: Any = "*", **extra: Any) -> None:
        resource = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key is not None else "")
        statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource, **extra}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    return set_policy


@pytest.fixture
def fetch(cloud: Any) -> Callable[..., Answer]:
    """A plain HTTP request, unsigned unless its headers say otherwise."""
    address = cloud.endpoint.rpartition("/")[2]

    def send(
        path: str,
        method: str = "GET",
        *,
        host: str = "",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection(address, timeout=10)
        try:
            connection.request(method, path, body, {**({"Host": host} if host else {}), **(headers or {})})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    return send


@pytest.fixture
def refused() -> Callable[..., Any]:
    """Expects an error by its code; the block's value is its response."""

    @contextmanager
    def expect(code: str, status: int | None = None) -> Iterator[dict[str, Any]]:
        response: dict[str, Any] = {}
        with pytest.raises(ClientError) as caught:
            yield response
        response.update(caught.value.response)
        assert response["Error"]["Code"] == code, response["Error"]
        if status is not None:
            assert response["ResponseMetadata"]["HTTPStatusCode"] == status

    return expect
