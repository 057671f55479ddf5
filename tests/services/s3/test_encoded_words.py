import email.header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.services.s3 import encoded_words


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain, with ~ and =", "plain, with ~ and ="),
        ("\u00c4M\u00c4Z\u00d5\u00d1 S3", "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?="),
        ("a_b=c?\u00e9", "=?UTF-8?Q?a=5Fb=3Dc=3F=C3=A9?="),
        ("\0\1\2\3", "=?UTF-8?B?AAECAw==?="),
        ("\ufffd" * 2, "=?UTF-8?B?77+977+9?="),
    ],
)
def test_words_as_s3_writes_them(value: str, written: str) -> None:
    assert encoded_words.encode(value) == written
    assert encoded_words.decode(written) == value


@pytest.mark.parametrize(
    "value", ["=?UTF-8?B?=GGG?=", "=?none?Q?a?=", "=?UTF-8?Q?=FF?=", "=?UTF-8?X?a?=", "a =?UTF-8?Q?a?="]
)
def test_what_is_no_word_stays(value: str) -> None:
    assert encoded_words.decode(value) == value


@pytest.mark.parametrize("value", ["plain", "=?UTF-8?B?YWJj?=", "=?UTF-8?Q?a?="])
def test_what_is_said_literally_stays(value: str) -> None:
    assert encoded_words.decode(encoded_words.literally(value)) == value


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_words_are_what_mail_reads(value: str) -> None:
    written = encoded_words.encode(value)
    assert written.isascii()
    if written != value:
        ((raw, charset),) = email.header.decode_header(written)
        assert raw.decode(charset) == value
        assert encoded_words.decode(written) == value
