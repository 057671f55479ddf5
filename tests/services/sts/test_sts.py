from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.sts.openid_provider import OpenIDProvider, running_provider


def policy(*statements: Any) -> Any:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal: Any, action: Any = "sts:AssumeRole", **condition: Any) -> Any:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return policy({**statement, "Condition": condition} if condition else statement)


EVERYTHING = policy({"Effect": "Allow", "Action": "*", "Resource": "*"})


def refusal(call: Any, **request: Any) -> Any:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.fixture
def iam(account: Any) -> Any:
    return account.client("iam")


@pytest.fixture
def user(account: Any, iam: Any) -> Any:
    """A user, who may assume roles, as an account to make clients of."""
    iam.create_user(UserName="u")
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=EVERYTHING)
    key = iam.create_access_key(UserName="u")["AccessKey"]
    return type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"])


def role(iam: Any, name: Any, document: Any, **more: Any) -> Any:
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, **more)["Role"]["Arn"]


def test_callers(account: Any, user: Any) -> None:
    assert account.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{account.id}:root"
    told = user.client("sts").get_caller_identity()
    assert told["Arn"] == f"arn:aws:iam::{account.id}:user/u"
    assert told["UserId"].startswith("AIDA") and told["Account"] == account.id
    assert account.client("sts").get_access_key_info(AccessKeyId=user.access_key_id)["Account"] == account.id


def test_assume_role(account: Any, iam: Any, user: Any) -> None:
    arn = role(iam, "r", trust({"AWS": account.id}), Path="/deep/", MaxSessionDuration=7200)
    sts = user.client("sts")
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="session")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account.id}:assumed-role/r/session"
    session = user.using(answer["Credentials"])
    assert session.client("sts").get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert refusal(session.client("iam").list_users)[0] == "AccessDenied"
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=EVERYTHING)
    assert session.client("iam").list_users()["Users"]
    code, message = refusal(sts.assume_role, RoleArn=arn, RoleSessionName="session", DurationSeconds=7201)
    assert (code, message) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    chained = session.client("sts").assume_role
    assert "role chaining" in refusal(chained, RoleArn=arn, RoleSessionName="session", DurationSeconds=7200)[1]
    assert refusal(account.client("sts").assume_role, RoleArn=arn, RoleSessionName="session") == (
        "AccessDenied",
        "Roles may not be assumed by root accounts.",
    )


def test_nobody_can_tell_whether_a_role_exists(account: Any, iam: Any, user: Any) -> None:
    arn = role(iam, "r", trust({"Service": "lambda.amazonaws.com"}))
    messages = {
        refusal(user.client("sts").assume_role, RoleArn=one, RoleSessionName="session")[1].replace("missing", "r")
        for one in (arn, arn.replace("/r", "/missing"))
    }
    assert len(messages) == 1
    assert messages.pop().endswith("because no role trust policy allows the sts:AssumeRole action")


def test_who_is_made_anew_under_an_old_name_is_not_trusted(account: Any, iam: Any, user: Any) -> None:
    arn = role(iam, "r", trust({"AWS": f"arn:aws:iam::{account.id}:user/u"}))
    assert user.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    iam.delete_access_key(UserName="u", AccessKeyId=user.access_key_id)
    iam.delete_user_policy(UserName="u", PolicyName="p")
    iam.delete_user(UserName="u")
    named = iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"]
    assert named[0].startswith("AIDA")
    iam.create_user(UserName="u")
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=EVERYTHING)
    key = iam.create_access_key(UserName="u")["AccessKey"]
    other = type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"])
    assert refusal(other.client("sts").assume_role, RoleArn=arn, RoleSessionName="session")[0] == "AccessDenied"


def test_external_id(account: Any, iam: Any, user: Any) -> None:
    arn = role(iam, "r", trust({"AWS": account.id}, StringEquals={"sts:ExternalId": "42"}))
    sts = user.client("sts")
    assert sts.assume_role(RoleArn=arn, RoleSessionName="session", ExternalId="42")["Credentials"]
    for wrong in ({"ExternalId": "43"}, {}):
        assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="session", **wrong)[0] == "AccessDenied"


def test_session_policies(account: Any, iam: Any, user: Any) -> None:
    arn = role(iam, "r", trust({"AWS": account.id}))
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=EVERYTHING)
    sts = user.client("sts")
    narrow = policy({"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"})
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="session", Policy=narrow)
    assert answer["PackedPolicySize"] > 0
    session = user.using(answer["Credentials"])
    assert session.client("iam").list_users()["Users"]
    assert "no session policy allows" in refusal(session.client("iam").list_roles)[1]
    managed = sts.assume_role(
        RoleArn=arn, RoleSessionName="session", PolicyArns=[{"arn": "arn:aws:iam::aws:policy/IAMReadOnlyAccess"}]
    )  # fmt: skip
    session = user.using(managed["Credentials"])
    assert session.client("iam").list_roles()["Roles"]
    assert refusal(session.client("iam").create_user, UserName="x")[0] == "AccessDenied"
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="session", Policy="{}")[0] == "MalformedPolicyDocument"
    unknown = [{"arn": f"arn:aws:iam::{account.id}:policy/none"}]
    assert (
        refusal(sts.assume_role, RoleArn=arn, RoleSessionName="session", PolicyArns=unknown)[0]
        == "MalformedPolicyDocument"
    )


