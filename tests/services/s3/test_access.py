"""Who may: bucket policies, ACLs, ownership and public-access blocks, asked over the wire."""

import json
from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., Any]
EVERYONE = "http://acs.amazonaws.com/groups/global/AllUsers"


def test_a_strangers_bucket_is_closed(s3: Any, other: Any, fetch: Any, bucket: str, refused: Refused) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret")
    attempts: tuple[Callable[[], Any], ...] = (
        lambda: other.get_object(Bucket=bucket, Key="k"),
        lambda: other.get_object(Bucket=bucket, Key="absent"),
        lambda: other.put_object(Bucket=bucket, Key="k", Body=b"x"),
        lambda: other.delete_object(Bucket=bucket, Key="k"),
        lambda: other.list_objects_v2(Bucket=bucket),
        lambda: other.put_bucket_policy(Bucket=bucket, Policy="{}"),
        lambda: other.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"}),
        lambda: other.delete_bucket(Bucket=bucket),
    )
    for attempt in attempts:
        with refused("AccessDenied", 403):
            attempt()
    denied = other.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})
    assert [error["Code"] for error in denied["Errors"]] == ["AccessDenied"]
    for path in (f"/{bucket}", f"/{bucket}/k", f"/{bucket}/absent", f"/{bucket}?acl", f"/{bucket}?policy"):
        assert fetch(path).status == 403
    assert fetch(f"/{bucket}/new", "PUT", body=b"x").status == 403
    assert fetch(f"/{bucket}-new", "PUT").status == 403
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"secret"


