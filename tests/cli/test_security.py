"""`why`, `denied`, `access` and `policy suggest`, against a running cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError


def policy(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture
def user(account: Any) -> Any:
    """A user who may list tables, and tables named by their own user id under a condition."""
    iam = account.client("iam")
    iam.create_user(UserName="reader")
    document = policy(
        {"Sid": "List", "Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"},
        {
            "Sid": "Own", "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
            "Resource": "arn:aws:dynamodb:*:*:table/notes",
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:username}"]}},
        },
        {"Sid": "Never", "Effect": "Deny", "Action": "dynamodb:DeleteTable", "Resource": "*"},
    )  # fmt: skip
    iam.put_user_policy(UserName="reader", PolicyName="notes", PolicyDocument=document)
    account.client("dynamodb").create_table(
        TableName="notes",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    return type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"])


def run(cloud: Any, account: Any, *words: str) -> str:
    result = cloud.pileus(*words, "--account", account.id)
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


def denied_request(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return str(caught.value.response["ResponseMetadata"]["RequestId"])


def test_why_names_what_was_missing_and_the_statement_that_allows_it(cloud: Any, account: Any, user: Any) -> None:
    table = user.client("dynamodb")
    request = {"TableName": "notes", "Key": {"id": {"S": "other"}}}
    request_id = denied_request(table.get_item, **request)
    told = run(cloud, account, "why", request_id)
    assert "statement 2 Own (Allow) does not match ForAllValues:StringEquals on dynamodb:leadingkeys" in told
    assert "dynamodb:leadingkeys = other" in told
    [decision] = json.loads(run(cloud, account, "why", request_id, "--json"))["decisions"]
    assert decision["principal"] == f"arn:aws:iam::{account.id}:user/reader"
    suggestion = decision["suggestion"]
    assert suggestion["Action"] == "dynamodb:GetItem" and suggestion["Resource"].endswith(":table/notes")
    assert suggestion["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:leadingkeys": ["other"]}}
    # Pasted, it does what it says, and no more.
    account.client("iam").put_user_policy(UserName="reader", PolicyName="more", PolicyDocument=policy(suggestion))
    assert table.get_item(**request)["ResponseMetadata"]["HTTPStatusCode"] == 200
    denied_request(table.get_item, TableName="notes", Key={"id": {"S": "third"}})


def test_why_names_the_statement_that_denied(cloud: Any, account: Any, user: Any) -> None:
    request_id = denied_request(user.client("dynamodb").delete_table, TableName="notes")
    told = run(cloud, account, "why", request_id)
    assert "denied explicitly by a statement of policy notes" in told and '"Sid": "Never"' in told
    assert "An explicit deny outweighs every allow" in told and "suggestion" not in told


def test_why_of_what_was_allowed(cloud: Any, account: Any, user: Any) -> None:
    request_id = user.client("dynamodb").list_tables()["ResponseMetadata"]["RequestId"]
    told = run(cloud, account, "why", request_id)
    assert "allowed by a statement of policy notes" in told and '"Sid": "List"' in told


def test_denials_are_listed_newest_first_and_for_their_account_only(cloud: Any, account: Any, user: Any) -> None:
    first = denied_request(user.client("s3").list_buckets)
    second = denied_request(user.client("iam").list_users)
    listed = json.loads(run(cloud, account, "denied", "--json"))
    assert [entry["request_id"] for entry in listed] == [second, first]
    assert run(cloud, account, "denied", "-n", "1").count("iam:ListUsers") == 1
    stranger = cloud.create_account()
    assert run(cloud, stranger, "denied") == "Nothing was denied.\n"
    hidden = cloud.pileus("why", first, "--account", stranger.id)
    assert hidden.returncode == 1 and "holds nothing about request" in hidden.stderr


def test_access_is_a_table_of_who_may_what(cloud: Any, account: Any, user: Any) -> None:
    rows = json.loads(run(cloud, account, "access", "--json"))
    mine = {row["resource"]: row for row in rows if row["principal"].endswith(":user/reader")}
    table = f"arn:aws:dynamodb:us-east-1:{account.id}:table/notes"
    assert set(mine) == {table, "*"}
    assert mine[table]["conditional"] == ["dynamodb:GetItem", "dynamodb:PutItem"] and mine[table]["allowed"] == []
    assert "dynamodb:ListTables" in mine["*"]["allowed"]
    assert "dynamodb:GetItem?" in run(cloud, account, "access", "--principal", "reader")
    unknown = cloud.pileus("access", "--principal", "nobody", "--account", account.id)
    assert unknown.returncode == 1 and "There is no role or user nobody." in unknown.stderr


def test_guests_of_the_todo_application_reach_two_functions(cloud: Any, account: Any) -> None:
    """The row that answers the article's question: what can be called without login."""
    iam = account.client("iam")
    trust = policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
    iam.create_role(RoleName="guest", AssumeRolePolicyDocument=trust)
    functions = [f"arn:aws:lambda:us-east-1:{account.id}:function:{name}" for name in ("loginUser", "registerUser")]
    document = policy({"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": functions})
    iam.put_role_policy(RoleName="guest", PolicyName="p", PolicyDocument=document)
    run_role = iam.create_role(RoleName="run", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    for name in ("loginUser", "registerUser", "listTodos"):
        account.client("lambda").create_function(
            FunctionName=name, Runtime="python3.12", Role=run_role, Handler="index.handler", Code={"ZipFile": _ZIP}
        )
    rows = json.loads(run(cloud, account, "access", "--principal", "guest", "--json"))
    assert {row["resource"]: row["allowed"] for row in rows} == {arn: ["lambda:InvokeFunction"] for arn in functions}


def test_suggested_policy_allows_what_was_seen_and_no_more(cloud: Any, account: Any, user: Any) -> None:
    nothing = cloud.pileus("policy", "suggest", "reader", "--account", account.id)
    assert nothing.returncode == 1 and "was not seen doing anything yet" in nothing.stderr
    table = user.client("dynamodb")
    table.list_tables()
    for _ in range(2):
        table.get_item(TableName="notes", Key={"id": {"S": "reader"}})
    denied_request(user.client("iam").list_users)
    suggested = json.loads(run(cloud, account, "policy", "suggest", "reader"))
    arn = f"arn:aws:dynamodb:us-east-1:{account.id}:table/notes"
    assert {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": arn} in suggested["Statement"]
    assert len(suggested["Statement"]) == 2
    account.client("iam").put_user_policy(
        UserName="reader", PolicyName="notes", PolicyDocument=json.dumps(suggested)
    )  # fmt: skip
    table.list_tables()
    denied_request(table.put_item, TableName="notes", Item={"id": {"S": "reader"}})


def _zip() -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", "def handler(event, context):\n    return event\n")
    return buffer.getvalue()


_ZIP = _zip()


def test_owners_of_a_resource_learn_little_of_another_accounts_principal(cloud: Any, account: Any, user: Any) -> None:
    stranger = cloud.create_account()
    iam = stranger.client("iam")
    trust = policy({"Effect": "Allow", "Principal": {"AWS": stranger.id}, "Action": "sts:AssumeRole"})
    arn = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    account.client("iam").put_user_policy(UserName="reader", PolicyName="secret-plan", PolicyDocument=policy(may))
    request_id = denied_request(user.client("sts").assume_role, RoleArn=arn, RoleSessionName="session")
    mine = json.loads(run(cloud, account, "why", request_id, "--json"))["decisions"][0]
    theirs = json.loads(run(cloud, stranger, "why", request_id, "--json"))["decisions"][0]
    assert "secret-plan" in [one["name"] for one in mine["considered"]] and mine["keys"]["aws:sourceip"]
    assert theirs["principal"] == mine["principal"] and theirs["action"] == "sts:AssumeRole"
    assert "secret-plan" not in json.dumps(theirs) and not theirs.get("keys")
    assert theirs["suggestion"]["Principal"] == {"AWS": f"arn:aws:iam::{account.id}:user/reader"}


def test_rotation_of_keys_logs_nobody_out(cloud: Any, account: Any) -> None:
    session = account.using(account.client("sts").get_session_token()["Credentials"])
    result = cloud.pileus("keys", "rotate")
    assert (result.returncode, result.stdout) == (0, "New keys are in use.\n")
    later = account.using(account.client("sts").get_session_token()["Credentials"])
    assert session.session_token[:5] != later.session_token[:5]
    for one in (session, later):
        assert one.client("sts").get_caller_identity()["Account"] == account.id


def test_why_reaches_into_calls_that_services_make_for_the_caller(cloud: Any, account: Any) -> None:
    """Cognito asks STS in the user's name, and tells the user only that the pool is misconfigured."""
    cognito = account.client("cognito-identity")
    pool = cognito.create_identity_pool(IdentityPoolName="p", AllowUnauthenticatedIdentities=True)["IdentityPoolId"]
    trust = policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
    arn = account.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    cognito.set_identity_pool_roles(IdentityPoolId=pool, Roles={"unauthenticated": arn})
    identity = cognito.get_id(IdentityPoolId=pool)["IdentityId"]
    request_id = denied_request(cognito.get_credentials_for_identity, IdentityId=identity)
    [decision] = json.loads(run(cloud, account, "why", request_id, "--json"))["decisions"]
    assert (decision["action"], decision["resource"]) == ("sts:AssumeRoleWithWebIdentity", arn)
    # The statement that it suggests is the one that the role's trust policy lacks.
    account.client("iam").update_assume_role_policy(RoleName="r", PolicyDocument=policy(decision["suggestion"]))
    assert cognito.get_credentials_for_identity(IdentityId=identity)["Credentials"]