def test_tags_and_source_identity(account: Any, iam: Any, user: Any) -> None:
    may = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    first = role(iam, "first", trust({"AWS": account.id}, may))
    second = role(iam, "second", trust({"AWS": account.id}, may))
    bare = role(iam, "bare", trust({"AWS": account.id}))
    tagged = {"StringEquals": {"aws:PrincipalTag/team": "blue", "aws:SourceIdentity": "myself"}}
    for name in ("first", "second"):
        document = policy(
            {"Effect": "Allow", "Action": "sts:*", "Resource": "*"},
            {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": tagged},
        )
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
    sts = user.client("sts")
    tags = {"Tags": [{"Key": "Team", "Value": "blue"}], "TransitiveTagKeys": ["Team"], "SourceIdentity": "myself"}
    answer = sts.assume_role(RoleArn=first, RoleSessionName="session", **tags)
    assert answer["SourceIdentity"] == "myself"
    session = user.using(answer["Credentials"])
    assert session.client("iam").list_users()["Users"]
    chained = session.client("sts").assume_role
    handed_on = user.using(chained(RoleArn=second, RoleSessionName="another")["Credentials"])
    assert handed_on.client("iam").list_users()["Users"]
    again = {"Tags": [{"Key": "team", "Value": "red"}]}
    assert (
        "conflicts with a transitive tag key" in refusal(chained, RoleArn=second, RoleSessionName="another", **again)[1]
    )
    other = refusal(chained, RoleArn=second, RoleSessionName="another", SourceIdentity="yourself")
    assert other[0] == "AccessDenied"
    untagged = user.using(sts.assume_role(RoleArn=first, RoleSessionName="session")["Credentials"])
    assert refusal(untagged.client("iam").list_users)[0] == "AccessDenied"
    assert "sts:TagSession" in refusal(sts.assume_role, RoleArn=bare, RoleSessionName="session", Tags=tags["Tags"])[1]
    assert (
        "sts:SetSourceIdentity"
        in refusal(sts.assume_role, RoleArn=bare, RoleSessionName="session", SourceIdentity="someone")[1]
    )


_OPTIONS = (
    {"SerialNumber": "arn:aws:iam::111111111111:mfa/u", "TokenCode": "123456"},
    {
        "ProvidedContexts": [
            {"ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter", "ContextAssertion": "text"}
        ]
    },
)


def test_options_that_would_have_to_be_ignored_are_refused(account: Any, iam: Any, user: Any) -> None:
    arn = role(iam, "r", trust({"AWS": account.id}))
    for option in _OPTIONS:
        assert (
            refusal(user.client("sts").assume_role, RoleArn=arn, RoleSessionName="session", **option)[0]
            == "NotImplemented"
        )


def test_session_token(account: Any, iam: Any, user: Any) -> None:
    session = user.using(user.client("sts").get_session_token(DurationSeconds=900)["Credentials"])
    sts = session.client("sts")
    assert sts.get_caller_identity()["Arn"].endswith(":user/u")
    assert refusal(session.client("iam").list_users)[0] == "InvalidClientTokenId"
    assert refusal(sts.get_session_token)[0] in ("AccessDenied", "InvalidClientTokenId")
    assert session.client("dynamodb").list_tables()["TableNames"] == []
    assert account.client("sts").get_session_token()["Credentials"]


def test_federation_token(account: Any, user: Any) -> None:
    document = policy({"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"})
    answer = user.client("sts").get_federation_token(Name="bob", Policy=document)
    assert answer["FederatedUser"]["Arn"] == f"arn:aws:sts::{account.id}:federated-user/bob"
    session = user.using(answer["Credentials"])
    assert session.client("sts").get_caller_identity()["UserId"] == f"{account.id}:bob"
    assert session.client("dynamodb").list_tables()["TableNames"] == []
    assert refusal(session.client("logs").describe_log_groups)[0] == "AccessDeniedException"
    assert refusal(session.client("sts").get_federation_token, Name="xx")[0] == "InvalidClientTokenId"
    bare = user.using(user.client("sts").get_federation_token(Name="bob")["Credentials"])
    assert refusal(bare.client("dynamodb").list_tables)[0] == "AccessDeniedException"


def test_decoding_a_denial(account: Any, iam: Any, user: Any) -> None:
    iam.delete_user_policy(UserName="u", PolicyName="p")
    with pytest.raises(ClientError) as caught:
        user.client("iam").list_users()
    message = caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-pileus-encoded-authorization-message"]
    told = json.loads(account.client("sts").decode_authorization_message(EncodedMessage=message)["DecodedMessage"])
    assert told["allowed"] is False and told["context"]["action"] == "iam:ListUsers"
    assert refusal(user.client("sts").decode_authorization_message, EncodedMessage=message)[0] == "AccessDenied"
    for wrong in ("x", message[:-8] + "AAAAAAAA"):
        code, _ = refusal(account.client("sts").decode_authorization_message, EncodedMessage=wrong)
        assert code == "InvalidAuthorizationMessageException"


@pytest.fixture
def provider() -> Iterator[OpenIDProvider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def federated(iam: Any, provider: Any) -> Any:
    """A role for alice of the provider's."""
    arn = iam.create_open_id_connect_provider(Url=provider.issuer, ClientIDList=["client"])["OpenIDConnectProviderArn"]
    action = ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]
    return role(iam, "oidc", trust({"Federated": arn}, action, StringEquals={f"{provider.name}:sub": "alice"}))


def test_tokens_of_a_registered_provider(account: Any, iam: Any, provider: Any, federated: Any) -> None:
    sts = account.client("sts")

    def assume(token: Any) -> Any:
        return sts.assume_role_with_web_identity(RoleArn=federated, RoleSessionName="session", WebIdentityToken=token)

    def refused(token: Any) -> Any:
        return refusal(lambda: assume(token))

    answer = assume(provider.token(email="a@example.com"))
    assert answer["SubjectFromWebIdentityToken"] == "alice"
    assert answer["Provider"].endswith(f":oidc-provider/{provider.name}") and answer["Audience"] == "client"
    own = policy(
        {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*",
         "Condition": {"StringLike": {f"{provider.name}:email": "*@example.com"}}},
        {"Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*",
         "Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}}},
    )  # fmt: skip
    iam.put_role_policy(RoleName="oidc", PolicyName="p", PolicyDocument=own)
    session = account.using(answer["Credentials"])
    assert session.client("iam").list_users()["Users"] == []
    assert refusal(session.client("iam").list_roles)[0] == "AccessDenied"
    tags = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["blue"]}, "transitive_tag_keys": ["team"]}}
    tagged = account.using(assume(provider.token(**tags))["Credentials"])
    assert tagged.client("iam").list_roles()["Roles"]
    assert refused(provider.token("mallory"))[0] == "AccessDenied"
    assert refused(provider.token(audience="another")) == ("InvalidIdentityToken", "Incorrect token audience")
    code, message = refused(provider.token(exp=1_600_000_000))
    assert code == "ExpiredTokenException" and message.startswith("Token expired: current date/time ")
    assert refused(provider.token(iss="http://127.0.0.1:1"))[1].startswith("No OpenIDConnect provider found")
    for claims in ({"exp": None}, {"iat": None}, {"sub": None}, {"sub": 7}, {"nbf": 4e9}, {"iat": 4e9}):
        assert refused(provider.token(**claims))[0] == "InvalidIdentityToken"
    fetched = provider.fetches
    assert assume(provider.token())["Credentials"]
    assert provider.fetches == fetched, "keys are kept"