def test_a_policy_opens_what_it_names(
    s3: Any, other: Any, stranger: Any, allow: Any, bucket: str, refused: Refused
) -> None:
    s3.put_object(Bucket=bucket, Key="open/k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="shut/k", Body=b"x")
    allow(bucket, ["s3:GetObject", "s3:PutObject"], key="open/*", principal={"AWS": stranger.id})
    assert other.get_object(Bucket=bucket, Key="open/k")["Body"].read() == b"x"
    other.put_object(Bucket=bucket, Key="open/new", Body=b"y")
    # What a stranger wrote is the bucket owner's.
    assert s3.get_object(Bucket=bucket, Key="open/new")["Body"].read() == b"y"
    with refused("AccessDenied", 403):
        other.get_object(Bucket=bucket, Key="shut/k")
    with refused("AccessDenied", 403):
        other.delete_object(Bucket=bucket, Key="open/k")


def test_who_may_not_list_does_not_learn_what_is_there(
    s3: Any, other: Any, stranger: Any, allow: Any, bucket: str, refused: Refused
) -> None:
    own = f"own-{bucket}"
    other.create_bucket(Bucket=own)
    allow(bucket, ["s3:GetObject", "s3:GetObjectAttributes"], principal={"AWS": stranger.id})
    source = {"Bucket": bucket, "Key": "absent"}
    with refused("AccessDenied", 403):
        other.get_object(**source)
    with refused("AccessDenied", 403):
        other.copy_object(Bucket=own, Key="k", CopySource=source)
    with refused("AccessDenied", 403):
        other.get_object_attributes(**source, ObjectAttributes=["ETag"])
    s3.put_object(**source, Body=b"x")
    other.copy_object(Bucket=own, Key="k", CopySource=source)


def test_conditions_on_tags_and_prefixes(
    s3: Any, other: Any, stranger: Any, allow: Any, bucket: str, refused: Refused
) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", Tagging="class=public")
    s3.put_object(Bucket=bucket, Key="b", Body=b"x", Tagging="class=private")
    who = {"AWS": stranger.id}
    allow(bucket, "s3:GetObject", principal=who, Condition={"StringEquals": {"s3:ExistingObjectTag/class": "public"}})
    other.get_object(Bucket=bucket, Key="a")
    with refused("AccessDenied", 403):
        other.get_object(Bucket=bucket, Key="b")
    allow(bucket, "s3:ListBucket", key=None, principal=who, Condition={"StringLike": {"s3:prefix": "home/*"}})
    other.list_objects_v2(Bucket=bucket, Prefix="home/me/")
    with refused("AccessDenied", 403):
        other.list_objects_v2(Bucket=bucket)
    with refused("404"):
        other.head_object(Bucket=bucket, Key="home/absent")
    with refused("403"):
        other.head_object(Bucket=bucket, Key="absent")


def test_a_denial_binds_the_owner_but_not_from_the_policy(s3: Any, bucket: str, refused: Refused) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}  # noqa: E501  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    with refused("AccessDenied", 403):
        s3.put_object(Bucket=bucket, Key="k", Body=b"")
    s3.delete_bucket_policy(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Resource": "arn:aws:s3:::elsewhere/*"}, "invalid resource"),
        ({"Action": "lambda:InvokeFunction"}, "invalid action"),
        ({"Effect": "Perhaps"}, ""),
    ],
)
def test_policies_that_cannot_be(s3: Any, bucket: str, refused: Refused, change: dict[str, Any], message: str) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}", **change}
    with refused("MalformedPolicy", 400) as response:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert message in response["Error"]["Message"]


def test_the_block_refuses_public_policies_and_takes_back_those_there(
    s3: Any, owner: Any, make_bucket: Any, allow: Any, fetch: Any, bucket: str, refused: Refused
) -> None:
    with refused("AccessDenied", 403):
        allow(bucket, "s3:GetObject")
    open_ = make_bucket(public=True)
    s3.put_object(Bucket=open_, Key="k", Body=b"x")
    allow(open_, "s3:GetObject")
    assert fetch(f"/{open_}/k").status == 200
    assert s3.get_bucket_policy_status(Bucket=open_)["PolicyStatus"]["IsPublic"] is True
    restrict = {"RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=open_, PublicAccessBlockConfiguration=restrict)
    assert fetch(f"/{open_}/k").status == 403
    assert s3.get_object(Bucket=open_, Key="k")["Body"].read() == b"x"


def test_the_accounts_block_counts_for_all_its_buckets(cloud: Any, fetch: Any) -> None:
    account = cloud.create_account()
    s3 = account.client("s3")
    name = f"block-{account.id}"
    s3.create_bucket(Bucket=name)
    s3.delete_public_access_block(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert fetch(f"/{name}/k").status == 200
    blocked = {"RestrictPublicBuckets": "true"}
    path = "/v20180820/configuration/publicAccessBlock"
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    def control(method: str, body: str = "") -> Any:
        request = AWSRequest(method, account.endpoint + path, data=body, headers={"x-amz-account-id": account.id})
        SigV4Auth(Credentials(account.access_key_id, account.secret_access_key), "s3", "us-east-1").add_auth(request)
        return fetch(path, method, body=body.encode(), headers=dict(request.headers))

    document = "".join(f"<{key}>{value}</{key}>" for key, value in blocked.items())
    namespace = "http://awss3control.amazonaws.com/doc/2018-08-20/"
    answer = control(
        "PUT", f'<PublicAccessBlockConfiguration xmlns="{namespace}">{document}</PublicAccessBlockConfiguration>'
    )
    assert answer.status == 200, answer.body
    assert b"<RestrictPublicBuckets>true<" in control("GET").body
    assert fetch(f"/{name}/k").status == 403
    control("DELETE")
    assert fetch(f"/{name}/k").status == 200


def test_acls_are_off_unless_asked_for(s3: Any, bucket: str, refused: Refused) -> None:
    with refused("AccessControlListNotSupported", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="bucket-owner-full-control")
    with refused("AccessControlListNotSupported", 400):
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert [grant["Permission"] for grant in s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]] == ["FULL_CONTROL"]


def test_acls_grant_and_take_back(s3: Any, other: Any, make_bucket: Any, fetch: Any, refused: Refused) -> None:
    bucket = make_bucket(acls=True)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="shut", Body=b"x")
    assert fetch(f"/{bucket}/k").body == b"x"
    assert fetch(f"/{bucket}/shut").status == 403
    assert EVERYONE in [grant["Grantee"].get("URI") for grant in s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]]
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    assert fetch(f"/{bucket}/k").status == 403
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    with refused("AccessDenied", 403):
        s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    assert fetch(f"/{bucket}/k").status == 403
    theirs = other.list_buckets()["Owner"]["ID"]
    s3.put_object_acl(Bucket=bucket, Key="k", GrantRead=f'id="{theirs}"')
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with refused("InvalidArgument", 400):
        s3.put_object_acl(Bucket=bucket, Key="k", GrantRead='id="nobody"')


def test_writers_own_what_they_write_where_ownership_says_so(
    s3: Any, other: Any, make_bucket: Any, refused: Refused
) -> None:
    bucket = make_bucket(acls=True)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    other.put_object(Bucket=bucket, Key="theirs", Body=b"x")
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="theirs")
    assert other.get_object(Bucket=bucket, Key="theirs")["Body"].read() == b"x"
    other.put_object(Bucket=bucket, Key="shared", Body=b"x", ACL="bucket-owner-read")
    assert s3.get_object(Bucket=bucket, Key="shared")["Body"].read() == b"x"
    s3.delete_object(Bucket=bucket, Key="theirs")
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    with refused("AccessDenied", 403):
        other.put_object(Bucket=bucket, Key="late", Body=b"x")


def test_presigned_urls_are_held_to_policy_and_time(s3: Any, owner: Any, fetch: Any, bucket: str) -> None:
    from urllib.parse import urlsplit

    from botocore.config import Config

    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    signer = owner.client("s3", config=Config(signature_version="s3v4"))

    def get(url: str) -> Any:
        return fetch(f"{urlsplit(url).path}?{urlsplit(url).query}", host=urlsplit(url).netloc)

    url = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert get(url).body == b"x"
    assert get(url.replace("/k?", "/other?")).status == 403
    assert get(url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")).status == 403
    old = url.replace(url.partition("X-Amz-Date=")[2][:8], "20200101")
    assert get(old).status in (400, 403)


def test_acls_are_looked_at_before_they_are_refused(s3: Any, bucket: str, refused: Refused) -> None:
    with refused("InvalidArgument", 400) as error:
        s3.put_bucket_acl(Bucket=bucket, ACL="nobody")
    assert error["Error"]["ArgumentName"] == "x-amz-acl"
    with refused("InvalidArgument", 400) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"", GrantRead="id=nobody")
    assert (error["Error"]["ArgumentName"], error["Error"]["ArgumentValue"]) == ("id", "nobody")
    with refused("MalformedACLError", 400):
        s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={})
    with refused("InvalidRequest", 400):
        s3.put_object(Bucket=bucket, Key="k", ACL="bucket-owner-full-control", GrantRead="id=x")
    with refused("AccessControlListNotSupported", 400):
        s3.put_bucket_acl(Bucket=bucket, ACL="private")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text", "Policies must be valid JSON and the first byte must be '{'"),
        ("{}", "Missing required field Statement"),
        ("{", "This policy contains invalid Json"),
    ],
)
def test_texts_that_are_no_policies(s3: Any, bucket: str, refused: Refused, text: str, message: str) -> None:
    with refused("MalformedPolicy", 400) as error:
        s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert error["Error"]["Message"] == message
