import hashlib
import os
from collections.abc import Callable
from typing import Any

import boto3.s3.transfer
import pytest

Refused = Callable[..., Any]
MEGABYTE = 1024**2


@pytest.fixture
def upload(s3: Any, bucket: str) -> str:
    upload_id: str = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    return upload_id


def put(s3: Any, bucket: str, upload: str, number: int, body: bytes, **options: Any) -> dict[str, Any]:
    sent = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=body, **options)
    return {"PartNumber": number, "ETag": sent["ETag"]}


def complete(s3: Any, bucket: str, upload: str, parts: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = s3.complete_multipart_upload(
        Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts}, **options
    )
    return answer


def test_parts_out_of_order_and_overwritten_become_one_object(s3: Any, bucket: str, upload: str) -> None:
    one, two = os.urandom(5 * MEGABYTE), os.urandom(10)
    last = put(s3, bucket, upload, 7, two)
    put(s3, bucket, upload, 2, b"overwritten")
    first = put(s3, bucket, upload, 2, one)
    put(s3, bucket, upload, 9, b"not listed")
    listed = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload, MaxParts=2)
    assert [part["PartNumber"] for part in listed["Parts"]] == [2, 7]
    assert listed["IsTruncated"] is True
    assert [item["Key"] for item in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["k"]
    answer = complete(s3, bucket, upload, [first, last])
    digests = hashlib.md5(one, usedforsecurity=False).digest() + hashlib.md5(two, usedforsecurity=False).digest()
    assert answer["ETag"] == f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-2"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == one + two
    middle = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={len(one) - 3}-{len(one) + 2}")
    assert middle["Body"].read() == one[-3:] + two[:3]
    part = s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert (part["Body"].read(), part["PartsCount"]) == (two, 2)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    # Clients ask again when the answer was lost.
    assert complete(s3, bucket, upload, [first, last])["ETag"] == answer["ETag"]


def test_uploads_that_cannot_be_completed(s3: Any, bucket: str, upload: str, refused: Refused) -> None:
    small = put(s3, bucket, upload, 1, b"small")
    last = put(s3, bucket, upload, 2, b"last")
    with refused("EntityTooSmall", 400):
        complete(s3, bucket, upload, [small, last])
    with refused("InvalidPartOrder", 400):
        complete(s3, bucket, upload, [last, small])
    with refused("InvalidPart", 400):
        complete(s3, bucket, upload, [{"PartNumber": 3, "ETag": last["ETag"]}])
    with refused("InvalidPart", 400):
        complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": last["ETag"]}])
    with refused("MalformedXML", 400):
        complete(s3, bucket, upload, [])
    with refused("InvalidArgument", 400):
        put(s3, bucket, upload, 10_001, b"")
    with refused("NoSuchUpload", 404):
        put(s3, bucket, "another", 1, b"")
    with refused("404"):
        s3.head_object(Bucket=bucket, Key="k")


def test_an_aborted_upload_leaves_nothing(s3: Any, cloud: Any, bucket: str, upload: str, refused: Refused) -> None:
    mark = os.urandom(16)
    put(s3, bucket, upload, 1, mark * 10_000)
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)
    with refused("NoSuchUpload", 404):
        s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)
    blobs = (cloud.data / "blobs").rglob("*")
    assert not any(path.is_file() and mark in path.read_bytes()[:100] for path in blobs)


@pytest.mark.parametrize(
    ("algorithm", "kind", "ends"),
    [("SHA256", "COMPOSITE", True), ("CRC32", "COMPOSITE", True), ("CRC32C", "FULL_OBJECT", False),
     ("CRC64NVME", "FULL_OBJECT", False)],
)  # fmt: skip
def test_checksums_of_the_whole(s3: Any, bucket: str, algorithm: str, kind: str, ends: bool) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)[
        "UploadId"
    ]
    member = f"Checksum{algorithm}"
    sent = s3.upload_part(
        Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"abc", ChecksumAlgorithm=algorithm
    )
    part = {"PartNumber": 1, "ETag": sent["ETag"], member: sent[member]}
    answer = complete(s3, bucket, upload, [part])
    assert answer["ChecksumType"] == kind
    assert answer[member].endswith("-1") is ends
    if not ends:
        assert answer[member] == sent[member]
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[member] == answer[member]


def test_parts_are_copied_from_objects(s3: Any, bucket: str, upload: str, refused: Refused) -> None:
    body = os.urandom(200_000)
    s3.put_object(Bucket=bucket, Key="source", Body=body)
    source = {"Bucket": bucket, "Key": "source"}
    told = {"Bucket": bucket, "Key": "k", "UploadId": upload, "PartNumber": 1, "CopySource": source}
    with refused("InvalidArgument", 400):
        s3.upload_part_copy(**told, CopySourceRange="bytes=5-200000")
    copied = s3.upload_part_copy(**told, CopySourceRange="bytes=5-104")["CopyPartResult"]
    complete(s3, bucket, upload, [{"PartNumber": 1, "ETag": copied["ETag"]}])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body[5:105]


@pytest.mark.parametrize("options", [{}, {"ServerSideEncryption": "AES256"}], ids=["plain", "encrypted"])
def test_the_transfer_manager_works(s3: Any, bucket: str, tmp_path: Any, options: dict[str, str]) -> None:
    body = os.urandom(6 * MEGABYTE + 11)
    (tmp_path / "up").write_bytes(body)
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=5 * MEGABYTE, multipart_chunksize=5 * MEGABYTE)
    s3.upload_file(str(tmp_path / "up"), bucket, "k", Config=config, ExtraArgs=options)
    s3.download_file(bucket, "k", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == body
    s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy", Config=config)
    assert s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == len(body)


@pytest.mark.parametrize("meanwhile", ["written", "deleted"])
def test_a_conditional_completion_is_overtaken(s3: Any, bucket: str, refused: Refused, meanwhile: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"same")["ETag"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = put(s3, bucket, upload, 1, b"part")
    if meanwhile == "written":
        s3.put_object(Bucket=bucket, Key="k", Body=b"same")
    else:
        s3.delete_object(Bucket=bucket, Key="k")
    condition = {"IfMatch": etag} if meanwhile == "written" else {"IfNoneMatch": "*"}
    with refused("ConditionalRequestConflict", 409):
        complete(s3, bucket, upload, [part], **condition)
    again = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    complete(s3, bucket, again, [put(s3, bucket, again, 1, b"part")], **condition)


def test_a_completion_needs_no_customer_key(s3: Any, bucket: str) -> None:
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **key)["UploadId"]
    complete(s3, bucket, upload, [put(s3, bucket, upload, 1, b"part", **key)])
    assert s3.get_object(Bucket=bucket, Key="k", **key)["Body"].read() == b"part"


def test_copied_parts_tell_the_checksums_that_were_asked_for(s3: Any, bucket: str, upload: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"part")
    source = {"Bucket": bucket, "Key": "source"}
    plain = s3.upload_part_copy(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, CopySource=source)
    assert set(plain["CopyPartResult"]) == {"ETag", "LastModified"}
    asked = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    told = s3.upload_part_copy(Bucket=bucket, Key="k", UploadId=asked, PartNumber=1, CopySource=source)
    assert "ChecksumSHA256" in told["CopyPartResult"]
