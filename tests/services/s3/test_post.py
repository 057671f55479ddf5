"""Browser forms: what boto3 presigns is taken, what was changed afterwards is not."""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.services.s3.forms import Form

Fetch = Callable[..., Any]
BOUNDARY = "----boundary"


def encode(fields: dict[str, str], file: bytes | None, filename: str = "f.txt") -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if file is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
        parts.append(head.encode() + file + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


class Pieces:
    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size
        self.length: int | None = len(data)
        self.trailers: dict[str, str] = {}

    @property
    def whole(self) -> bytes | None:
        return None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), self.size):
            yield self.data[start : start + self.size]


async def read(data: bytes, size: int) -> tuple[dict[str, str], bytes]:
    form = Form(Pieces(data, size), f"multipart/form-data; boundary={BOUNDARY}")
    await form.read_fields()
    return form.fields, b"".join([piece async for piece in form])


@settings(max_examples=80, deadline=None)
@given(
    fields=st.dictionaries(st.text("abc-", min_size=1, max_size=5), st.text("xyz ü-\r\n", max_size=20), max_size=4),
    file=st.one_of(st.binary(max_size=300), st.just(f"\r\n--{BOUNDARY[:-1]}".encode())),
    size=st.integers(1, 400),
)
def test_forms_come_apart_however_they_come(fields: dict[str, str], file: bytes, size: int) -> None:
    assert asyncio.run(read(encode(fields, file), size)) == (fields, file)


@pytest.mark.parametrize("cut", [10, 60, 120])
def test_forms_that_break_off_are_refused(cut: int) -> None:
    with pytest.raises(AWSError, match="MalformedPOSTRequest"):
        asyncio.run(read(encode({"key": "k"}, b"content")[:cut], 7))


@pytest.fixture
def post(fetch: Fetch, bucket: str) -> Fetch:
    def send(fields: dict[str, str], file: bytes | None = b"content", **options: Any) -> Any:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return fetch(f"/{bucket}", "POST", body=encode(fields, file, **options), headers=headers)

    return send


@pytest.fixture
def presigned(owner: Any, bucket: str) -> Callable[..., dict[str, str]]:
    s3 = owner.client("s3", config=Config(signature_version="s3v4"))

    def make(key: str = "up/${filename}", conditions: list[Any] | None = None, **fields: str) -> dict[str, str]:
        given = s3.generate_presigned_post(bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=60)
        form: dict[str, str] = given["fields"]
        return form

    return make


def test_a_presigned_form_uploads(s3: Any, bucket: str, post: Fetch, presigned: Any) -> None:
    conditions = [["starts-with", "$Content-Type", "text/"], {"x-amz-meta-m": "1"}, {"success_action_status": "201"}]
    form = presigned(conditions=conditions, **{"x-amz-meta-m": "1", "success_action_status": "201"})
    answer = post({**form, "Content-Type": "text/plain"})
    assert answer.status == 201, answer.body
    assert b"<Key>up/f.txt</Key>" in answer.body
    got = s3.get_object(Bucket=bucket, Key="up/f.txt")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"content", "text/plain", {"m": "1"})


def test_a_form_in_the_version_that_boto3_still_presigns(s3: Any, bucket: str, post: Fetch) -> None:
    form = s3.generate_presigned_post(bucket, "k")["fields"]
    assert "AWSAccessKeyId" in form
    assert post({**form, "signature": "AAAA"}).status == 403
    assert post(form).status == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"content"


def test_metadata_in_forms_is_what_it_is(s3: Any, bucket: str, post: Fetch, presigned: Any) -> None:
    word = "=?UTF-8?B?YWJj?="
    form = presigned("k", [{"x-amz-meta-m": word}], **{"x-amz-meta-m": word})
    assert post(form).status == 204
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"m": word}


