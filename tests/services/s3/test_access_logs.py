"""Access logs: records of what was asked, delivered to a bucket that lets them in."""

from __future__ import annotations

import http.client
import json
import re
import secrets
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.body import Bytes
from pileus.aws.http import Request, Response
from pileus.security.principals import ANONYMOUS
from pileus.services.s3.log_records import Access, line
from pileus.services.s3.state import Bucket

# bucket owner, bucket, time, address, requester, request, operation, key, "request", status, error, sent, size, total,
# turn-around, "referer", "agent", version, host id, signature, cipher, authentication, host, TLS, access point, ACL
RECORD = re.compile(
    r"(\S+) (\S+) \[([^\]]+)\] (\S+) (\S+) (\S+) (\S+) (\S+) \"([^\"]*)\" (\d+) (\S+) (\S+) (\S+) (\d+) (\d+)"
    r" \"([^\"]*)\" \"([^\"]*)\" (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)"
)


def let_in(s3: Any, target: str, source: str, prefix: str = "*") -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/{prefix}",
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"}},
    }
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def send_to(s3: Any, source: str, target: str, **options: Any) -> None:
    enabled = {"TargetBucket": target, "TargetPrefix": "log/", **options}
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={"LoggingEnabled": enabled})


def logged(s3: Any, target: str) -> tuple[list[str], list[re.Match[str]]]:
    """Keys and records of what was delivered."""
    keys = [row["Key"] for row in s3.list_objects_v2(Bucket=target).get("Contents", [])]
    lines = [
        text for key in keys for text in s3.get_object(Bucket=target, Key=key)["Body"].read().decode().splitlines()
    ]
    found = [RECORD.fullmatch(text) for text in lines]
    assert all(found), lines
    return keys, [match for match in found if match]


def test_requests_are_recorded_and_delivered(fresh_cloud: Any) -> None:
    s3 = fresh_cloud.root.client("s3")
    for name in ("source", "target", "closed", "unheard"):
        s3.create_bucket(Bucket=f"test-{name}")
    let_in(s3, "test-target", "test-source")
    send_to(s3, "test-source", "test-target")
    partitioned = {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}
    # Nothing lets these in: no policy at all, and one that speaks of another source.
    send_to(s3, "test-unheard", "test-closed")
    send_to(s3, "test-target", "test-target")
    s3.put_object(Bucket="test-source", Key="a key/ü", Body=b"12345")
    s3.get_object(Bucket="test-source", Key="a key/ü", Range="bytes=1-2")
    s3.put_object(Bucket="test-unheard", Key="k", Body=b"")
    url = urlsplit(s3.generate_presigned_url("get_object", {"Bucket": "test-source", "Key": "absent"}))
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    connection.request("GET", f"{url.path}?{url.query}", headers={"User-Agent": 'x" 200 y', "Referer": "r\tr"})
    assert connection.getresponse().read()
    connection.request("GET", "/test-source/private")
    assert connection.getresponse().read()
    fresh_cloud.stop()
    fresh_cloud.start()
    assert logged(s3, "test-closed")[0] == []
    keys, records = logged(s3, "test-target")
    assert [re.fullmatch(r"log/\d{4}(-\d\d){5}-[0-9A-F]{16}", key) is not None for key in keys] == [True]
    told = [(row[7], row[8], row[10], row[11], row[12], row[13]) for row in records]
    assert told == [
        ("REST.PUT.LOGGING_STATUS", "-", "200", "-", "-", told[0][5]),
        ("REST.PUT.OBJECT", "a%2520key/%25C3%25BC", "200", "-", "-", "5"),
        ("REST.GET.OBJECT", "a%2520key/%25C3%25BC", "206", "-", "2", "5"),
        ("REST.GET.OBJECT", "absent", "404", "NoSuchKey", told[3][4], "-"),
        ("REST.GET.OBJECT", "private", "403", "AccessDenied", told[4][4], "-"),
    ]
    assert [row[20] + row[22] for row in records[1:]] == ["SigV4AuthHeader"] * 2 + ["SigV2QueryString", "--"]
    assert records[3][17] == "x%22 200 y"
    assert records[3][16] == "r%09r"
    assert "REDACTED" in records[3][9]
    assert (records[1][5], records[4][5]) == (records[1][1], "-")
    # Partitioned, by the day of the events.
    send_to(s3, "test-source", "test-target", TargetObjectKeyFormat=partitioned)
    assert s3.get_bucket_logging(Bucket="test-source")["LoggingEnabled"]["TargetObjectKeyFormat"] == partitioned
    fresh_cloud.stop()
    fresh_cloud.start()
    (key,) = {row["Key"] for row in s3.list_objects_v2(Bucket="test-target")["Contents"]} - set(keys)
    assert re.fullmatch(r"log/\d{12}/us-east-1/test-source/\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\d-00-00-00-[0-9A-F]{16}", key)


