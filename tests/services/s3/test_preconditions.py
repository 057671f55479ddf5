from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pileus.aws.errors import AWSError
from pileus.services.s3 import preconditions
from pileus.services.s3.objects import Stretch, ranged
from pileus.services.s3.state import Properties, Version

NOW = datetime(2026, 11, 24, tzinfo=UTC)
VERSION = Version("null", 1, NOW.timestamp(), Properties("1"), size=10, etag="abc")
BEFORE, AFTER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


# RFC 9110, section 13.2.2: an entity tag decides before a date does.
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({}, None),
        ({"IfMatch": '"abc"'}, None),
        ({"IfMatch": "abc"}, None),
        ({"IfMatch": '"x", "abc"'}, None),
        ({"IfMatch": '"x"'}, 412),
        ({"IfNoneMatch": '"abc"'}, 304),
        ({"IfNoneMatch": "*"}, 304),
        ({"IfNoneMatch": '"x"'}, None),
        ({"IfModifiedSince": BEFORE}, None),
        ({"IfModifiedSince": NOW}, 304),
        ({"IfUnmodifiedSince": NOW}, None),
        ({"IfUnmodifiedSince": BEFORE}, 412),
        ({"IfMatch": '"abc"', "IfUnmodifiedSince": BEFORE}, None),
        ({"IfNoneMatch": '"x"', "IfModifiedSince": AFTER}, None),
    ],
)
def test_conditions_of_reads(request_: dict[str, Any], status: int | None) -> None:
    if status is None:
        preconditions.check_read(VERSION, request_)
        return
    with pytest.raises(AWSError) as caught:
        preconditions.check_read(VERSION, request_)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("head", "request_", "code"),
    [
        (None, {"IfNoneMatch": "*"}, None),
        (VERSION, {"IfNoneMatch": "*"}, "PreconditionFailed"),
        (VERSION, {"IfNoneMatch": '"abc"'}, "PreconditionFailed"),
        (VERSION, {"IfNoneMatch": '"x"'}, None),
        (None, {"IfNoneMatch": '"abc"'}, None),
        (VERSION, {"IfMatch": '"abc"'}, None),
        (VERSION, {"IfMatch": '"x"'}, "PreconditionFailed"),
        (None, {"IfMatch": '"abc"'}, "NoSuchKey"),
    ],
)
def test_conditions_of_writes(head: Version | None, request_: dict[str, Any], code: str | None) -> None:
    if code is None:
        preconditions.check_write(head, request_, "k")
        return
    with pytest.raises(AWSError) as caught:
        preconditions.check_write(head, request_, "k")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("header", "stretch"),
    [
        (None, None),
        ("bytes=0-3", Stretch(0, 4)),
        ("bytes=8-100", Stretch(8, 2)),
        ("bytes=4-", Stretch(4, 6)),
        ("bytes=-4", Stretch(6, 4)),
        ("bytes=-100", Stretch(0, 10)),
        ("bytes=3-2", None),
        ("bytes=0-1,4-5", None),
        ("lines=1-2", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
    ],
)
def test_ranges(header: str | None, stretch: Stretch | None) -> None:
    assert ranged(header, 10) == stretch


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-0", 0), ("bytes=-5", 0)])
def test_ranges_outside_of_the_contents(header: str, size: int) -> None:
    with pytest.raises(AWSError) as caught:
        ranged(header, size)
    assert caught.value.status == 416


@pytest.mark.parametrize(
    ("version", "request_", "code"),
    [
        (VERSION, {"IfMatch": '"abc"'}, None),
        (VERSION, {"IfMatch": '"x"'}, "PreconditionFailed"),
        (None, {}, None),
        (None, {"IfMatch": '"abc"'}, "NoSuchKey"),
        (None, {"IfMatch": '"abc"', "VersionId": "v"}, None),
    ],
)
def test_conditions_of_deletions(version: Version | None, request_: dict[str, Any], code: str | None) -> None:
    asked = {"Key": "k", **request_}
    if code is None:
        preconditions.check_delete(version, asked)
        return
    with pytest.raises(AWSError) as caught:
        preconditions.check_delete(version, asked)
    assert caught.value.code == code
