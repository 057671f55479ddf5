"""URLs and headers as boto3 signs them in version 2, against the gateway: taken as they are, refused when touched."""

import base64
import dataclasses
import hashlib
import hmac
import http.client
import json
import secrets
import time
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.client import Config
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def bucket(cloud: Any) -> tuple[Any, str]:
    account = cloud.create_account()
    name = f"test-{secrets.token_hex(6)}"
    s3 = account.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a b/ü+", Body=b"x")
    return account, name


def send(cloud: Any, url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(cloud.endpoint.rpartition("/")[2], timeout=10)
    connection.request(method, f"{parts.path}?{parts.query}", body, {"Host": parts.netloc, **headers})
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def presign(bucket: tuple[Any, str], operation: str = "get_object", expires: int = 60, **parameters: Any) -> str:
    account, name = bucket
    parameters = {"Bucket": name, "Key": "a b/ü+", **parameters}
    url: str = account.client("s3").generate_presigned_url(operation, parameters, ExpiresIn=expires)
    assert "AWSAccessKeyId=" in url
    return url


def test_what_boto3_presigns_is_taken(cloud: Any, bucket: tuple[Any, str]) -> None:
    assert send(cloud, presign(bucket)) == (200, b"x")
    assert send(cloud, presign(bucket, ResponseContentType="text/x"))[0] == 200
    upload = presign(bucket, "put_object", Key="new", ContentType="text/plain", Metadata={"m": "1"})
    headers = {"Content-Type": "text/plain", "x-amz-meta-m": "1"}
    assert send(cloud, upload, "PUT", b"new", **headers)[0] == 200
    assert send(cloud, presign(bucket, Key="new")) == (200, b"new")


def test_what_was_touched_is_refused(cloud: Any, bucket: tuple[Any, str]) -> None:
    url = presign(bucket)
    assert send(cloud, url, "PUT", b"y")[0] == 403
    assert send(cloud, url, "GET", None, **{"x-amz-acl": "public-read"})[0] == 403
    assert send(cloud, url.replace(quote("a b"), "other"))[0] == 403
    assert send(cloud, f"{url}&acl")[0] == 403
    assert send(cloud, f"{url}&ownershipControls=")[0] in (400, 403)
    assert send(cloud, url.replace("Signature=", "Signature=A"))[0] == 403
    assert send(cloud, url.replace(bucket[0].access_key_id, "AKIANOBODY0000000000"))[0] == 403
    later = url.partition("Expires=")
    assert send(cloud, f"{later[0]}Expires={int(time.time()) + 9999}")[0] == 403
    assert send(cloud, presign(bucket, expires=-10))[0] == 403


def test_a_url_is_good_for_its_bucket_alone(cloud: Any, bucket: tuple[Any, str]) -> None:
    """`/bucket/key` on one host is `/bucket/key` in another bucket by the name of that host."""
    account, name = bucket
    s3 = account.client("s3")
    other = f"test-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=other)
    s3.put_object(Bucket=other, Key=f"{name}/k", Body=b"other")
    s3.put_object(Bucket=name, Key="k", Body=b"own")
    url = urlsplit(presign(bucket, Key="k"))
    assert send(cloud, url.geturl()) == (200, b"own")
    assert send(cloud, url._replace(netloc=f"{other}.s3.localhost").geturl())[0] == 403


# In the header


def signed(account: Any, method: str, resource: str, *, moment: Any = None, **headers: str) -> dict[str, Any]:
    """Headers with a signature over what they are, made by nobody else's code."""
    headers.setdefault("Date", formatdate(moment if moment is not None else time.time(), usegmt=True))
    given = {name.lower(): value for name, value in headers.items()}
    amazon = "".join(f"{name}:{given[name].strip()}\n" for name in sorted(given) if name.startswith("x-amz-"))
    date = "" if "x-amz-date" in given else headers["Date"]
    text = f"{method}\n{given.get('content-md5', '')}\n{given.get('content-type', '')}\n{date}\n{amazon}{resource}"
    code = base64.b64encode(hmac.digest(account.secret_access_key.encode(), text.encode(), "sha1")).decode()
    return {**headers, "Authorization": f"AWS {account.access_key_id}:{code}"}


def ask(cloud: Any, path: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, bytes]:
    return send(cloud, f"http://{cloud.endpoint.rpartition('/')[2]}{path}", method, body, **headers)


def test_what_boto3_signs_is_taken(bucket: tuple[Any, str]) -> None:
    account, name = bucket
    s3 = account.client("s3", config=Config(signature_version="s3"))
    s3.put_object(Bucket=name, Key="v2 ü/+", Body=b"body", Metadata={"m": "a  b"}, ContentType="text/x")
    assert s3.get_object(Bucket=name, Key="v2 ü/+", ResponseContentType="text/y")["ContentType"] == "text/y"
    assert s3.get_object_acl(Bucket=name, Key="v2 ü/+")["Grants"]
    upload = s3.create_multipart_upload(Bucket=name, Key="m")["UploadId"]
    part = s3.upload_part(Bucket=name, Key="m", UploadId=upload, PartNumber=1, Body=b"m")["ETag"]
    parts = {"Parts": [{"ETag": part, "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket=name, Key="m", UploadId=upload, MultipartUpload=parts)
    assert {row["Key"] for row in s3.list_objects_v2(Bucket=name, Prefix="m")["Contents"]} == {"m"}
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "m"}]})


