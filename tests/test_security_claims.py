"""The claims of the architecture, each tried from outside with boto3: the platform holds the application's security.

The credentials are un-guessable and belong to one user and one role. Lambda takes the user's identity from the
credentials, and nobody can tamper with it. Permissions are evaluated before a function is invoked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

FOR_GUESTS = {"RegisterUser", "LoginUser"}
FOR_USERS = {"ListTodos", "AddTodo", "UpdateTodo", "DeleteTodo"}


def code_of(call: Callable[..., Any], **parameters: Any) -> str:
    """The code of the error that the call must end with."""
    with pytest.raises(ClientError) as denied:
        call(**parameters)
    assert denied.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    return str(denied.value.response["Error"]["Code"])


def unsigned(todo: Any, service: str) -> Any:
    return todo.root.client(service, config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))


def started(todo: Any, function: str) -> int:
    """How often the function was started, as its log says."""
    group = f"/aws/lambda/{todo.outputs[function]}"
    pages = todo.root.client("logs").get_paginator("filter_log_events").paginate
    try:
        return sum(len(page["events"]) for page in pages(logGroupName=group, filterPattern='"START RequestId"'))
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ResourceNotFoundException"
        return 0


def starts(todo: Any, function: str, expected: int) -> bool:
    """Waits for the log of what certainly happened, and says whether nothing else did."""
    for _ in range(400):
        if started(todo, function) >= expected:
            break
        time.sleep(0.05)
    return started(todo, function) == expected


# --- Calls without login reach only register and login ---------------------------------------------------------------


def test_a_guest_reaches_register_and_login_and_nothing_else(todo: Any) -> None:
    guest = todo.guest()
    reached = set()
    for function in FOR_GUESTS | FOR_USERS:
        try:
            guest.client("lambda").invoke(FunctionName=todo.outputs[function], Payload=b"{}")
            reached.add(function)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDeniedException"
            assert "is not authorized to perform: lambda:InvokeFunction on resource: " in str(error)
    assert reached == FOR_GUESTS


@pytest.mark.parametrize("role", ["guest", "user"])
def test_neither_guest_nor_user_touches_anything_behind_the_functions(todo: Any, role: str) -> None:
    caller = todo.guest() if role == "guest" else todo.log_in(todo.register())
    users, todos = todo.outputs["UsersTable"], todo.outputs["TodosTable"]
    database, functions = caller.client("dynamodb"), caller.client("lambda")
    assert code_of(database.scan, TableName=users) == "AccessDeniedException"
    assert code_of(database.scan, TableName=todos) == "AccessDeniedException"
    assert code_of(functions.list_functions) == "AccessDeniedException"
    assert code_of(functions.get_function, FunctionName=todo.outputs["LoginUser"]) == "AccessDeniedException"
    assert (
        code_of(caller.client("s3").put_object, Bucket=todo.outputs["SiteBucket"], Key="index.html") == "AccessDenied"
    )
    assert code_of(caller.client("iam").list_roles) == "AccessDenied"
    assert code_of(caller.client("sts").assume_role, RoleArn=todo.role("LoginUser"), RoleSessionName="ab") == (
        "AccessDenied"
    )


@pytest.mark.parametrize("function", sorted(FOR_GUESTS | FOR_USERS))
def test_without_any_credentials_no_function_is_reached(todo: Any, function: str) -> None:
    invoke = unsigned(todo, "lambda").invoke
    assert code_of(invoke, FunctionName=todo.outputs[function]) == "MissingAuthenticationTokenException"


# --- Denied calls never start a function ------------------------------------------------------------------------------


def test_a_denied_call_never_starts_a_function(todo: Any) -> None:
    user, guest = todo.log_in(todo.register()), todo.guest()
    before = started(todo, "UpdateTodo")
    name = todo.outputs["UpdateTodo"]
    for kind in ("RequestResponse", "Event", "DryRun"):
        denied = code_of(guest.client("lambda").invoke, FunctionName=name, InvocationType=kind)
        assert denied == "AccessDeniedException"
    user.invoke("UpdateTodo", {"id": "1", "done": True})
    assert starts(todo, "UpdateTodo", before + 1)


# --- Credentials are un-guessable -------------------------------------------------------------------------------------


def test_credentials_that_were_changed_are_worthless(todo: Any) -> None:
    user, guest = todo.log_in(todo.register()), todo.guest()
    mixtures = {
        "another secret": {"secret_access_key": guest.secret_access_key},
        "another key id": {"access_key_id": guest.access_key_id},
        "the guest's key with the user's token": {
            "access_key_id": guest.access_key_id,
            "secret_access_key": guest.secret_access_key,
        },
        "the user's key with the guest's token": {"session_token": guest.session_token},
        "no token": {"session_token": None},
    }
    invalid = {"UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId"}
    for what, changes in mixtures.items():
        forged = user.changed(**changes).client("lambda")
        assert code_of(forged.invoke, FunctionName=todo.outputs["ListTodos"]) in invalid, what


def test_a_session_token_with_any_part_changed_is_worthless(todo: Any) -> None:
    user = todo.log_in(todo.register())
    token = user.session_token
    for place in range(0, len(token) - 4, len(token) // 16):
        letter = "A" if token[place] != "A" else "B"
        forged = user.changed(session_token=token[:place] + letter + token[place + 1 :])
        assert code_of(forged.client("lambda").list_functions) == "UnrecognizedClientException"


def test_credentials_end(todo: Any) -> None:
    user = todo.expired(todo.log_in(todo.register()))
    assert code_of(user.client("lambda").invoke, FunctionName=todo.outputs["ListTodos"]) == "ExpiredTokenException"


# --- An identity cannot be forged -------------------------------------------------------------------------------------


def test_a_payload_that_claims_another_identity_changes_nothing(todo: Any) -> None:
    ada, mallory = todo.log_in(todo.register()), todo.log_in(todo.register())
    ada.invoke("AddTodo", {"id": "hers", "title": "Write the letter"})
    claims = {
        "owner": ada.identity_id,
        "identity": {"cognitoIdentityId": ada.identity_id},
        "context": {"identity": {"cognito_identity_id": ada.identity_id}},
        "cognitoIdentityId": ada.identity_id,
    }
    assert mallory.invoke("ListTodos", claims) == {"todos": [], "next": None}
    assert mallory.invoke("ListTodos", {"after": "a", **claims})["todos"] == []
    assert mallory.invoke("UpdateTodo", {"id": "hers", "done": True, **claims})["error"]["code"] == "NotFound"
    mallory.invoke("DeleteTodo", {"id": "hers", **claims})
    mallory.invoke("AddTodo", {"id": "hers", "title": "Forget it", **claims})
    [kept] = ada.invoke("ListTodos", {})["todos"]
    assert (kept["title"], kept["done"]) == ("Write the letter", False)


def test_neither_client_context_nor_headers_change_the_identity(todo: Any) -> None:
    ada, mallory = todo.log_in(todo.register()), todo.log_in(todo.register())
    ada.invoke("AddTodo", {"id": "hers", "title": "Write the letter"})
    forged = {"cognitoIdentityId": ada.identity_id, "cognitoIdentityPoolId": todo.outputs["IdentityPoolId"]}
    client = mallory.client("lambda")

    def add_headers(request: Any, **_: Any) -> None:
        request.headers["Lambda-Runtime-Cognito-Identity"] = json.dumps(forged)
        request.headers["X-Amz-Cognito-Identity"] = json.dumps(forged)

    client.meta.events.register("before-sign.lambda.Invoke", add_headers)
    context = base64.b64encode(json.dumps({"identity": forged, "custom": forged, **forged}).encode()).decode()
    answer = client.invoke(FunctionName=todo.outputs["ListTodos"], ClientContext=context, Payload=b"{}")
    assert json.load(answer["Payload"])["todos"] == []


def test_a_forged_open_id_token_is_worth_nothing(todo: Any) -> None:
    ada, mallory = todo.register(), todo.register()
    todo.log_in(ada)
    claimed = todo.developer_token(ada)["IdentityId"]
    header, body, signature = todo.developer_token(mallory)["Token"].split(".")
    claims = decoded(body)
    edited = encoded({**claims, "sub": claimed})
    none = encoded({**decoded(header), "alg": "none"})
    symmetric = encoded({**decoded(header), "alg": "HS256"})
    forged = {
        "edited": f"{header}.{edited}.{signature}",
        "unsigned": f"{none}.{edited}.",
        "alg none with a signature": f"{none}.{edited}.{signature}",
        "signed with a key of the caller's": f"{symmetric}.{edited}.{signed(f'{symmetric}.{edited}', b'guess')}",
        "signature cut off": f"{header}.{body}.",
        "signature of something else": f"{header}.{body}.{encoded(claims)}",
        "no token at all": "x" * 20,
    }
    for what, token in forged.items():
        assert code_of(todo.assume_user_role, token=token) == "InvalidIdentityToken", what


def test_a_token_of_another_pool_of_a_guest_or_of_yesterday_is_not_enough(todo: Any) -> None:
    username = todo.register()
    cognito = todo.root.client("cognito-identity")
    pool = cognito.create_identity_pool(
        IdentityPoolName="another", AllowUnauthenticatedIdentities=False, DeveloperProviderName="login.todo"
    )["IdentityPoolId"]
    elsewhere = cognito.get_open_id_token_for_developer_identity(IdentityPoolId=pool, Logins={"login.todo": username})
    assert code_of(todo.assume_user_role, token=elsewhere["Token"]) == "AccessDenied"

    role = create_role_for_users_of(todo, pool)
    assert todo.assume_user_role(elsewhere["Token"], role)["Provider"] == "cognito-identity.amazonaws.com"

    public = unsigned(todo, "cognito-identity")
    identity = public.get_id(IdentityPoolId=todo.outputs["IdentityPoolId"])["IdentityId"]
    guest = public.get_open_id_token(IdentityId=identity)["Token"]
    assert code_of(todo.assume_user_role, token=guest) == "AccessDenied"
    assert todo.assume_user_role(guest, todo.outputs["GuestRoleArn"])["SubjectFromWebIdentityToken"] == identity

    brief = todo.developer_token(username, TokenDuration=1)["Token"]
    time.sleep(max(0.0, decoded(brief.split(".")[1])["exp"] - time.time()) + 0.05)
    assert code_of(todo.assume_user_role, token=brief) == "ExpiredTokenException"


def create_role_for_users_of(todo: Any, pool: str) -> str:
    """A role like the application's for people who are logged in, of another pool."""
    iam = todo.root.client("iam")
    trusted = iam.get_role(RoleName=todo.outputs["UserRoleArn"].rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    document = json.dumps(trusted).replace(todo.outputs["IdentityPoolId"], pool)
    name = f"users-of-{pool.rpartition(':')[2]}"
    return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])


