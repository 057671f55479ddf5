"""The todo application, deployed on the cloud of the tests, and people who use it."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import secrets
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import msgspec
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from pileus.security import tokens
from pileus.security.keyring import Keyring
from pileus.store.sqlite import SQLiteStore

EXAMPLES = Path(__file__).parents[1] / "examples"
PASSWORD = "correct horse battery"


def deploy(cloud: Any, example: str) -> dict[str, str]:
    """Deploys an example with the command that people use, and answers its stack's outputs."""
    template = EXAMPLES / example / "template.yaml"
    with (Path(tempfile.gettempdir()) / "pileus-building").open("w") as building:
        fcntl.flock(building, fcntl.LOCK_EX)  # Test processes share the folder in which a page is built.
        result = cloud.pileus("deploy", str(template), "--stack", example, timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr
    [stack] = cloud.root.client("cloudformation").describe_stacks(StackName=example)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


class Caller:
    """Somebody with temporary credentials: `account` as conftest has it, and who they are to Cognito."""

    def __init__(self, application: Application, account: Any, identity_id: str) -> None:
        self.application = application
        self.account = account
        self.identity_id = identity_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self.account, name)

    def changed(self, **changes: Any) -> Caller:
        return Caller(self.application, dataclasses.replace(self.account, **changes), self.identity_id)

    def using(self, credentials: dict[str, Any]) -> Caller:
        return Caller(self.application, self.account.using(credentials), self.identity_id)

    def invoke(self, function: str, payload: dict[str, Any]) -> Any:
        """What the function of this logical name answers."""
        answer = self.client("lambda").invoke(
            FunctionName=self.application.outputs[function], Payload=json.dumps(payload).encode()
        )
        assert "FunctionError" not in answer, answer["Payload"].read()
        return json.load(answer["Payload"])


class Application:
    """A deployed application with this one's functions for registering and logging in."""

    def __init__(self, cloud: Any, outputs: dict[str, str]) -> None:
        self.cloud = cloud
        self.root = cloud.root
        self.outputs = outputs

    @property
    def url(self) -> str:
        return f"http://{self.outputs['SiteBucket']}.localhost:{self.cloud.endpoint.rpartition(':')[2]}/"

    def get(self, path: str) -> bytes:
        """A file of the page, as a browser gets it."""
        address = urlsplit(self.url)
        request = Request(f"{self.cloud.endpoint}/{path}", headers={"Host": address.netloc})
        with urlopen(request, timeout=10) as response:
            return bytes(response.read())

    @property
    def runtime(self) -> str:
        return str(self._configuration("LoginUser")["Runtime"])

    def role(self, function: str) -> str:
        """The ARN of a function's execution role."""
        return str(self._configuration(function)["Role"])

    def guest(self) -> Caller:
        cognito = self.root.client("cognito-identity", config=Config(signature_version=UNSIGNED))
        identity = cognito.get_id(IdentityPoolId=self.outputs["IdentityPoolId"])["IdentityId"]
        credentials = cognito.get_credentials_for_identity(IdentityId=identity)["Credentials"]
        return Caller(self, self.root.using(credentials), identity)

    def register(self, password: str = PASSWORD) -> str:
        """A new person's name."""
        username = f"user-{secrets.token_hex(6)}"
        answer = self.guest().invoke("RegisterUser", {"username": username, "password": password})
        assert answer == {"username": username}
        return username

    def log_in(self, username: str) -> Caller:
        answer = self.guest().invoke("LoginUser", {"username": username, "password": PASSWORD})
        credentials = {name[0].upper() + name[1:]: value for name, value in answer["credentials"].items()}
        return Caller(self, self.root.using(credentials), answer["identityId"])

    def developer_token(self, username: str, **options: Any) -> dict[str, Any]:
        """What the login function gets from Cognito: `IdentityId` and `Token`."""
        answer: dict[str, Any] = self.root.client("cognito-identity").get_open_id_token_for_developer_identity(
            IdentityPoolId=self.outputs["IdentityPoolId"],
            Logins={self._configuration("LoginUser")["Environment"]["Variables"]["DEVELOPER_PROVIDER"]: username},
            **options,
        )
        return answer

    def assume_user_role(self, token: str, role: str = "") -> Any:
        sts = self.root.client("sts", config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))
        return sts.assume_role_with_web_identity(
            WebIdentityToken=token, RoleArn=role or self.outputs["UserRoleArn"], RoleSessionName="somebody"
        )

    def expired(self, caller: Caller) -> Caller:
        """The caller's credentials as they are a while after their end: sealed with the cloud's own key, because no
        token may be made for less than 15 minutes."""
        return caller.changed(**self.expire(caller.session_token))

    def expire(self, session_token: str) -> dict[str, str]:
        return expire(self.cloud.data, session_token)

    def _configuration(self, function: str) -> dict[str, Any]:
        configuration: dict[str, Any] = self.root.client("lambda").get_function_configuration(
            FunctionName=self.outputs[function]
        )
        return configuration


def expire(data: Path, session_token: str) -> dict[str, str]:
    """Credentials of the same session, ended a minute ago, in the names of conftest's Account."""

    def seal() -> tokens.Credentials:
        store = SQLiteStore(data / "store.db")
        try:
            sealer = Keyring(store).sealer
            _, principal = tokens.Opener(sealer).open(session_token)
            assert principal.session is not None
            ended = msgspec.structs.replace(principal.session, expires=time.time() - 60)
            return tokens.issue(sealer, msgspec.structs.replace(principal, session=ended))
        finally:
            store.close()

    with ThreadPoolExecutor(1) as elsewhere:  # Browser tests have an event loop in this thread, which a store minds.
        credentials = elsewhere.submit(seal).result()
    return {
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "session_token": credentials.session_token,
    }


@pytest.fixture(scope="session")
def deployed() -> Callable[..., Application]:
    """The example of this name on a cloud, deployed there once."""
    applications: dict[tuple[int, str], Application] = {}

    def find(cloud: Any, example: str) -> Application:
        key = (id(cloud), example)
        if key not in applications:
            applications[key] = Application(cloud, deploy(cloud, example))
        return applications[key]

    return find


@pytest.fixture(scope="session")
def todo(cloud: Any, deployed: Callable[..., Application]) -> Application:
    return deployed(cloud, "todo")
