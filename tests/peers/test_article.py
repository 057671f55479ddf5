"""The way of 2015, with version 2 of the AWS SDK for JavaScript in the browser and in the functions.

Limited keys are written into the page, a function logs people in, and another knows who calls it.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FOLDER = Path(__file__).with_name("article")
PROVIDER = "login.article"
_USED = ("cognito-identity", "sts", "metadata")


@pytest.fixture(scope="session")
def packages() -> Path:
    """Version 2 of the SDK, installed once for the runs to come."""
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"pileus-article-{wanted}"
    folder.mkdir(exist_ok=True)
    with (folder / ".installing").open("w") as installing:
        fcntl.flock(installing, fcntl.LOCK_EX)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, folder / name)
        if not (folder / ".installed").exists():
            command = ["npm", "ci", "--no-audit", "--no-fund", "--silent", "--ignore-scripts"]
            subprocess.run(command, cwd=folder, check=True, timeout=100)
            (folder / ".installed").touch()
    return folder / "node_modules"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def may(action: str, resource: str) -> str:
    return policy({"Effect": "Allow", "Action": action, "Resource": resource})


def bundle(source: str, packages: Path | None = None) -> bytes:
    """A function's code; with `packages`, and what the SDK needs in a function."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(FOLDER / source, "index.js")
        for path in packages.rglob("*") if packages else ():
            if path.is_file() and path.suffix in (".js", ".json") and _is_needed(path):
                archive.write(path, f"node_modules/{path.relative_to(packages)}")  # type: ignore[arg-type]
    return out.getvalue()


def _is_needed(path: Path) -> bool:
    return path.parent.name != "dist" and (path.parent.name != "apis" or path.name.startswith(_USED))


class Article:
    """What one set up by hand, and the page in a browser."""

    def __init__(self, account: Any, packages: Path) -> None:
        self.account = account
        self.iam, self.functions, self.s3 = (account.client(name) for name in ("iam", "lambda", "s3"))
        pool = account.client("cognito-identity").create_identity_pool(
            IdentityPoolName="article", AllowUnauthenticatedIdentities=False, DeveloperProviderName=PROVIDER
        )["IdentityPoolId"]
        user = self.role("user", policy({
            "Effect": "Allow", "Principal": {"Federated": "cognito-identity.amazonaws.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {"cognito-identity.amazonaws.com:aud": pool},
                "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"},
            },
        }), may("lambda:InvokeFunction", self.arn("whoami")))  # fmt: skip
        service = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = self.role("function", policy(service), may("cognito-identity:GetOpenIdTokenForDeveloperIdentity", "*"))
        variables = {"POOL": pool, "PROVIDER": PROVIDER, "ROLE": user}
        self.function("login", role, bundle("login.js", packages), variables)
        self.function("whoami", role, bundle("whoami.js"), {})
        self.iam.create_user(UserName="page")
        self.iam.put_user_policy(
            UserName="page", PolicyName="p", PolicyDocument=may("lambda:InvokeFunction", self.arn("login"))
        )
        key = self.iam.create_access_key(UserName="page")["AccessKey"]
        self.hard_coded = {"accessKeyId": key["AccessKeyId"], "secretAccessKey": key["SecretAccessKey"]}
        self.bucket = f"www.article-{account.id}.example"
        self.site(packages)

    def arn(self, function: str) -> str:
        return f"arn:aws:lambda:us-east-1:{self.account.id}:function:{function}"

    def role(self, name: str, trust: str, permissions: str) -> str:
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=permissions)
        return str(made["Role"]["Arn"])

    def function(self, name: str, role: str, code: bytes, variables: dict[str, str]) -> None:
        self.functions.create_function(
            FunctionName=name, Runtime="nodejs20.x", Handler="index.handler", Role=role, Code={"ZipFile": code},
            Timeout=20, MemorySize=512, Environment={"Variables": variables},
        )  # fmt: skip
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

    def site(self, packages: Path) -> None:
        self.s3.create_bucket(Bucket=self.bucket)
        self.s3.put_bucket_website(
            Bucket=self.bucket,
            WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "error.html"}},
        )
        self.s3.delete_public_access_block(Bucket=self.bucket)
        everyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
        self.s3.put_bucket_policy(
            Bucket=self.bucket, Policy=policy({**everyone, "Resource": f"arn:aws:s3:::{self.bucket}/*"})
        )
        sdk = (packages / "aws-sdk" / "dist" / "aws-sdk.min.js").read_bytes()
        for name, body in (
            ("index.html", (FOLDER / "index.html").read_bytes()),
            ("aws-sdk.min.js", sdk),
            ("error.html", b"<h1>Lost</h1>"),
        ):
            kind = "text/javascript" if name.endswith(".js") else "text/html"
            self.s3.put_object(Bucket=self.bucket, Key=name, Body=body, ContentType=kind)


@pytest.fixture
def page(account: Any, packages: Path) -> Iterator[Any]:
    """The page under its own domain, which a CNAME record would lead here."""
    playwright = pytest.importorskip("playwright.sync_api")
    article = Article(account, packages)
    with playwright.sync_playwright() as started:
        rule = f"--host-resolver-rules=MAP {article.bucket} 127.0.0.1"
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", rule])
        page = browser.new_page()
        page.article = article
        page.address = f"http://{article.bucket}:{account.endpoint.rpartition(':')[2]}/"
        yield page
        browser.close()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_way_of_2015(page: Any) -> None:
    article: Article = page.article

    def invoke(keys: dict[str, Any], function: str, payload: Any = None) -> Any:
        asked = [keys, article.account.endpoint, function, payload]
        return page.evaluate("(asked) => invoke(...asked)", asked)

    lost = page.goto(f"{page.address}nowhere")
    assert lost.status == 403 and page.inner_text("h1") == "Lost", "the error document"
    assert page.goto(page.address).status == 200

    wrong = invoke(article.hard_coded, "login", {"username": "bob", "password": "open"})
    assert wrong["failed"] and wrong["payload"]["errorMessage"] == "Invalid username or password"
    assert invoke(article.hard_coded, "whoami") == {"code": "AccessDeniedException"}, "these keys only log in"

    bob = invoke(article.hard_coded, "login", {"username": "bob", "password": "sesame"})
    assert not bob["failed"], bob["log"]
    made = bob["payload"]["credentials"]
    session = {
        "accessKeyId": made["AccessKeyId"],
        "secretAccessKey": made["SecretAccessKey"],
        "sessionToken": made["SessionToken"],
    }
    told = invoke(session, "whoami", {"cognitoIdentityId": "somebody else"})
    assert told["payload"] == bob["payload"]["identity"]
    assert f"Caller identity is {told['payload']}" in told["log"] and "REPORT RequestId" in told["log"]
    assert invoke(session, "login") == {"code": "AccessDeniedException"}, "each key has its own functions"
    again = invoke({**article.hard_coded, "sessionToken": None}, "login", {"username": "bob", "password": "sesame"})
    assert again["payload"]["identity"] == told["payload"], "the same user is the same identity"
    unknown = article.functions.invoke(FunctionName="whoami")
    assert b"did not authenticate with Cognito" in unknown["Payload"].read(), "root is no user of the application"