def test_a_signed_header_is_good_for_what_it_covers(cloud: Any, bucket: tuple[Any, str]) -> None:
    account, name = bucket
    path = f"/{name}/{quote('a b/ü+')}"
    good = signed(account, "GET", path)
    assert ask(cloud, path, **good) == (200, b"x")
    hosted = {**good, "Host": f"{name}.s3.localhost"}
    assert ask(cloud, path.removeprefix(f"/{name}"), **hosted) == (200, b"x")
    assert ask(cloud, path, **hosted)[0] == 403
    assert ask(cloud, path, "DELETE", **good)[0] == 403
    assert ask(cloud, f"/{name}/other", **good)[0] == 403
    assert ask(cloud, f"{path}?acl", **good)[0] == 403
    assert ask(cloud, f"{path}?versionId=null", **good)[0] == 403
    assert ask(cloud, path, **good, **{"x-amz-meta-a": "1"})[0] == 403
    assert ask(cloud, path, **{**good, "Date": formatdate(time.time() - 1, usegmt=True)})[0] == 403
    # Sub-resources that this version does not sign cannot be put beside its signature.
    for touched in ("ownershipControls", "publicAccessBlock", "encryption", "attributes", "x-amz-acl=public-read"):
        status, text = ask(cloud, f"{path}?{touched}", **good)
        assert (status, b"<Code>InvalidArgument</Code>" in text) == (400, True)


def test_the_date_of_a_signed_header(cloud: Any, bucket: tuple[Any, str]) -> None:
    account, name = bucket
    path = f"/{name}/k-date"

    def code(**headers: str) -> bytes:
        return ask(cloud, path, "PUT", b"", **headers)[1].partition(b"<Code>")[2].partition(b"<")[0]

    now = time.time()
    assert code(**signed(account, "PUT", path, moment=now - 840)) == b""
    assert code(**signed(account, "PUT", path, moment=now - 960)) == b"RequestTimeTooSkewed"
    assert code(**signed(account, "PUT", path, moment=now + 960)) == b"RequestTimeTooSkewed"
    assert code(**signed(account, "PUT", path, Date="yesterday")) == b"AccessDenied"
    # x-amz-date counts, and Date no longer.
    old = formatdate(now - 9999, usegmt=True)
    assert code(**signed(account, "PUT", path, Date=old, **{"x-amz-date": formatdate(now, usegmt=True)})) == b""
    assert code(**signed(account, "PUT", path, **{"x-amz-date": old})) == b"RequestTimeTooSkewed"
    assert code(Authorization="AWS HAHAHA", Date=formatdate(now)) == b"InvalidArgument"
    unknown = signed(account, "PUT", path)["Authorization"].replace(account.access_key_id, "AKIANOBODY0000000000")
    assert code(Authorization=unknown, Date=formatdate(now, usegmt=True)) == b"InvalidAccessKeyId"


def test_a_declared_digest_counts(cloud: Any, bucket: tuple[Any, str]) -> None:
    account, name = bucket
    path = f"/{name}/digest"
    headers = signed(account, "PUT", path, **{"x-amz-content-sha256": hashlib.sha256(b"true").hexdigest()})
    assert b"XAmzContentSHA256Mismatch" in ask(cloud, path, "PUT", b"false", **headers)[1]
    assert ask(cloud, path, "PUT", b"true", **headers)[0] == 200


def test_temporary_credentials_sign_with_their_token(bucket: tuple[Any, str]) -> None:
    account, name = bucket
    found = account.client("sts").get_session_token()["Credentials"]
    session = dataclasses.replace(
        account,
        access_key_id=found["AccessKeyId"],
        secret_access_key=found["SecretAccessKey"],
        session_token=found["SessionToken"],
    )
    config = Config(signature_version="s3")
    session.client("s3", config=config).put_object(Bucket=name, Key="temporary", Body=b"t")
    other = account.client("sts").get_session_token()["Credentials"]["SessionToken"]
    with pytest.raises(ClientError, match="InvalidToken"):
        dataclasses.replace(session, session_token=other).client("s3", config=config).list_objects(Bucket=name)


def test_only_s3_takes_it(cloud: Any, bucket: tuple[Any, str]) -> None:
    headers = signed(bucket[0], "POST", "/", **{"Content-Type": "application/x-amz-json-1.0"})
    status, text = ask(cloud, "/", "POST", b"{}", **headers, **{"X-Amz-Target": "DynamoDB_20120810.ListTables"})
    assert (status, b"IncompleteSignatureException" in text) == (400, True)


def test_a_policy_can_refuse_the_version_and_old_urls(cloud: Any, bucket: tuple[Any, str]) -> None:
    account, _ = bucket
    name = f"test-{secrets.token_hex(6)}"
    s3 = account.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    user = account.client("iam")
    user.create_user(UserName=name)
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    refuse = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    statements = [
        allow,
        {**refuse, "Condition": {"StringEquals": {"s3:signatureversion": "AWS"}}},
        {**refuse, "Condition": {"NumericGreaterThan": {"s3:signatureAge": "600000"}}},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    user.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = user.create_access_key(UserName=name)["AccessKey"]
    limited = dataclasses.replace(account, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])
    wanted = {"Bucket": name, "Key": "k"}
    with pytest.raises(ClientError, match="AccessDenied"):
        limited.client("s3", config=Config(signature_version="s3")).get_object(**wanted)
    fourth = limited.client("s3", config=Config(signature_version="s3v4"))
    assert fourth.get_object(**wanted)["Body"].read() == b"x"
    assert send(cloud, limited.client("s3").generate_presigned_url("get_object", wanted))[0] == 403
    url = fourth.generate_presigned_url("get_object", wanted)
    assert send(cloud, url)[0] == 200