def test_rotated_keys_and_other_algorithms(account: Any, provider: Any, federated: Any, monkeypatch: Any) -> None:
    sts = account.client("sts")

    def assume() -> Any:
        return sts.assume_role_with_web_identity(
            RoleArn=federated, RoleSessionName="session", WebIdentityToken=provider.token()
        )  # fmt: skip

    provider.rotate("elliptic", "ES256")
    assert assume()["Credentials"]
    provider.rotate("third")
    # A new key id is looked for again, but not for each token that comes along.
    assert refusal(assume)[0] == "InvalidIdentityToken"
    fetched = provider.fetches
    assert refusal(assume)[0] == "InvalidIdentityToken"
    assert provider.fetches == fetched


def test_an_unreachable_provider(account: Any, iam: Any) -> None:
    with running_provider() as gone:
        arn = iam.create_open_id_connect_provider(Url=gone.issuer, ClientIDList=["c"])["OpenIDConnectProviderArn"]
        token = gone.token()
    name = role(iam, "oidc", trust({"Federated": arn}, "sts:AssumeRoleWithWebIdentity"))
    code, message = refusal(
        account.client("sts").assume_role_with_web_identity,
        RoleArn=name,
        RoleSessionName="session",
        WebIdentityToken=token,
    )
    assert code == "InvalidIdentityToken" and message.startswith("Couldn't retrieve verification key")


def test_arns_that_are_none(account: Any, user: Any) -> None:
    for wrong in (
        "nothing-valid-in-here",
        "arn::b:::something/test-role",
        "arn:a::::something/role",
        "arn:a:a::aaaaaaaaaa:",
    ):
        code, message = refusal(user.client("sts").assume_role, RoleArn=wrong, RoleSessionName="session")
        assert (code, message) == ("ValidationError", f"{wrong} is invalid")
