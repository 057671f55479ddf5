"""Rules, against a cloud without a server, whose clock is the test's."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pileus.aws.body import Bytes
from pileus.aws.errors import AWSError
from pileus.gateway.cloud import open_cloud, prepare
from pileus.security import principals
from pileus.services.context import Settings
from pileus.services.s3 import contents, lifecycle, lifecycle_rules, transitions
from pileus.services.s3.state import Bucket, Properties, Version

DAY = 86_400.0
START = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = START

    def time(self) -> float:
        return self.moment

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.moment, UTC)


class Place:
    """S3 in process, and its clock."""

    def __init__(self, data: Path) -> None:
        self.clock = Clock()
        self.cloud = open_cloud(Settings(data, durability="relaxed"), self.clock)  # type: ignore[arg-type]

    async def call(self, operation: str, **request: Any) -> dict[str, Any]:
        client = self.cloud.client(principals.root("000000000000"))
        answer: dict[str, Any] = await client.call("s3", operation, request)
        return answer

    async def put(self, key: str, **options: Any) -> dict[str, Any]:
        return await self.call("PutObject", Bucket="bucket", Key=key, Body=Bytes(b"x" * 40_000), **options)

    async def keys(self) -> list[str]:
        listed = await self.call("ListObjectsV2", Bucket="bucket")
        return [item["Key"] for item in listed.get("Contents", [])]

    async def versions(self) -> tuple[list[str], list[str]]:
        listed = await self.call("ListObjectVersions", Bucket="bucket")
        return tuple([item["Key"] for item in listed[name]] for name in ("Versions", "DeleteMarkers"))  # type: ignore[return-value]

    def files(self) -> list[Path]:
        return [path for path in (self.cloud.settings.data / "blobs").rglob("*") if path.is_file()]

    async def after(self, days: float) -> None:
        self.clock.moment = START + days * DAY
        await lifecycle.run(self.cloud)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    def start(test: Any, rules: list[dict[str, Any]], versioning: str = "") -> None:
        async def with_place() -> None:
            place = Place(tmp_path / "data")
            await prepare(place.cloud.store, place.clock)  # type: ignore[arg-type]
            await place.call("CreateBucket", Bucket="bucket")
            if versioning:
                await place.call("PutBucketVersioning", Bucket="bucket", VersioningConfiguration={"Status": versioning})
            configuration = {"Rules": rules}
            await place.call("PutBucketLifecycleConfiguration", Bucket="bucket", LifecycleConfiguration=configuration)
            await test(place)
            place.cloud.store.close()

        asyncio.run(with_place())

    return start


def rule(**actions: Any) -> dict[str, Any]:
    return {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, **actions}


def test_objects_expire_at_the_midnight_after(run: Any) -> None:
    async def test(place: Place) -> None:
        await place.put("logs/a")
        await place.put("keep")
        told = await place.call("HeadObject", Bucket="bucket", Key="logs/a")
        assert told["Expiration"] == 'expiry-date="Thu, 05 Mar 2026 00:00:00 GMT", rule-id="r"'
        assert "Expiration" not in await place.call("HeadObject", Bucket="bucket", Key="logs/a", VersionId="null")
        await place.after(3.4)
        assert await place.keys() == ["keep", "logs/a"]
        await place.after(3.6)
        assert await place.keys() == ["keep"]
        assert len(place.files()) == 1

    run(test, [rule(Filter={"Prefix": "logs/"}, Expiration={"Days": 3})])


def test_rules_take_what_their_filters_name(run: Any) -> None:
    async def test(place: Place) -> None:
        await place.put("tagged", Tagging="class=temporary&x=y")
        await place.put("other", Tagging="class=permanent")
        await place.after(9)
        assert await place.keys() == ["other"]

    both = {"And": {"Prefix": "", "Tags": [{"Key": "class", "Value": "temporary"}], "ObjectSizeGreaterThan": 100}}
    run(test, [rule(Filter=both, Expiration={"Days": 1})])


def test_a_rule_that_is_disabled_does_nothing(run: Any) -> None:
    async def test(place: Place) -> None:
        await place.put("a")
        await place.after(99)
        assert await place.keys() == ["a"]

    run(test, [rule(Status="Disabled", Expiration={"Days": 1})])


def test_versions_expire_once_others_took_their_place(run: Any) -> None:
    async def test(place: Place) -> None:
        for number in range(4):
            place.clock.moment = START + number
            await place.put("a")
        await place.after(1)
        assert await place.versions() == (["a"] * 4, [])
        await place.after(5)
        # The newest and one noncurrent one stay.
        assert await place.versions() == (["a"] * 2, [])
        assert len(place.files()) == 2

    run(test, [rule(NoncurrentVersionExpiration={"NoncurrentDays": 3, "NewerNoncurrentVersions": 1})], "Enabled")


def test_expiring_a_current_version_leaves_a_marker_which_goes_when_it_is_alone(run: Any) -> None:
    async def test(place: Place) -> None:
        await place.put("a")
        await place.after(2.6)
        assert await place.versions() == (["a"], ["a"])
        await place.after(9)
        # The marker has nothing behind it any more.
        assert await place.versions() == ([], [])

    actions = rule(Expiration={"Days": 1}, NoncurrentVersionExpiration={"NoncurrentDays": 1})
    run(test, [actions], "Enabled")


def test_uploads_that_nobody_completes_are_aborted(run: Any) -> None:
    async def test(place: Place) -> None:
        upload = await place.call("CreateMultipartUpload", Bucket="bucket", Key="a")
        assert upload["AbortRuleId"] == "r"
        await place.call(
            "UploadPart", Bucket="bucket", Key="a", UploadId=upload["UploadId"], PartNumber=1, Body=Bytes(b"x" * 99_999)
        )
        assert len(place.files()) == 1
        await place.after(4)
        assert (await place.call("ListMultipartUploads", Bucket="bucket")).get("Uploads", []) == []
        assert place.files() == []

    run(test, [rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2})])


def test_a_lock_is_stronger_than_a_rule(run: Any) -> None:
    async def test(place: Place) -> None:
        await place.call(
            "PutObjectLockConfiguration",
            Bucket="bucket",
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 30}},
            },
        )  # fmt: skip
        await place.put("a")
        await place.put("a")
        await place.after(9)
        assert await place.versions() == (["a", "a"], [])
        await place.after(40)
        assert await place.versions() == (["a"], [])

    run(test, [rule(NoncurrentVersionExpiration={"NoncurrentDays": 1})], "Enabled")


def test_blobs_of_no_record_are_collected(run: Any) -> None:
    async def test(place: Place) -> None:
        await place.put("kept")
        area = contents.blobs(place.cloud)
        lost = await area.write(Bytes(b"lost"))
        assert len(place.files()) == 2
        await area.sweep(place.cloud.store, age=-1)
        assert not area.path(lost.key).exists()
        assert len(place.files()) == 1
        got = await place.call("GetObject", Bucket="bucket", Key="kept")
        assert got["ContentLength"] == 40_000

    run(test, [rule(Expiration={"Days": 99})])


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"Expiration": {"Days": 0}}, "InvalidArgument"),
        ({"Expiration": {"Days": 1, "Date": datetime(2026, 1, 1, tzinfo=UTC)}}, "MalformedXML"),
        ({"Expiration": {"Date": datetime(2026, 1, 1, 5, tzinfo=UTC)}}, "InvalidArgument"),
        ({"ID": "x" * 256, "Expiration": {"Days": 1}}, "InvalidArgument"),
        ({"Status": "enabled", "Expiration": {"Days": 1}}, "MalformedXML"),
        ({"Filter": None, "Expiration": {"Days": 1}}, "MalformedXML"),
        ({}, "InvalidRequest"),
        ({"Expiration": {"Days": 1}, "NoncurrentVersionExpiration": {}}, "MalformedXML"),
        ({"Filter": {"And": {"Tags": [{"Key": "a", "Value": value} for value in "bc"]}}, "Expiration": {"Days": 1}},
         "InvalidRequest"),
        ({"Filter": {"Tag": {"Key": "a", "Value": "b"}}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
         "InvalidRequest"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(AWSError) as caught:
        lifecycle_rules.checked([rule(**wrong)])
    assert caught.value.code == code


def test_two_rules_have_two_names() -> None:
    with pytest.raises(AWSError, match="must be unique"):
        lifecycle_rules.checked([rule(Expiration={"Days": 1}), rule(Expiration={"Days": 2})])


def test_the_earliest_rule_is_told() -> None:
    rules = [rule(ID=name, Expiration={"Days": days}) for name, days in (("late", 9), ("soon", 2), ("again", 2))]
    bucket = Bucket("b", "1", "us-east-1", 0.0, configurations={"lifecycle": {"Rules": rules}})
    version = Version("null", 1, START, Properties("1"))
    assert 'rule-id="soon"' in lifecycle_rules.expiration_member(bucket, "k", version)["Expiration"]


def transition(days: int, storage_class: str) -> dict[str, Any]:
    return {"Days": days, "StorageClass": storage_class}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"Transitions": [transition(1, "GLACIER")]}, "NotImplemented"),
        ({"Transitions": [transition(1, "COLD")]}, "MalformedXML"),
        (
            {"Transitions": [{"Date": datetime(2026, 1, 1, 5, tzinfo=UTC), "StorageClass": "GLACIER"}]},
            "InvalidArgument",
        ),
        ({"Transitions": [transition(29, "STANDARD_IA")]}, "InvalidArgument"),
        ({"Transitions": [{"StorageClass": "GLACIER_IR"}]}, "MalformedXML"),
        ({"Transitions": [transition(1, "GLACIER_IR"), transition(2, "GLACIER_IR")]}, "InvalidArgument"),
        ({"NoncurrentVersionTransitions": [{"NoncurrentDays": 2, "StorageClass": "ONEZONE_IA"}]}, "InvalidArgument"),
    ],
)
def test_transitions_that_cannot_be(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(AWSError) as caught:
        transitions.check(rule(**wrong))
    assert caught.value.code == code


def test_objects_change_their_class_and_nothing_else(run: Callable[..., None]) -> None:
    rules = [
        rule(
            Transitions=[transition(1, "INTELLIGENT_TIERING"), transition(60, "GLACIER_IR")],
            NoncurrentVersionTransitions=[{"NoncurrentDays": 1, "StorageClass": "GLACIER_IR"}],
        )
    ]

    async def test(place: Place) -> None:
        async def classes() -> list[str]:
            listed = await place.call("ListObjectVersions", Bucket="bucket", Prefix="large")
            return [item["StorageClass"] for item in listed["Versions"]]

        for _ in range(2):
            await place.call("PutObject", Bucket="bucket", Key="large", Body=Bytes(bytes(128 * 1024)))
        await place.put("small")
        before = await place.call("HeadObject", Bucket="bucket", Key="large")
        assert await classes() == ["STANDARD", "STANDARD"]
        place.clock.moment += 2 * DAY
        await lifecycle.run(place.cloud)
        assert await classes() == ["INTELLIGENT_TIERING", "GLACIER_IR"]
        after = await place.call("HeadObject", Bucket="bucket", Key="large")
        assert after.pop("StorageClass") == "INTELLIGENT_TIERING"
        assert after == before
        assert "StorageClass" not in await place.call("HeadObject", Bucket="bucket", Key="small")
        place.clock.moment += 60 * DAY
        await lifecycle.run(place.cloud)
        assert await classes() == ["GLACIER_IR", "GLACIER_IR"]
        got = await place.call("GetObject", Bucket="bucket", Key="large")
        assert got["ContentLength"] == 128 * 1024

    run(test, rules, "Enabled")
