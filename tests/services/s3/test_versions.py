import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.services.s3 import versions
from pileus.services.s3.state import HEADS, NULL, OLDER, Bucket, Properties, Version
from pileus.store.sqlite import SQLiteStore

Refused = Callable[..., Any]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(["", "Enabled", "Suspended"])),
        st.tuples(st.just("remove"), st.integers(0, 5)),
    ),
    max_size=12,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_versions_are_a_list_with_one_null_at_most(tmp_path: Any, steps: list[tuple[str, Any]]) -> None:
    """Against a model: a list of (id, size), newest first."""
    model: list[tuple[str, int]] = []

    async def run() -> None:
        store = SQLiteStore(tmp_path / "store.db", "relaxed")
        name = secrets.token_hex(4)
        for number, (what, how) in enumerate(steps):
            if what == "put":
                made = await store.transact(partial(put, name=name, number=number, versioning=how))
                if made.id == NULL:
                    model[:] = [entry for entry in model if entry[0] != NULL]
                model.insert(0, (made.id, number))
            elif how < len(model):
                version_id = model.pop(how)[0]
                await store.transact(partial(drop, name=name, version_id=version_id))
            assert stored(store, name) == model
            for version_id, size in model:
                found = versions.look_up(store, name, "k", version_id)
                assert found is not None and found.size == size
        store.close()

    asyncio.run(run())


def put(tx: Any, name: str, number: int, versioning: str) -> Version:
    bucket = Bucket(name, "1", "us-east-1", 0.0, versioning=versioning)
    head = HEADS.get(tx, name, "k")
    version = Version("", versions.next_order(head, 0.0), 0.0, Properties("1"), size=number)
    versions.add(tx, bucket, "k", version, head)
    return version


def drop(tx: Any, name: str, version_id: str) -> None:
    found = versions.look_up(tx, name, "k", version_id)
    assert found is not None
    versions.remove(tx, name, "k", found)


def stored(store: Any, name: str) -> list[tuple[str, int]]:
    head = HEADS.get(store, name, "k")
    older = [version for _, version in OLDER.scan(store, name, "k")]
    return [(version.id, version.size) for version in ([head] if head else []) + older]


def test_deleting_leaves_a_marker_and_takes_it_away_again(s3: Any, make_bucket: Any, refused: Refused) -> None:
    bucket = make_bucket(versioning=True)
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    deleted = s3.delete_object(Bucket=bucket, Key="k")
    assert deleted["DeleteMarker"] is True
    with refused("NoSuchKey", 404) as response:
        s3.get_object(Bucket=bucket, Key="k")
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    with refused("MethodNotAllowed", 405):
        s3.get_object(Bucket=bucket, Key="k", VersionId=deleted["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"1"
    listed = s3.list_object_versions(Bucket=bucket)
    assert [version["VersionId"] for version in listed["Versions"]] == [second, first]
    assert [marker["IsLatest"] for marker in listed["DeleteMarkers"]] == [True]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=deleted["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=second)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    with refused("InvalidArgument", 400):
        s3.get_object(Bucket=bucket, Key="k", VersionId="never-one")


def test_a_suspended_bucket_overwrites_the_null_version_only(s3: Any, make_bucket: Any) -> None:
    bucket = make_bucket(versioning=True)
    kept = s3.put_object(Bucket=bucket, Key="k", Body=b"kept")["VersionId"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"null 1")
    s3.put_object(Bucket=bucket, Key="k", Body=b"null 2")
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [version["VersionId"] for version in listed] == ["null", kept]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"null 2"
    assert s3.delete_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    assert [version["VersionId"] for version in s3.list_object_versions(Bucket=bucket)["Versions"]] == [kept]


def test_locked_versions_stay(s3: Any, make_bucket: Any, refused: Refused) -> None:
    bucket = make_bucket(ObjectLockEnabledForBucket=True)
    from datetime import UTC, datetime, timedelta

    until = datetime.now(UTC) + timedelta(days=1)
    made = s3.put_object(
        Bucket=bucket, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
    )
    assert "ObjectLockLegalHoldStatus" not in s3.head_object(Bucket=bucket, Key="k")
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_legal_hold(Bucket=bucket, Key="k")
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=made["VersionId"])
    assert s3.delete_object(Bucket=bucket, Key="k")["DeleteMarker"] is True
    s3.put_object_legal_hold(Bucket=bucket, Key="k", VersionId=made["VersionId"], LegalHold={"Status": "ON"})
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=made["VersionId"], BypassGovernanceRetention=True)
    s3.put_object_legal_hold(Bucket=bucket, Key="k", VersionId=made["VersionId"], LegalHold={"Status": "OFF"})
    shorter = {"Mode": "GOVERNANCE", "RetainUntilDate": until - timedelta(hours=1)}
    with refused("AccessDenied", 403):
        s3.put_object_retention(Bucket=bucket, Key="k", VersionId=made["VersionId"], Retention=shorter)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=made["VersionId"], BypassGovernanceRetention=True)
    with refused("InvalidBucketState", 409):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def test_delete_markers_refuse_tags_and_acls(s3: Any, make_bucket: Callable[..., str], refused: Refused) -> None:
    name = make_bucket(versioning=True, acls=True)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    s3.delete_object(Bucket=name, Key="k")
    with refused("MethodNotAllowed", 405) as error:
        s3.put_object_tagging(Bucket=name, Key="k", Tagging={"TagSet": []})
    assert (error["Error"]["Method"], error["Error"]["ResourceType"]) == ("PUT", "DeleteMarker")
    with refused("MethodNotAllowed", 405):
        s3.get_object_tagging(Bucket=name, Key="k")
    with refused("MethodNotAllowed", 405):
        s3.put_object_acl(Bucket=name, Key="k", ACL="private")
    with refused("NoSuchKey", 404):
        s3.get_object_acl(Bucket=name, Key="k")


def test_ids_that_were_never_one(s3: Any, bucket: str, refused: Refused) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    foreign = "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"
    with refused("InvalidArgument", 400):
        s3.get_object(Bucket=bucket, Key="k", VersionId=foreign)
    with refused("InvalidArgument", 400):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=foreign)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": foreign}]})
    assert [error["Code"] for error in answer["Errors"]] == ["NoSuchVersion"]


def test_ids_are_made_of_what_s3s_are() -> None:
    made = [versions.new_id(order) for order in range(100)]
    assert all(len(name) == 32 and name.replace(".", "").replace("_", "").isalnum() for name in made)
    versions.check_id(made[0].replace(".", "-"))  # as they were made before
