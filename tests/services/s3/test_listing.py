import secrets
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.services.s3 import listing, versions
from pileus.services.s3.state import Bucket, Properties, Version
from pileus.store.sqlite import SQLiteStore

Refused = Callable[..., Any]
KEYS = st.lists(st.text("ab/é\x00", min_size=1, max_size=5), min_size=1, max_size=25, unique=True)


def expected(keys: list[str], prefix: str, delimiter: str, after: str) -> list[str]:
    """What a listing shows, from the definition of it."""
    shown: list[str] = []
    for key in sorted(keys):
        if not key.startswith(prefix) or key <= after:
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if at < 0 else key[: at + len(delimiter)]
        if at >= 0 and after.startswith(name):
            continue
        if name not in shown:
            shown.append(name)
    return shown


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=KEYS,
    prefix=st.sampled_from(["", "a", "a/", "/", "é"]),
    delimiter=st.sampled_from(["", "/", "b"]),
    after=st.sampled_from(["", "a", "a/", "b/é"]),
)
def test_listings_show_what_they_are_defined_to(
    tmp_path: Any, keys: list[str], prefix: str, delimiter: str, after: str
) -> None:
    import asyncio

    async def run() -> list[str]:
        store = SQLiteStore(tmp_path / "store.db", "relaxed")
        bucket = Bucket(secrets.token_hex(4), "1", "us-east-1", 0.0)

        def fill(tx: Any) -> None:
            for number, key in enumerate(keys):
                versions.add(tx, bucket, key, Version("", number, 0.0, Properties("1")), None)

        await store.transact(fill)
        found = [name for name, _ in listing.walk(store, bucket.name, prefix, delimiter, after)]
        store.close()
        return found

    assert asyncio.run(run()) == expected(keys, prefix, delimiter, after)


NAMES = ["a.txt", "docs/1", "docs/2", "docs/sub/3", "img/x", "z"]


@pytest.fixture(scope="module")
def filled(s3: Any) -> str:
    name = f"test-{secrets.token_hex(8)}"
    s3.create_bucket(Bucket=name)
    for key in NAMES:
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    return name


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
def test_pages_together_are_the_whole(s3: Any, filled: str, operation: str, size: int) -> None:
    pages = s3.get_paginator(operation).paginate(Bucket=filled, Delimiter="/", PaginationConfig={"PageSize": size})
    shown = []
    for page in pages:
        entries = [item["Key"] for item in page.get("Contents", []) + page.get("Versions", [])]
        entries += [item["Prefix"] for item in page.get("CommonPrefixes", [])]
        assert len(entries) <= size
        shown += sorted(entries)
    assert shown == ["a.txt", "docs/", "img/", "z"]


def test_members_of_listings(s3: Any, filled: str) -> None:
    answer = s3.list_objects_v2(Bucket=filled, Prefix="docs/", Delimiter="/", MaxKeys=2, FetchOwner=True)
    assert answer["KeyCount"] == 2
    assert answer["IsTruncated"] is True
    assert answer["Prefix"] == "docs/"
    assert [item["Key"] for item in answer["Contents"]] == ["docs/1", "docs/2"]
    assert "ID" in answer["Contents"][0]["Owner"]
    rest = s3.list_objects_v2(
        Bucket=filled, Prefix="docs/", Delimiter="/", ContinuationToken=answer["NextContinuationToken"]
    )
    assert [item["Prefix"] for item in rest["CommonPrefixes"]] == ["docs/sub/"]
    assert "Owner" not in s3.list_objects_v2(Bucket=filled)["Contents"][0]
    assert s3.list_objects_v2(Bucket=filled, MaxKeys=0).get("Contents") is None
    assert s3.list_objects_v2(Bucket=filled, StartAfter="img")["KeyCount"] == 2


def test_listings_that_cannot_be(s3: Any, filled: str, refused: Refused) -> None:
    with refused("InvalidArgument", 400):
        s3.list_objects_v2(Bucket=filled, ContinuationToken="forged")
    with refused("InvalidArgument", 400):
        s3.list_objects(Bucket=filled, MaxKeys=-1)
    with refused("InvalidArgument", 400):
        s3.list_object_versions(Bucket=filled, VersionIdMarker="x")


def test_versions_are_paged_while_they_are_deleted(s3: Any, make_bucket: Callable[..., str]) -> None:
    name = make_bucket(versioning=True)
    for _ in range(5):
        s3.put_object(Bucket=name, Key="k", Body=b"x")
    page, seen = s3.list_object_versions(Bucket=name, MaxKeys=2), 0
    while True:
        for version in page["Versions"]:
            seen += 1
            s3.delete_object(Bucket=name, Key="k", VersionId=version["VersionId"])
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
        page = s3.list_object_versions(Bucket=name, MaxKeys=2, **markers)
    assert seen == 5


def test_uploads_are_paged_while_they_are_aborted(s3: Any, bucket: str) -> None:
    made = [s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"] for _ in range(5)]
    markers: dict[str, str] = {}
    seen = []
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **markers)
        for upload in page["Uploads"]:
            seen.append(upload["UploadId"])
            s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload["UploadId"])
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert seen == made  # the oldest first
    last = s3.list_multipart_uploads(Bucket=bucket)
    assert (last["NextKeyMarker"], last["NextUploadIdMarker"]) == ("", "")
