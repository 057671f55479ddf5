import base64
import hashlib

import pytest

from pileus.aws.errors import AWSError
from pileus.gateway.protocols import integrity

BODY = b"<Delete/>"
MD5 = base64.b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode()
SHA256 = base64.b64encode(hashlib.sha256(BODY).digest()).decode()


def test_what_agrees_passes() -> None:
    integrity.check({"content-md5": MD5, "x-amz-checksum-sha256": SHA256}, BODY, ())
    integrity.check({}, BODY, ())


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content-md5": MD5[:-4]}, "InvalidDigest"),
        ({"content-md5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()}, "BadDigest"),
        ({"x-amz-checksum-crc32": SHA256}, "InvalidRequest"),
    ],
)
def test_what_does_not_is_refused(headers: dict[str, str], code: str) -> None:
    with pytest.raises(AWSError) as caught:
        integrity.check(headers, BODY, ())
    assert caught.value.code == code


def test_the_checksum_of_an_object_is_not_the_bodys() -> None:
    integrity.check({"x-amz-checksum-sha256": MD5}, BODY, {"x-amz-checksum-sha256"})
