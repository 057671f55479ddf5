import gzip
import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from pileus.cli.website import MARK
from pileus.services.s3 import website_rules

Fetch = Callable[..., Any]
PAGES = {
    "index.html": ("<h1>home</h1>", {"ContentType": "text/html", "CacheControl": "max-age=60"}),
    "docs/index.html": ("<h1>docs</h1>", {"ContentType": "text/html"}),
    "error.html": ("<h1>lost</h1>", {"ContentType": "text/html"}),
    "moved": ("", {"WebsiteRedirectLocation": "/docs/"}),
    "large.bin": ("0123456789" * 30_000, {}),
    "ü ber.txt": ("umlaut", {"ContentType": "text/plain; charset=utf-8"}),
}
RULES = [
    {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "docs/"}},
    {
        "Condition": {"KeyPrefixEquals": "out/"},
        "Redirect": {"HostName": "example.com", "Protocol": "https", "HttpRedirectCode": "302"},
    },
    {
        "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "app/"},
        "Redirect": {"ReplaceKeyWith": "#!/app"},
    },
]  # fmt: skip


@pytest.fixture(scope="module")
def site(s3: Any) -> str:
    name = f"www-{secrets.token_hex(6)}.example.com"
    s3.create_bucket(Bucket=name)
    s3.delete_public_access_block(Bucket=name)
    for key, (body, options) in PAGES.items():
        s3.put_object(Bucket=name, Key=key, Body=body.encode(), **options)
    s3.put_bucket_website(
        Bucket=name,
        WebsiteConfiguration={
            "IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}, "RoutingRules": RULES,
        },
    )  # fmt: skip
    policy = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": '
        f'["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::{name}", "arn:aws:s3:::{name}/*"]}}]}}'
    )
    s3.put_bucket_policy(Bucket=name, Policy=policy)
    return name


@pytest.fixture
def visit(fetch: Fetch, site: str) -> Fetch:
    def send(path: str, method: str = "GET", **headers: str) -> Any:
        return fetch(
            path, method, host=site, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )

    return send


@pytest.mark.parametrize(
    "host",
    ["{}", "{}.localhost:4566", "{}.s3-website.us-east-1.amazonaws.com", "{}.s3-website-us-east-1.amazonaws.com"],
)
def test_a_bucket_is_reached_by_its_hosts(fetch: Fetch, site: str, host: str) -> None:
    answer = fetch("/", host=host.format(site))
    assert (answer.status, answer.body) == (200, b"<h1>home</h1>")
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["cache-control"] == "max-age=60"


@pytest.mark.parametrize(
    ("path", "status", "location", "body"),
    [
        ("/docs/", 200, None, b"<h1>docs</h1>"),
        ("/docs", 302, "/docs/", b""),
        ("/docs/index.html?x=1", 200, None, b"<h1>docs</h1>"),
        ("/%C3%BC%20ber.txt", 200, None, b"umlaut"),
        ("/moved", 301, "/docs/", b""),
        ("/absent", 404, None, b"<h1>lost</h1>"),
        ("/old/index.html", 301, "http://{site}/docs/index.html", b""),
        ("/out/x%20y", 302, "https://example.com/out/x%20y", b""),
        ("/app/page", 301, "http://{site}/#!/app", b""),
        ("/..%2f..%2fetc/passwd", 404, None, b"<h1>lost</h1>"),
        ("/old/%0d%0aset-cookie:%20a=b", 301, "http://{site}/docs/%0D%0Aset-cookie%3A%20a%3Db", b""),
    ],
)
def test_pages_and_redirects(
    visit: Fetch, site: str, path: str, status: int, location: str | None, body: bytes
) -> None:
    for _ in range(2):  # the second comes from the cache
        answer = visit(path)
        assert (answer.status, answer.body) == (status, body)
        assert answer.headers.get("location") == (location.format(site=site) if location else None)
        assert "set-cookie" not in answer.headers


def test_conditions_ranges_and_heads(visit: Fetch) -> None:
    page = visit("/")
    etag, modified = page.headers["etag"], page.headers["last-modified"]
    assert visit("/", if_none_match=etag).status == 304
    assert visit("/", if_modified_since=modified).status == 304
    assert visit("/", if_none_match='"other"').status == 200
    assert visit("/", if_match='"other"').status == 412
    assert visit("/", if_modified_since="yesterday").status == 200
    part = visit("/", range="bytes=4-7")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"home", "bytes 4-7/13")
    assert visit("/", range="bytes=99-").status == 416
    tail = visit("/large.bin", range="bytes=-3")
    assert (tail.status, tail.body) == (206, b"789")
    head = visit("/large.bin", "HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, "300000", b"")
    assert visit("/large.bin").body == PAGES["large.bin"][0].encode()


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_visitors_only_read(fetch: Fetch, site: str, method: str) -> None:
    answer = fetch("/index.html", method, host=f"{site}.s3-website.us-east-1.amazonaws.com", body=b"")
    assert answer.status == 405
    assert b"<li>Code: MethodNotAllowed</li>" in answer.body
    assert answer.headers["content-type"].startswith("text/html")


def test_a_page_that_changed_is_seen_at_once(s3: Any, site: str, visit: Fetch) -> None:
    for number in range(3):
        s3.put_object(Bucket=site, Key="news.html", Body=str(number).encode())
        assert visit("/news.html").body == str(number).encode()
        assert visit("/news.html").body == str(number).encode()
    s3.delete_object(Bucket=site, Key="news.html")
    assert visit("/news.html").status == 404


def test_compressed_pages_say_so(s3: Any, site: str, visit: Fetch) -> None:
    body = gzip.compress(b"page", mtime=0)
    s3.put_object(Bucket=site, Key="z.html", Body=body, ContentEncoding="gzip", ContentType="text/html")
    answer = visit("/z.html")
    assert (answer.headers["content-encoding"], answer.body) == ("gzip", body)


def test_a_site_that_is_not_public_shows_nothing(s3: Any, bucket: str, fetch: Fetch) -> None:
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"secret")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    for path in ("/", "/index.html", "/absent", "/index"):
        answer = fetch(path, host=bucket)
        assert answer.status == 403
        assert b"secret" not in answer.body
        assert b"<li>Code: AccessDenied</li>\n<li>Message: Access Denied</li>" in answer.body