def test_knowing_an_identity_id_is_not_being_it(todo: Any) -> None:
    ada = todo.log_in(todo.register())
    public = unsigned(todo, "cognito-identity")
    ask = public.get_credentials_for_identity
    assert code_of(ask, IdentityId=ada.identity_id) == "NotAuthorizedException"
    assert code_of(public.get_open_id_token, IdentityId=ada.identity_id) == "NotAuthorizedException"
    token = todo.developer_token(todo.register())["Token"]
    mine = {"cognito-identity.amazonaws.com": token}
    assert code_of(ask, IdentityId=ada.identity_id, Logins=mine) in (
        "NotAuthorizedException",
        "ResourceConflictException",
    )
    vouch = public.get_open_id_token_for_developer_identity
    pool = todo.outputs["IdentityPoolId"]
    assert code_of(vouch, IdentityPoolId=pool, Logins={"login.todo": "ada"}) == "MissingAuthenticationTokenException"


# --- The caller's identity arrives in the context ---------------------------------------------------------------------


PROBE = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    identity = context.identity
    answer = {"id": identity.cognito_identity_id, "pool": identity.cognito_identity_pool_id, "codes": {}}
    for name, (service, operation, parameters) in event.get("calls", {}).items():
        try:
            getattr(boto3.client(service), operation)(**parameters)
            answer["codes"][name] = "allowed"
        except ClientError as error:
            answer["codes"][name] = error.response["Error"]["Code"]
    return answer
