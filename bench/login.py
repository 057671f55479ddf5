"""The login of the Todo application as one transaction: a guest invokes a function that proves a password, asks for an
OpenID token for the user and exchanges it for temporary credentials, which it answers.

The password's hash is not argon2 but one SHA-256, so that the figure is the platform's and not the hash's.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

from signed import Client

_PROVIDER = "login.bench"
_SOURCE = """
import hashlib, hmac, os
import boto3

endpoint = os.environ.get("AWS_ENDPOINT_URL")
dynamodb = boto3.client("dynamodb", endpoint_url=endpoint)
cognito = boto3.client("cognito-identity", endpoint_url=endpoint)
sts = boto3.client("sts", endpoint_url=endpoint)


def handler(event, context):
    user = dynamodb.get_item(TableName="bench-users", Key={"name": {"S": event["name"]}})["Item"]
    if not hmac.compare_digest(user["hash"]["S"], hashlib.sha256(event["password"].encode()).hexdigest()):
        raise PermissionError("wrong password")
    token = cognito.get_open_id_token_for_developer_identity(
        IdentityPoolId=os.environ["POOL"], Logins={"login.bench": event["name"]}
    )["Token"]
    answer = sts.assume_role_with_web_identity(
        RoleArn=os.environ["ROLE"], RoleSessionName="bench", WebIdentityToken=token
    )
    return {"AccessKeyId": answer["Credentials"]["AccessKeyId"]}
"""


class Login:
    """`request` is signed with a guest's credentials, as the page's are."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def request(self) -> bytes:
        payload = json.dumps({"name": "ann", "password": "secret"}).encode()
        return self._client.sign("lambda", "invoke", FunctionName="bench-login", Payload=payload)


def set_up(client: Client) -> tuple[Login, str]:
    """And why it could not be made, empty where it could."""
    login = Login(client)
    try:
        _make(client)
        answer = client("lambda").invoke(
            FunctionName="bench-login", Payload=json.dumps({"name": "ann", "password": "secret"}).encode()
        )
        text = answer["Payload"].read()
        if "FunctionError" in answer or b"AccessKeyId" not in text:
            return login, text.decode(errors="replace")
    except Exception as error:
        return login, f"{type(error).__name__}: {error}"
    return login, ""


def _make(client: Client) -> None:
    dynamodb, iam = client("dynamodb"), client("iam")
    dynamodb.create_table(
        TableName="bench-users",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName="bench-users", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    secret = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    dynamodb.put_item(TableName="bench-users", Item={"name": {"S": "ann"}, "hash": {"S": secret}})
    pool = client("cognito-identity").create_identity_pool(
        IdentityPoolName="bench", AllowUnauthenticatedIdentities=False, DeveloperProviderName=_PROVIDER
    )["IdentityPoolId"]
    user = _role(
        iam.create_role, "bench-user",
        {
            "Effect": "Allow",
            "Principal": {"Federated": "cognito-identity.amazonaws.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": pool}},
        },
    )  # fmt: skip
    execution = _role(
        iam.create_role, "bench-login",
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    )  # fmt: skip
    allowed = {
        "Effect": "Allow",
        "Action": ["dynamodb:GetItem", "cognito-identity:GetOpenIdTokenForDeveloperIdentity", "logs:*"],
        "Resource": "*",
    }
    iam.put_role_policy(
        RoleName="bench-login", PolicyName="login",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )  # fmt: skip
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("handler.py", _SOURCE)
    client("lambda").create_function(
        FunctionName="bench-login", Runtime="python3.12", Handler="handler.handler", Role=execution, Timeout=30,
        MemorySize=512, Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"POOL": pool, "ROLE": user}},
    )  # fmt: skip
    client("lambda").get_waiter("function_active_v2").wait(
        FunctionName="bench-login", WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )


def _role(create: Callable[..., dict[str, dict[str, str]]], name: str, statement: object) -> str:
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return create(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
