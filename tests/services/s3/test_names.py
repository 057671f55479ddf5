import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.services.s3.names import check_bucket, check_key, check_text


@pytest.mark.parametrize("name", ["abc", "a-b.c-1", "0zz", "a" * 63, "example.com", "www.todo.example"])
def test_names_that_buckets_can_have(name: str) -> None:
    check_bucket(name)


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Abc",
        "a_b",
        "-abc",
        "abc-",
        ".abc",
        "a..b",
        "192.168.5.4",
        "xn--abc",
        "abc-s3alias",
        "a/b",
        "a b",
    ],
)
def test_names_that_buckets_cannot_have(name: str) -> None:
    with pytest.raises(AWSError) as caught:
        check_bucket(name)
    assert caught.value.code == "InvalidBucketName"


@given(st.text(max_size=300))
def test_keys_are_limited_by_their_bytes(key: str) -> None:
    if len(key.encode()) <= 1024:
        check_key(key)
    else:
        with pytest.raises(AWSError, match="KeyTooLongError"):
            check_key(key)


def test_bytes_that_are_no_text_are_no_key() -> None:
    with pytest.raises(AWSError, match="InvalidURI"):
        check_text(b"\xff".decode("utf-8", "surrogateescape"))
