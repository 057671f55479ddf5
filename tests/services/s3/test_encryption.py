import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.services.s3 import encryption
from pileus.services.s3.encryption import CHUNK

KEY = bytes(range(32))
SIZES = [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5]


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def sealed(data: bytes, piece: int = 50_000) -> bytes:
    return b"".join([part async for part in encryption.encrypt(pieces(data, piece), KEY, b"nonce-7")])


async def opened(stored: bytes, size: int, start: int, length: int) -> bytes:
    offset, count = encryption.stretch(size, start, length)
    stream = pieces(stored[offset : offset + count], 10_000)
    return b"".join([part async for part in encryption.decrypt(stream, KEY, b"nonce-7", size, start, length)])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_range_comes_back(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from(SIZES))
    start = data.draw(st.integers(0, size - 1))
    length = data.draw(st.integers(1, size - start))
    plain = os.urandom(size)
    stored = asyncio.run(sealed(plain, data.draw(st.sampled_from([7_000, CHUNK, 200_000]))))
    assert asyncio.run(opened(stored, size, start, length)) == plain[start : start + length]


@pytest.mark.parametrize("damage", ["flip", "cut", "swap", "shorten"])
def test_what_was_changed_on_disk_is_not_given_out(damage: str) -> None:
    plain = os.urandom(3 * CHUNK)
    stored = bytearray(asyncio.run(sealed(plain)))
    chunk = CHUNK + 16
    size = len(plain)
    if damage == "flip":
        stored[10] ^= 1
    elif damage == "cut":
        del stored[-20:]
    elif damage == "swap":
        stored[:chunk], stored[chunk : 2 * chunk] = stored[chunk : 2 * chunk], stored[:chunk]
    else:
        # The first two chunks, as if they were all of it.
        size = 2 * CHUNK
    with pytest.raises(OSError, match="contents are"):
        asyncio.run(opened(bytes(stored), size, 0, size))


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_customers_key_opens_what_it_closed(s3: Any, bucket: str, refused: Callable[..., Any], size: int) -> None:
    body = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="k", Body=body, SSECustomerAlgorithm="AES256", SSECustomerKey=KEY)
    answer = s3.get_object(Bucket=bucket, Key="k", Range="bytes=3-", SSECustomerAlgorithm="AES256", SSECustomerKey=KEY)
    assert answer["Body"].read() == body[3:]
    assert answer["SSECustomerAlgorithm"] == "AES256"
    with refused("InvalidRequest", 400):
        s3.get_object(Bucket=bucket, Key="k")
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=b"x" * 32)


@pytest.mark.parametrize("scheme", ["AES256", "aws:kms"])
@pytest.mark.parametrize("size", [10, 200_000])
def test_server_side_encryption_hides_contents_on_disk(
    s3: Any, cloud: Any, bucket: str, scheme: str, size: int
) -> None:
    mark = os.urandom(8).hex().encode()
    body = mark * (size // len(mark) + 1)
    answer = s3.put_object(Bucket=bucket, Key="k", Body=body, ServerSideEncryption=scheme)
    assert answer["ServerSideEncryption"] == scheme
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    assert not any(mark in path.read_bytes() for path in cloud.data.rglob("*") if path.is_file())


def test_the_default_encryption_of_a_bucket_is_that_of_its_objects(s3: Any, bucket: str) -> None:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"
    assert s3.head_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "AES256"


def test_keys_of_a_key_service_that_is_not_there_do_not_exist(
    s3: Any, bucket: str, refused: Callable[..., Any]
) -> None:
    with refused("KMS.NotFoundException", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="mine")
