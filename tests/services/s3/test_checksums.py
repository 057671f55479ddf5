import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.services.s3 import checksums
from pileus.services.s3.checksums import ALGORITHMS


def compute(name: str, *pieces: bytes) -> str:
    made = ALGORITHMS[name].make()
    for piece in pieces:
        made.update(piece)
    return checksums.encode(made.digest())


# Check values of the CRC catalogue (https://reveng.sourceforge.io/crc-catalogue/), of "123456789".
@pytest.mark.parametrize(
    ("name", "value"), [("CRC32", 0xCBF43926), ("CRC32C", 0xE3069283), ("CRC64NVME", 0xAE8B14860A799888)]
)
def test_crcs_have_their_check_values(name: str, value: int) -> None:
    size = ALGORITHMS[name].size
    assert compute(name, b"1234", b"56789") == base64.b64encode(value.to_bytes(size, "big")).decode()


def test_the_hashes_are_those_of_their_names() -> None:
    assert compute("SHA256", b"a", b"b") == base64.b64encode(hashlib.sha256(b"ab").digest()).decode()
    assert compute("CRC32", b"ab") == base64.b64encode(zlib.crc32(b"ab").to_bytes(4, "big")).decode()
    for algorithm in ALGORITHMS.values():
        assert len(algorithm.make().digest()) == algorithm.size


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.sampled_from(["CRC32", "CRC32C", "CRC64NVME"]))
def test_the_checksum_of_parts_is_that_of_the_whole(parts: list[bytes], name: str) -> None:
    combined = checksums.full_object(ALGORITHMS[name], [(compute(name, part), len(part)) for part in parts])
    assert combined == compute(name, b"".join(parts))


def test_a_composite_one_tells_how_many_parts() -> None:
    parts = [compute("SHA256", b"a"), compute("SHA256", b"b")]
    inner = hashlib.sha256(hashlib.sha256(b"a").digest() + hashlib.sha256(b"b").digest()).digest()
    assert checksums.composite(ALGORITHMS["SHA256"], parts) == f"{base64.b64encode(inner).decode()}-2"


@pytest.mark.parametrize("value", ["bad", "", "AAAA", "!!!!!!==", "AAAAAAA="])
def test_what_cannot_be_a_checksum_is_refused(value: str) -> None:
    with pytest.raises(AWSError, match="InvalidRequest"):
        checksums.check(ALGORITHMS["CRC32"], value)


def test_one_request_declares_one_checksum() -> None:
    both = {"ChecksumCRC32": "AAAAAA==", "ChecksumCRC32C": "AAAAAA=="}
    with pytest.raises(AWSError, match="Expecting a single"):
        checksums.declared(both, {})
    trailing = checksums.declared({}, {"x-amz-trailer": "x-amz-checksum-sha1"})
    assert trailing is not None and trailing.algorithm.name == "SHA1" and trailing.value is None