def test_answers_of_uploads(post: Fetch, presigned: Any) -> None:
    assert post(presigned("k")).status == 204
    target = "https://example.com/done?a=b"
    form = presigned("k", [{"success_action_redirect": target}], success_action_redirect=target)
    answer = post(form)
    assert answer.status == 303
    assert answer.headers["location"].startswith(f"{target}&bucket=")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": "elsewhere"}, "AccessDenied"),
        ({"x-amz-signature": "0" * 64}, "SignatureDoesNotMatch"),
        ({"x-amz-meta-extra": "1"}, "AccessDenied"),
        ({"acl": "public-read"}, "AccessDenied"),
        ({"policy": base64.b64encode(b'{"expiration": "2100-01-01T00:00:00Z"}').decode()}, "SignatureDoesNotMatch"),
        ({"x-amz-credential": "AKIANOBODY0000000000/20261124/us-east-1/s3/aws4_request"}, "InvalidAccessKeyId"),
        ({"x-amz-algorithm": "none"}, "InvalidRequest"),
        ({"x-amz-signature": ""}, "InvalidArgument"),
    ],
)  # fmt: skip
def test_changed_forms_are_refused(
    s3: Any, bucket: str, post: Fetch, presigned: Any, change: dict[str, str], code: str
) -> None:
    answer = post({**presigned("k"), **change})
    assert answer.status in (400, 403)
    assert f"<Code>{code}</Code>".encode() in answer.body, answer.body
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize(("size", "code"), [(2, b"EntityTooSmall"), (200_000, b"EntityTooLarge")])
def test_lengths_are_held(s3: Any, bucket: str, post: Fetch, presigned: Any, size: int, code: bytes) -> None:
    answer = post(presigned("k", [["content-length-range", 3, 100_000]]), secrets.token_bytes(size))
    assert (answer.status, code in answer.body) == (400, True)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_forms_without_a_signature_are_anonymous(post: Fetch) -> None:
    assert post({"key": "k"}).status == 403
    assert post({"key": "k"}, None).status in (400, 403)


def test_an_expired_policy_is_refused(owner: Any, bucket: str, post: Fetch, presigned: Any) -> None:
    import hmac

    document = {"expiration": "2020-01-01T00:00:00Z", "conditions": [{"bucket": bucket}, {"key": "k"}]}
    policy = base64.b64encode(json.dumps(document).encode())
    signature = base64.b64encode(hmac.digest(owner.secret_access_key.encode(), policy, "sha1")).decode()
    old = {"key": "k", "AWSAccessKeyId": owner.access_key_id, "policy": policy.decode(), "signature": signature}
    answer = post(old)
    assert (answer.status, b"Policy expired." in answer.body) == (403, True)


def test_answers_tell_what_was_stored(s3: Any, make_bucket: Any, fetch: Fetch) -> None:
    name = make_bucket(versioning=True)
    form = s3.generate_presigned_post(name, "k")["fields"]
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = fetch(f"/{name}", "POST", body=encode(form, b"content"), headers=headers)
    head = s3.head_object(Bucket=name, Key="k", ChecksumMode="ENABLED")
    assert answer.headers["x-amz-version-id"] == head["VersionId"]
    assert answer.headers["x-amz-checksum-crc64nvme"] == head["ChecksumCRC64NVME"]


def test_a_file_without_a_name_leaves_the_mark(s3: Any, bucket: str, fetch: Fetch) -> None:
    form = s3.generate_presigned_post(bucket, "a-${filename}")["fields"]
    body = encode(form, b"content").replace(b'; filename="f.txt"', b"")
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    assert fetch(f"/{bucket}", "POST", body=body, headers=headers).status == 204
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a-${filename}"]


@pytest.mark.parametrize("field", ["X-Amz-Signature", "X-Amz-Date", "policy"])
def test_what_is_missing_is_named(post: Fetch, presigned: Any, field: str) -> None:
    form = {name: value for name, value in presigned("k").items() if name.lower() != field.lower()}
    answer = post(form)
    assert answer.status == 400
    assert f"<ArgumentName>{field}</ArgumentName>".encode() in answer.body
