import secrets
from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., Any]


def test_a_bucket_from_its_making_to_its_end(s3: Any, refused: Refused) -> None:
    name = f"test-{secrets.token_hex(8)}"
    s3.create_bucket(Bucket=name)
    s3.head_bucket(Bucket=name)
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    s3.create_multipart_upload(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    with refused("404"):
        s3.head_bucket(Bucket=name)
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket=name)


def test_names_are_everybodys(s3: Any, other: Any, bucket: str, refused: Refused) -> None:
    s3.create_bucket(Bucket=bucket)
    with refused("BucketAlreadyExists", 409):
        other.create_bucket(Bucket=bucket)
    assert bucket not in [found["Name"] for found in other.list_buckets()["Buckets"]]


def test_expected_owners(s3: Any, owner: Any, stranger: Any, bucket: str, refused: Refused) -> None:
    s3.list_objects_v2(Bucket=bucket, ExpectedBucketOwner=owner.id)
    with refused("AccessDenied", 403):
        s3.list_objects_v2(Bucket=bucket, ExpectedBucketOwner=stranger.id)


def test_regions(s3: Any, refused: Refused) -> None:
    with refused("IllegalLocationConstraintException", 400):
        s3.create_bucket(
            Bucket=f"test-{secrets.token_hex(8)}", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )


CONFIGURATIONS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("bucket_tagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}},
     {"TagSet": [{"Key": "a", "Value": "b"}]}, "NoSuchTagSet"),
    ("bucket_website", {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "i.html"}}},
     {"IndexDocument": {"Suffix": "i.html"}}, "NoSuchWebsiteConfiguration"),
    ("bucket_cors", {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}},
     {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}, "NoSuchCORSConfiguration"),
]  # fmt: skip


@pytest.mark.parametrize(("noun", "given", "shown", "missing"), CONFIGURATIONS, ids=[row[0] for row in CONFIGURATIONS])
def test_configurations_are_put_read_and_deleted(
    s3: Any, bucket: str, refused: Refused, noun: str, given: dict[str, Any], shown: dict[str, Any], missing: str
) -> None:
    with refused(missing, 404):
        getattr(s3, f"get_{noun}")(Bucket=bucket)
    getattr(s3, f"put_{noun}")(Bucket=bucket, **given)
    answer = getattr(s3, f"get_{noun}")(Bucket=bucket)
    assert {name: answer[name] for name in shown} == shown
    getattr(s3, f"delete_{noun}")(Bucket=bucket)
    with refused(missing, 404):
        getattr(s3, f"get_{noun}")(Bucket=bucket)


def test_new_buckets_are_closed(s3: Any, bucket: str) -> None:
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert controls == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


@pytest.mark.parametrize(
    ("website", "code"),
    [
        ({}, "InvalidArgument"),
        ({"IndexDocument": {"Suffix": "a/b"}}, "InvalidArgument"),
        ({"ErrorDocument": {"Key": "e"}}, "InvalidArgument"),
        ({"RedirectAllRequestsTo": {"HostName": "x"}, "IndexDocument": {"Suffix": "i"}}, "InvalidArgument"),
        ({"RedirectAllRequestsTo": {"HostName": "x\r\nset-cookie: a=b"}}, "InvalidArgument"),
        ({"IndexDocument": {"Suffix": "i"}, "RoutingRules": [{"Redirect": {"HttpRedirectCode": "200"}}]},
         "InvalidArgument"),
        ({"IndexDocument": {"Suffix": "i"}, "RoutingRules": [{"Redirect": {}}]}, "InvalidArgument"),
        ({"IndexDocument": {"Suffix": "i"}, "RoutingRules": []}, "MalformedXML"),
        ({"IndexDocument": {"Suffix": "i"}, "RoutingRules": [{"Redirect": {"Protocol": "gopher"}}]}, "InvalidRequest"),
        ({"IndexDocument": {"Suffix": "i"}, "RoutingRules": [{"Condition": {}, "Redirect": {"ReplaceKeyWith": "a"}}]},
         "InvalidRequest"),
        ({"IndexDocument": {"Suffix": "i"}, "RoutingRules": [
            {"Redirect": {"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}}]}, "InvalidRequest"),
    ],
)  # fmt: skip
def test_website_configurations_that_cannot_be(
    s3: Any, bucket: str, refused: Refused, website: dict[str, Any], code: str
) -> None:
    with refused(code, 400):
        s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=website)


def test_what_cannot_be_switched_on_is_refused(s3: Any, bucket: str, refused: Refused) -> None:
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    with refused("NotImplemented", 501):
        s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    with refused("NotImplemented", 501):
        s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    with refused("ReplicationConfigurationNotFoundError", 404):
        s3.get_bucket_replication(Bucket=bucket)


def test_lists_of_buckets_have_pages(stranger: Any, other: Any) -> None:
    prefix = f"page-{secrets.token_hex(6)}"
    names = [f"{prefix}-{number}" for number in range(3)]
    for name in names:
        other.create_bucket(Bucket=name)
    first = other.list_buckets(Prefix=prefix, MaxBuckets=2)
    rest = other.list_buckets(Prefix=prefix, MaxBuckets=2, ContinuationToken=first["ContinuationToken"])
    assert [bucket["Name"] for bucket in first["Buckets"] + rest["Buckets"]] == names
    assert "ContinuationToken" not in rest


def test_places_that_are_none(s3: Any, refused: Refused) -> None:
    for constraint in ("us-east-1", "nowhere"):
        with refused("InvalidLocationConstraint", 400):
            s3.create_bucket(
                Bucket=f"test-{secrets.token_hex(8)}", CreateBucketConfiguration={"LocationConstraint": constraint}
            )


def test_owners_that_are_no_accounts(s3: Any, bucket: str, refused: Refused) -> None:
    with refused("InvalidBucketOwnerAWSAccountID", 400):
        s3.list_objects_v2(Bucket=bucket, ExpectedBucketOwner="somebody")


def test_a_bucket_with_no_tags_has_no_tag_set(s3: Any, bucket: str, refused: Refused) -> None:
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": []})
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)


def test_errors_name_no_resource(s3: Any, bucket: str, refused: Refused) -> None:
    """Recorded answers of S3 do not, whatever its documentation shows."""
    with refused("NoSuchKey", 404) as error:
        s3.get_object(Bucket=bucket, Key="k")
    assert set(error["Error"]) == {"Code", "Message", "Key"}


def test_a_lock_configuration_is_asked_for(s3: Any, bucket: str, refused: Refused) -> None:
    with refused("MissingRequestBodyError", 400):
        s3.put_object_lock_configuration(Bucket=bucket)


def test_grants_of_logs_are_kept(s3: Any, bucket: str, make_bucket: Any, refused: Refused) -> None:
    group = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}
    logging = {"TargetBucket": make_bucket(), "TargetPrefix": "log", "TargetGrants": [{"Grantee": group}]}
    for permission in ("WRITE", "READ_ACP"):
        logging["TargetGrants"][0]["Permission"] = permission
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": logging})
        assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == logging
    logging["TargetGrants"][0]["Permission"] = "ALL"
    with refused("MalformedXML", 400):
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": logging})
