from __future__ import annotations

import json
import re
import shutil
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def ask(account: Any, name: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
    signed = AWSRequest("POST", f"{account.endpoint}/_pileus/{name}", data=json.dumps(request or {}))
    SigV4Auth(Credentials(account.access_key_id, account.secret_access_key), "pileus", "us-east-1").add_auth(signed)
    body = signed.data.encode() if isinstance(signed.data, str) else signed.data
    asked = urllib.request.Request(signed.url, body, dict(signed.headers), method="POST")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture
def used(account: Any) -> Any:
    """An account with something in it."""
    account.client("dynamodb").create_table(
        TableName="books",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
    )
    account.client("s3").create_bucket(Bucket=f"shelf-{account.id}")
    account.client("s3").put_bucket_website(
        Bucket=f"shelf-{account.id}", WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}}
    )
    account.client("s3").put_object(Bucket=f"shelf-{account.id}", Key="a", Body=b"x" * 1000)
    return account


def test_the_page_is_sandboxed_and_runs_no_script_but_its_own(cloud: Any) -> None:
    with urllib.request.urlopen(f"{cloud.endpoint}/_pileus/", timeout=10) as answer:
        policy = answer.headers["content-security-policy"]
        page = answer.read().decode()
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy and "unsafe" not in policy
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    assert scripts == [""]
    assert not re.search(r"\son\w+=|style=", page)
    for name in re.findall(r'(?:href|src)="([\w.]+)"', page):
        with urllib.request.urlopen(f"{cloud.endpoint}/_pileus/{name}", timeout=10) as answer:
            assert answer.read()


def test_a_bucket_that_shuts_everybody_out_hides_nothing_else(used: Any) -> None:
    s3, bucket = used.client("s3"), f"shelf-{used.id}"
    deny = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"StringNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/insider"}},
    }  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert [found["name"] for found in ask(used, "overview")["buckets"]] == [bucket]
    assert ask(used, "cost")["lines"]


def test_overview_shows_the_callers_account_and_no_other(used: Any, cloud: Any) -> None:
    found = ask(used, "overview")
    assert found["account"] == used.id
    assert [table["name"] for table in found["tables"]] == ["books"]
    assert [bucket["name"] for bucket in found["buckets"]] == [f"shelf-{used.id}"]
    other = ask(cloud.create_account(), "overview")
    assert (other["tables"], other["buckets"], other["functions"], other["stacks"]) == ([], [], [], [])


def test_overview_is_for_the_root_key_only(used: Any) -> None:
    iam = used.client("iam")
    iam.create_user(UserName="ann")
    iam.attach_user_policy(UserName="ann", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    used.access_key_id, used.secret_access_key = key["AccessKeyId"], key["SecretAccessKey"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(used, "overview")
    assert caught.value.code == 403


def test_an_unsigned_or_forged_request_is_refused(account: Any) -> None:
    unsigned = urllib.request.Request(f"{account.endpoint}/_pileus/overview", b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(unsigned, timeout=10)
    assert caught.value.code == 403
    account.secret_access_key = account.secret_access_key[::-1]
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(account, "overview")
    assert caught.value.code == 403


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_signs_in_and_sees_what_there_is(used: Any) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{used.endpoint}/_pileus/")
        page.fill("#key", f"export AWS_ACCESS_KEY_ID={used.access_key_id}\nexport AWS_SECRET_ACCESS_KEY=wrong")
        page.click("form button")
        page.wait_for_selector("#failure:not([hidden])")
        assert page.is_visible("#enter"), "asks again"
        page.fill(
            "#key",
            f"export AWS_ACCESS_KEY_ID={used.access_key_id}\n"
            f"export AWS_SECRET_ACCESS_KEY='{used.secret_access_key}'\nexport AWS_REGION=us-east-1\n",
        )
        page.click("form button")
        page.wait_for_selector("#sections:not([hidden])")
        assert "books" in page.inner_text("#tables")
        assert f"shelf-{used.id}" in page.inner_text("#buckets")
        site = page.locator("#buckets a")
        assert site.get_attribute("href") == f"http://shelf-{used.id}.localhost:{used.endpoint.rpartition(':')[2]}/"
        assert site.get_attribute("rel") == "noopener noreferrer"
        page.select_option("#prices", "2015")
        page.get_by_text("$0.56 a month").wait_for()
        page.set_viewport_size({"width": 390, "height": 800})
        parts = "[document.documentElement, ...document.querySelectorAll('.scroll')]"
        assert page.evaluate(f"{parts}.every(e => e.scrollWidth <= e.clientWidth)"), (
            "nothing has to be scrolled sideways on a phone"
        )
        page.click("#leave")
        assert page.is_visible("#enter") and "books" not in page.inner_text("body")
        assert page.input_value("#key") == ""
        assert page.evaluate("window.origin") == "null", "out of reach of what buckets serve on this port"
        browser.close()
    assert errors == []