def test_what_is_not_there_is_a_question_of_listing(
    cloud: Any, owner: Any, s3: Any, make_bucket: Any, fetch: Fetch
) -> None:
    """Where an ACL alone makes a site public, nothing is granted for objects that are not there."""
    name = make_bucket(acls=True)
    s3.put_bucket_acl(Bucket=name, ACL="public-read")
    s3.put_bucket_website(Bucket=name, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    host = f"{name}.s3-website.localhost"
    assert fetch("/absent", host=host).status == 404
    s3.put_object(Bucket=name, Key="there", Body=b"x")
    assert fetch("/there", host=host).status == 403
    s3.put_bucket_acl(Bucket=name, ACL="private")
    assert fetch("/absent", host=host).status == 403
    # What the site asks itself, to answer for what is not there, is written down as nobody's denial.
    denied = json.loads(cloud.pileus("denied", "--account", owner.id, "--limit", "1000", "--json").stdout)
    asked = {(entry["action"], entry["resource"]) for entry in denied if name in entry["resource"]}
    assert asked == {("s3:GetObject", f"arn:aws:s3:::{name}/there")}


def test_a_prefix_may_be_taken_away(s3: Any, bucket: str, fetch: Fetch) -> None:
    rule = {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": ""}}
    website = {"IndexDocument": {"Suffix": "i"}, "RoutingRules": [rule]}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=website)
    answer = fetch("/docs/a.html", host=f"{bucket}.s3-website.localhost")
    assert answer.headers["location"].endswith(".localhost/a.html")


def test_what_is_no_site_says_so(fetch: Fetch, bucket: str) -> None:
    answer = fetch("/", host=f"{bucket}.s3-website.us-east-1.amazonaws.com")
    assert (answer.status, b"NoSuchWebsiteConfiguration" in answer.body) == (404, True)
    answer = fetch("/", host="no-such-bucket-at-all.s3-website.us-east-1.amazonaws.com")
    assert (answer.status, b"NoSuchBucket" in answer.body) == (404, True)


def test_errors_cannot_carry_markup(fetch: Fetch, s3: Any, make_bucket: Any, allow: Any) -> None:
    bucket = make_bucket(public=True)
    allow(bucket, ["s3:GetObject"])
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    assert b"<script>" not in fetch("/%3Cscript%3E", host=bucket).body


def test_everything_can_go_elsewhere(s3: Any, bucket: str, fetch: Fetch) -> None:
    target = {"HostName": "example.com", "Protocol": "https"}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": target})
    answer = fetch("/a/b%20c?d=e", host=bucket)
    assert (answer.status, answer.headers["location"]) == (301, "https://example.com/a/b%20c?d=e")


def test_the_first_rule_that_fits_counts() -> None:
    website = {
        "RoutingRules": [
            {"Condition": {"KeyPrefixEquals": "a/"}, "Redirect": {"ReplaceKeyPrefixWith": "b/"}},
            {"Redirect": {"HostName": "else.where"}},
        ]
    }
    first = website_rules.find(website, "a/x", "h", "http")
    second = website_rules.find(website, "z", "h", "http")
    assert first is not None and first.location == "http://h/b/x"
    assert second is not None and second.location == "http://else.where/z"
    assert website_rules.find(website, "a/x", "h", "http", 404) is None


def test_site_sync_brings_a_bucket_to_a_folder(cloud: Any, owner: Any, s3: Any, bucket: str, tmp_path: Any) -> None:
    folder = tmp_path / "site"
    (folder / "css").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>hi</h1>" * 200)
    (folder / "css/style.css").write_text("body {}")
    s3.put_object(Bucket=bucket, Key="stale.html", Body=b"x")
    # What a deployment told the page is in no folder, and stays.
    s3.put_object(Bucket=bucket, Key="config.json", Body=b"{}", Metadata=MARK)

    def sync(*words: str) -> str:
        ran = cloud.pileus("site", "sync", str(folder), bucket, *words, env=owner.env())
        assert ran.returncode == 0, ran.stderr
        return str(ran.stdout)

    assert "2 would be uploaded, 1 would be deleted" in sync("--dry-run")
    assert "2 uploaded, 1 deleted, 0 unchanged" in sync("--gzip", "--cache", "*.html=no-store")
    page = s3.get_object(Bucket=bucket, Key="index.html")
    assert page["ContentType"] == "text/html; charset=utf-8"
    assert (page["CacheControl"], page["ContentEncoding"]) == ("no-store", "gzip")
    assert gzip.decompress(page["Body"].read()).startswith(b"<h1>hi</h1>")
    assert s3.head_object(Bucket=bucket, Key="css/style.css")["ContentType"].startswith("text/css")
    assert "0 uploaded, 0 deleted, 2 unchanged" in sync("--gzip")
    assert s3.get_object(Bucket=bucket, Key="config.json")["Body"].read() == b"{}"