def test_acls_let_the_log_delivery_group_in(fresh_cloud: Any) -> None:
    s3 = fresh_cloud.root.client("s3")
    s3.create_bucket(Bucket="test-source", ACL="private")
    s3.create_bucket(Bucket="test-target", ObjectOwnership="ObjectWriter")
    s3.put_bucket_acl(Bucket="test-target", ACL="log-delivery-write")
    everybody = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"}
    s3.delete_public_access_block(Bucket="test-target")
    send_to(s3, "test-source", "test-target", TargetGrants=[{"Grantee": everybody, "Permission": "READ"}])
    s3.list_objects_v2(Bucket="test-source")
    fresh_cloud.stop()
    fresh_cloud.start()
    keys, records = logged(s3, "test-target")
    assert [row[7] for row in records] == ["REST.PUT.LOGGING_STATUS", "REST.GET.BUCKET"]
    grants = s3.get_object_acl(Bucket="test-target", Key=keys[0])["Grants"]
    assert [grant["Grantee"] for grant in grants] == [everybody]


def test_where_logs_can_go(s3: Any, other: Any, bucket: str, make_bucket: Any, refused: Any) -> None:
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    foreign = f"test-{secrets.token_hex(8)}"
    other.create_bucket(Bucket=foreign)
    for target in ("absent-bucket", foreign):
        with refused("InvalidTargetBucketForLogging", 400):
            send_to(s3, bucket, target)
    own = make_bucket()
    wrong = {"PartitionedPrefix": {"PartitionDateSource": "Whenever"}}
    with refused("MalformedXML", 400):
        send_to(s3, bucket, own, TargetObjectKeyFormat=wrong)
    nobody = {"Type": "CanonicalUser", "ID": "0" * 64}
    with refused("InvalidArgument", 400):
        send_to(s3, bucket, own, TargetGrants=[{"Grantee": nobody, "Permission": "READ"}])
    send_to(s3, bucket, own)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetBucket"] == own
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


@pytest.mark.parametrize(
    ("method", "query", "key", "headers", "operation"),
    [
        ("GET", "", "", {}, "REST.GET.BUCKET"),
        ("GET", "acl", "k", {}, "REST.GET.ACL"),
        ("POST", "uploads", "k", {}, "REST.POST.UPLOADS"),
        ("PUT", "partNumber=1&uploadId=u", "k", {}, "REST.PUT.PART"),
        ("POST", "uploadId=u", "k", {}, "REST.POST.UPLOAD"),
        ("PUT", "", "k", {"x-amz-copy-source": "b/k"}, "REST.COPY.OBJECT"),
        ("POST", "delete", "", {}, "REST.POST.MULTI_OBJECT_DELETE"),
    ],
)
def test_operations_are_named(method: str, query: str, key: str, headers: dict[str, str], operation: str) -> None:
    request = Request(method, f"/b/{key}", query, headers, Bytes(b""))
    match = RECORD.fullmatch(line(BUCKET, request, Response(), Access(None, "R", key), 0.0).rstrip("\n"))
    assert match is not None
    assert match[7] == operation


BUCKET = Bucket("b", "000000000000", "us-east-1", 0.0)


@given(st.text(), st.text(), st.text(alphabet="abc=&%\"' \n"), st.text())
def test_nobody_writes_another_record(key: str, agent: str, query: str, host: str) -> None:
    headers = {"user-agent": agent, "referer": agent, "host": host}
    request = Request("GET", "/b/k", query, headers, Bytes(b""))
    text = line(BUCKET, request, Response(200, {}, b"x"), Access(ANONYMOUS, "R", key), 0.0)
    assert text.count("\n") == 1
    match = RECORD.fullmatch(text[:-1])
    assert match is not None
    assert (match[2], match[5], match[10]) == ("b", "-", "200")
