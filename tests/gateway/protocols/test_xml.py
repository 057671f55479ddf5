"""What writes many values of a shape at once writes them as it would write each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.model import operation_model
from pileus.gateway.protocols import xml

LISTED = operation_model("s3", "ListObjectsV2").output_shape.members["Contents"].member
ENCODER = xml.Encoder(xml.moment_in_milliseconds)
TEXT = st.text(st.sampled_from("aé&<>\"'\r\0 \U0001f600"), max_size=4)
OBJECTS = st.fixed_dictionaries(
    {"Key": TEXT, "Size": st.integers(0, 2**40)},
    optional={
        "ETag": TEXT,
        "LastModified": st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
        "ChecksumAlgorithm": st.lists(TEXT, max_size=2),
        "Owner": st.fixed_dictionaries({"ID": TEXT}, optional={"DisplayName": TEXT}),
        "StorageClass": st.none() | TEXT,
    },
)
ALIKE = st.lists(st.fixed_dictionaries({"Key": TEXT, "ETag": TEXT, "Owner": st.fixed_dictionaries({"ID": TEXT})}))


@given(st.lists(OBJECTS) | ALIKE)
def test_many_are_written_as_each_is(objects: list[dict[str, Any]]) -> None:
    writer = ENCODER.writer("Contents", LISTED)
    enough = objects * 16 if objects else [{"Key": ""}] * 16
    assert writer.many(enough) == [writer.one(value) for value in enough]


@given(st.lists(OBJECTS, max_size=40))
def test_a_page_holds_what_is_in_it(objects: list[dict[str, Any]]) -> None:
    shape = operation_model("s3", "ListObjectsV2").output_shape
    each = "".join(ENCODER.write("Contents", LISTED, value) for value in objects)
    assert ENCODER.write("Page", shape, {"Contents": objects}) == f"<Page>{each}</Page>"


def test_structures_without_members_are_empty_elements() -> None:
    assert ENCODER.writer("Contents", LISTED).many([{}] * 20) == ["<Contents></Contents>"] * 20


def test_s3_writes_milliseconds_always() -> None:
    assert xml.moment_in_milliseconds(datetime(2024, 2, 29, 12, tzinfo=UTC)) == "2024-02-29T12:00:00.000Z"
