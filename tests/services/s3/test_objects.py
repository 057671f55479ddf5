import base64
import hashlib
import os
import secrets
from collections.abc import Callable
from email.header import decode_header, make_header
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.services.s3 import copying

Refused = Callable[..., Any]
# Characters that XML 1.0 has; SDKs ask for encoded listings, so others work as well.
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(
    lambda key: len(key.encode()) <= 1024 and not key.startswith("/")
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=KEYS, body=st.binary(max_size=2000))
def test_any_key_holds_any_bytes(s3: Any, any_bucket: str, key: str, body: bytes) -> None:
    etag = s3.put_object(Bucket=any_bucket, Key=key, Body=body)["ETag"]
    assert etag == f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    assert s3.get_object(Bucket=any_bucket, Key=key)["Body"].read() == body
    listed = s3.list_objects_v2(Bucket=any_bucket, Prefix=key)["Contents"]
    assert key in [item["Key"] for item in listed]
    s3.delete_object(Bucket=any_bucket, Key=key)


@pytest.fixture(scope="session")
def any_bucket(s3: Any) -> str:
    name = f"test-{secrets.token_hex(8)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "a/../b", "./x", "a//b", "/leading", "trailing/", "%2e%2e/x", "a?b#c"]
)
def test_keys_are_names_not_paths(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]


def test_large_bodies_stream_to_disk_and_back(s3: Any, cloud: Any, bucket: str) -> None:
    body = os.urandom(3_000_000)
    s3.put_object(Bucket=bucket, Key="large", Body=body)
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == body
    assert s3.get_object(Bucket=bucket, Key="large", Range="bytes=2999990-")["Body"].read() == body[-10:]
    blobs = [path for path in (cloud.data / "blobs").rglob("*") if path.is_file() and path.stat().st_size == len(body)]
    s3.delete_object(Bucket=bucket, Key="large")
    assert any(not path.exists() for path in blobs)


def test_headers_and_metadata_come_back(s3: Any, bucket: str) -> None:
    told = {
        "ContentType": "text/css",
        "CacheControl": "max-age=5",
        "ContentDisposition": "attachment",
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "Metadata": {"one": "1", "two": "zwei"},
        "StorageClass": "STANDARD_IA",
        "WebsiteRedirectLocation": "/there",
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires="Tue, 01 Dec 2026 16:00:00 GMT", **told)
    for read in (s3.head_object, s3.get_object):
        answer = read(Bucket=bucket, Key="k")
        assert {name: answer[name] for name in told} == told
        assert answer["ExpiresString"] == "Tue, 01 Dec 2026 16:00:00 GMT"


def test_answers_can_be_overridden_by_whoever_signs(s3: Any, make_bucket: Any, allow: Any, fetch: Any) -> None:
    bucket = make_bucket(public=True)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/x", ResponseCacheControl="no-store")
    assert (answer["ContentType"], answer["CacheControl"]) == ("text/x", "no-store")
    allow(bucket, "s3:GetObject")
    assert fetch(f"/{bucket}/k").status == 200
    assert fetch(f"/{bucket}/k?response-content-type=text/x").status == 400


def test_overrides_cannot_split_the_header(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/x\r\nset-cookie: a=b")
    assert "set-cookie" not in answer["ResponseMetadata"]["HTTPHeaders"]


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_body_that_is_not_what_was_promised_is_not_kept(s3: Any, bucket: str, refused: Refused, size: int) -> None:
    body = os.urandom(size)
    wrong = base64.b64encode(hashlib.md5(b"another", usedforsecurity=False).digest()).decode()
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=body, ContentMD5=wrong)
    with refused("InvalidDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=body, ContentMD5="short")
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumCRC32="AAAAAA==")
    with refused("InvalidRequest", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumSHA256="AAAAAA==")
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_are_verified_kept_and_told(s3: Any, bucket: str, algorithm: str) -> None:
    sent = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
    told = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert told[f"Checksum{algorithm}"] == sent[f"Checksum{algorithm}"]
    assert told["ChecksumType"] == "FULL_OBJECT"
    assert f"Checksum{algorithm}" not in s3.head_object(Bucket=bucket, Key="k")


def test_metadata_that_is_not_ascii(s3: Any, owner: Any, bucket: str) -> None:
    """boto3 refuses to send it; other clients do."""

    def add(params: dict[str, Any], **_: Any) -> None:
        params["headers"]["x-amz-meta-name"] = "Ä ü"

    client = owner.client("s3")
    client.meta.events.register("before-call.s3.PutObject", add)
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    told = s3.head_object(Bucket=bucket, Key="k")["Metadata"]["name"]
    assert str(make_header(decode_header(told))) == "Ä ü"


def test_what_is_not_there(s3: Any, bucket: str, refused: Refused) -> None:
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="k")
    with refused("NoSuchBucket", 404):
        s3.get_object(Bucket=f"{bucket}-not", Key="k")
    with refused("NoSuchVersion", 404):
        s3.get_object(Bucket=bucket, Key="k", VersionId="null")
    with refused("KeyTooLongError", 400):
        s3.put_object(Bucket=bucket, Key="k" * 1025, Body=b"")
    s3.delete_object(Bucket=bucket, Key="k")