"""


def create_probe(todo: Any, name: str, role: str) -> str:
    """A function that tells what it is told and what it may do."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("probe.py", PROBE)
    created = todo.root.client("lambda").create_function(
        FunctionName=name,
        Runtime=todo.runtime,
        Role=role,
        Handler="probe.handler",
        Timeout=20,
        MemorySize=256,
        Code={"ZipFile": archive.getvalue()},
    )
    todo.root.client("lambda").get_waiter("function_active_v2").wait(FunctionName=name)
    return str(created["FunctionArn"])


@pytest.mark.parametrize("flow", ["AssumeRoleWithWebIdentity", "GetCredentialsForIdentity"])
def test_the_identity_arrives_in_the_context_whichever_way_credentials_were_made(todo: Any, flow: str) -> None:
    name = f"identity-{flow}"
    arn = create_probe(todo, name, todo.role("ListTodos"))
    role = todo.outputs["UserRoleArn"].rpartition("/")[2]
    may_probe = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn}
    todo.root.client("iam").put_role_policy(
        RoleName=role,
        PolicyName=name,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may_probe]}),
    )
    username = todo.register()
    user = todo.log_in(username)
    if flow == "GetCredentialsForIdentity":
        token = todo.developer_token(username)
        user = user.using(
            unsigned(todo, "cognito-identity").get_credentials_for_identity(
                IdentityId=token["IdentityId"], Logins={"cognito-identity.amazonaws.com": token["Token"]}
            )["Credentials"]
        )
    answer = json.load(user.client("lambda").invoke(FunctionName=name, Payload=b"{}")["Payload"])
    assert answer["id"] == todo.developer_token(username)["IdentityId"]
    assert answer["pool"] == todo.outputs["IdentityPoolId"]

    operator = todo.root.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    assert json.load(operator["Payload"])["id"] is None, "who has no identity shows none"


# --- The execution role limits the function ---------------------------------------------------------------------------


def test_the_execution_role_limits_the_function(todo: Any) -> None:
    create_probe(todo, "limits", todo.role("ListTodos"))
    todos, users = todo.outputs["TodosTable"], todo.outputs["UsersTable"]
    key = {"owner": {"S": "x"}, "id": {"S": "x"}}
    query = {
        "KeyConditionExpression": "#o = :o",
        "ExpressionAttributeNames": {"#o": "owner"},
        "ExpressionAttributeValues": {":o": {"S": "x"}},
    }
    calls = {
        "query todos": ("dynamodb", "query", {"TableName": todos, **query}),
        "write a todo": ("dynamodb", "put_item", {"TableName": todos, "Item": key}),
        "scan todos": ("dynamodb", "scan", {"TableName": todos}),
        "read a user": ("dynamodb", "get_item", {"TableName": users, "Key": {"username": {"S": "ada"}}}),
        "list buckets": ("s3", "list_buckets", {}),
        "call a function": ("lambda", "invoke", {"FunctionName": todo.outputs["LoginUser"]}),
        "give itself more": (
            "iam",
            "attach_role_policy",
            {
                "RoleName": todo.role("ListTodos").rpartition("/")[2],
                "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess",
            },
        ),
    }
    payload = json.dumps({"calls": calls}).encode()
    answer = json.load(todo.root.client("lambda").invoke(FunctionName="limits", Payload=payload)["Payload"])
    assert answer["codes"] == {
        "query todos": "allowed",
        "write a todo": "AccessDeniedException",
        "scan todos": "AccessDeniedException",
        "read a user": "AccessDeniedException",
        "list buckets": "AccessDenied",
        "call a function": "AccessDeniedException",
        "give itself more": "AccessDenied",
    }


# --- Tokens, taken apart ----------------------------------------------------------------------------------------------


def encoded(claims: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()


def decoded(part: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def signed(text: str, key: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).rstrip(b"=").decode()