def test_conditional_writes_let_one_of_two_win(s3: Any, bucket: str, refused: Refused) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_copies(s3: Any, bucket: str, refused: Refused) -> None:
    body = os.urandom(100_000)
    s3.put_object(Bucket=bucket, Key="a b+ü", Body=body, Metadata={"m": "1"}, ContentType="x/y", Tagging="t=1")
    source = {"Bucket": bucket, "Key": "a b+ü"}
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    copied = s3.get_object(Bucket=bucket, Key="copy")
    assert (copied["Body"].read(), copied["Metadata"], copied["ContentType"]) == (body, {"m": "1"}, "x/y")
    assert s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(
        Bucket=bucket, Key="copy", CopySource=source, MetadataDirective="REPLACE", Metadata={"n": "2"},
        TaggingDirective="REPLACE", Tagging="u=2", ServerSideEncryption="AES256",
    )  # fmt: skip
    copied = s3.get_object(Bucket=bucket, Key="copy")
    assert (copied["Body"].read(), copied["Metadata"], copied["ServerSideEncryption"]) == (body, {"n": "2"}, "AES256")
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "copy"})
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="c", CopySource=source, CopySourceIfMatch="nothing")
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "absent"})


def test_many_are_deleted_at_once(s3: Any, bucket: str, refused: Refused) -> None:
    keys = [f"{number}" for number in range(150)]
    for key in keys[:3]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert sorted(item["Key"] for item in answer["Deleted"]) == sorted(keys)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    with refused("MalformedXML", 400):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": str(n)} for n in range(1001)]})


def test_virtual_hosts_are_buckets(owner: Any, s3: Any, fetch: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    config = Config(s3={"addressing_style": "virtual"}, signature_version="s3v4")
    hosted = owner.client("s3", endpoint_url="http://s3.localhost:4566", config=config)
    for operation, parameters in (("get_object", {"Key": "a/b"}), ("list_objects_v2", {})):
        url = urlsplit(hosted.generate_presigned_url(operation, {"Bucket": bucket, **parameters}))
        assert url.hostname == f"{bucket}.s3.localhost"
        answer = fetch(f"{url.path}?{url.query}", host=url.netloc)
        assert answer.status == 200, answer.body
        assert answer.body == b"x" or b"<Key>a/b</Key>" in answer.body


def test_object_attributes(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm="SHA256")
    wanted = ["ETag", "Checksum", "ObjectSize", "StorageClass", "ObjectParts"]
    answer = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=wanted)
    assert answer["ETag"] == hashlib.md5(b"hello", usedforsecurity=False).hexdigest()
    assert answer["ObjectSize"] == 5
    assert answer["Checksum"]["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    assert "ObjectParts" not in answer


@pytest.mark.parametrize(
    ("tagging", "code"),
    [("a=1&a=2", "InvalidArgument"), ("aws:x=1", "InvalidTag"), (f"{'k' * 129}=1", "InvalidTag"),
     (f"k={'v' * 257}", "InvalidTag"), ("&".join(f"k{n}=v" for n in range(11)), "BadRequest")],
)  # fmt: skip
def test_tags_have_limits(s3: Any, bucket: str, refused: Refused, tagging: str, code: str) -> None:
    with refused(code, 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging=tagging)


def test_what_is_not_implemented_says_so(s3: Any, bucket: str, refused: Refused) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    with refused("NotImplemented", 501) as response:
        s3.get_object_torrent(Bucket=bucket, Key="k")
    assert "GetObjectTorrent" in response["Error"]["Message"]
    with refused("NotImplemented", 501):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", StorageClass="GLACIER")
    with refused("NotImplemented", 501):
        s3.list_bucket_inventory_configurations(Bucket=bucket)


@pytest.mark.parametrize(
    ("source", "key", "version"),
    [
        ("bucket/a+b", "a b", None),
        ("/bucket%2Fa%2Bb", "a+b", None),
        ("https://s3.amazonaws.com/bucket/a/b", "a/b", None),
        ("bucket/a?versionId=v", "a", "v"),
    ],
)
def test_copy_sources_are_read_as_s3_reads_them(source: str, key: str, version: str | None) -> None:
    assert copying.source_of({"CopySource": source}) == copying.Source("bucket", key, version)


def test_a_copy_onto_itself_changes_something(s3: Any, bucket: str, refused: Refused) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    onto = {"Bucket": bucket, "Key": "k", "CopySource": {"Bucket": bucket, "Key": "k"}}
    with refused("InvalidRequest", 400):
        s3.copy_object(**onto)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.copy_object(**onto)["ServerSideEncryption"] == "AES256"


def test_metadata_outside_of_ascii(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": "=?UTF-8?B?YWJj?=", "b": "=?UTF-8?B?w6k=?="})
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "abc", "b": "=?UTF-8?B?w6k=?="}
