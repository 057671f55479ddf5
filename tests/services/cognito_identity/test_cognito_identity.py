from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import rsa

from services.sts.openid_provider import running_provider

COGNITO = "cognito-identity.amazonaws.com"
PROVIDER = "login.example"


def policy(*statements: Any) -> Any:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def refusal(call: Any, **request: Any) -> Any:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


class Application:
    """A pool with its roles, and the clients of its owner and of the public."""

    def __init__(self, account: Any, **settings: Any) -> None:
        self.account = account
        self.provider_arn = ""
        self.owner = account.client("cognito-identity")
        self.public = self.unsigned("cognito-identity")
        self.sts = self.unsigned("sts")
        self.iam = account.client("iam")
        settings = {"AllowUnauthenticatedIdentities": True, "DeveloperProviderName": PROVIDER, **settings}
        self.pool = self.owner.create_identity_pool(IdentityPoolName="app", **settings)["IdentityPoolId"]
        self.roles = {kind: self.role(kind, kind) for kind in ("authenticated", "unauthenticated")}
        self.owner.set_identity_pool_roles(IdentityPoolId=self.pool, Roles=self.roles)

    def unsigned(self, service: Any) -> Any:
        config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
        return self.account.client(service, config=config)

    def role(self, name: Any, amr: Any) -> Any:
        condition = {"StringEquals": {f"{COGNITO}:aud": self.pool}, "ForAnyValue:StringLike": {f"{COGNITO}:amr": amr}}
        statement = {
            "Effect": "Allow", "Principal": {"Federated": COGNITO}, "Condition": condition,
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        }  # fmt: skip
        return self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(statement))["Role"]["Arn"]

    def allow(self, role: Any, *actions: Any, **more: Any) -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}
        self.iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=policy(statement))

    def login(self, user: Any, **more: Any) -> Any:
        return self.owner.get_open_id_token_for_developer_identity(
            IdentityPoolId=self.pool, Logins={PROVIDER: user}, **more
        )  # fmt: skip

    def assume(self, token: Any, role: Any = "authenticated") -> Any:
        return self.sts.assume_role_with_web_identity(
            RoleArn=self.roles[role], RoleSessionName="session", WebIdentityToken=token
        )

    def using(self, credentials: Any) -> Any:
        return self.account.using(credentials)


@pytest.fixture
def app(account: Any) -> Any:
    return Application(account)


def claims_of(token: Any) -> Any:
    return jwt.decode(token, options={"verify_signature": False})


class TestDeveloperIdentities:
    def test_the_article_s_login(self, app: Any) -> None:
        answer = app.login("bob")
        claims = claims_of(answer["Token"])
        assert claims["iss"] == f"https://{COGNITO}" and claims["aud"] == app.pool
        assert claims["sub"] == answer["IdentityId"] and claims["exp"] - claims["iat"] == 900
        assert claims["amr"] == ["authenticated", PROVIDER, f"{PROVIDER}:{app.pool}:bob"]
        assert app.login("bob")["IdentityId"] == answer["IdentityId"] != app.login("eve")["IdentityId"]
        assumed = app.assume(answer["Token"])
        assert (assumed["Provider"], assumed["Audience"]) == (COGNITO, app.pool)
        assert assumed["SubjectFromWebIdentityToken"] == answer["IdentityId"]
        session = app.using(assumed["Credentials"])
        assert session.client("sts").get_caller_identity()["Arn"].endswith(":assumed-role/authenticated/session")
        assert refusal(app.assume, token=answer["Token"], role="unauthenticated")[0] == "AccessDenied"

    def test_must_be_signed_and_allowed(self, app: Any, cloud: Any) -> None:
        asked = {"IdentityPoolId": app.pool, "Logins": {PROVIDER: "bob"}}
        assert refusal(app.public.get_open_id_token_for_developer_identity, **asked)[0] in (
            "MissingAuthenticationTokenException",
            "AccessDeniedException",
        )
        stranger = cloud.create_account().client("cognito-identity")
        assert refusal(stranger.get_open_id_token_for_developer_identity, **asked)[0] == "ResourceNotFoundException"
        guest = app.public.get_id(IdentityPoolId=app.pool)["IdentityId"]
        session = app.using(app.public.get_credentials_for_identity(IdentityId=guest)["Credentials"])
        code, _ = refusal(session.client("cognito-identity").get_open_id_token_for_developer_identity, **asked)
        assert code == "AccessDeniedException"

    def test_wrong_provider_and_long_lives(self, app: Any) -> None:
        asked = {"IdentityPoolId": app.pool, "Logins": {"other.example": "bob"}}
        assert refusal(app.owner.get_open_id_token_for_developer_identity, **asked)[0] == "InvalidParameterException"
        claims = claims_of(app.login("bob", TokenDuration=86_400)["Token"])
        assert claims["exp"] - claims["iat"] == 86_400

    def test_a_guest_becomes_a_user(self, app: Any) -> None:
        guest = app.public.get_id(IdentityPoolId=app.pool)["IdentityId"]
        assert app.login("bob", IdentityId=guest)["IdentityId"] == guest
        assert app.login("bob")["IdentityId"] == guest
        other = app.public.get_id(IdentityPoolId=app.pool)["IdentityId"]
        code, _ = refusal(app.login, user="bob", IdentityId=other)
        assert code == "DeveloperUserAlreadyRegisteredException"
        # What has logins is no guest's any more.
        assert refusal(app.public.get_credentials_for_identity, IdentityId=guest) == (
            "NotAuthorizedException",
            f"Access to Identity '{guest}' is forbidden.",
        )

    def test_lookup_merge_and_unlink(self, app: Any) -> None:
        one, two = app.login("one")["IdentityId"], app.login("two")["IdentityId"]
        found = app.owner.lookup_developer_identity(IdentityPoolId=app.pool, DeveloperUserIdentifier="one")
        assert (found["IdentityId"], found["DeveloperUserIdentifierList"]) == (one, ["one"])
        merged = app.owner.merge_developer_identities(
            SourceUserIdentifier="one", DestinationUserIdentifier="two", DeveloperProviderName=PROVIDER,
            IdentityPoolId=app.pool,
        )  # fmt: skip
        assert merged["IdentityId"] == two == app.login("one")["IdentityId"]
        assert refusal(app.owner.describe_identity, IdentityId=one)[0] == "ResourceNotFoundException"
        found = app.owner.lookup_developer_identity(IdentityPoolId=app.pool, IdentityId=two)
        assert found["DeveloperUserIdentifierList"] == ["one", "two"]
        app.owner.unlink_developer_identity(
            IdentityId=two, IdentityPoolId=app.pool, DeveloperProviderName=PROVIDER, DeveloperUserIdentifier="one"
        )
        assert app.login("one")["IdentityId"] not in (one, two)


class TestTokensThatAreNotToBeTrusted:
    def forged(self, app: Any, key: Any = None, algorithm: Any = "RS256", headers: Any = None, **changes: Any) -> Any:
        claims = {**claims_of(app.login("bob")["Token"]), **changes}
        return jwt.encode(claims, key, algorithm=algorithm, headers=headers)

    def refused(self, app: Any, token: Any) -> None:
        code, _ = refusal(app.assume, token=token)
        assert code in ("InvalidIdentityToken", "ExpiredTokenException"), code
        identity = app.login("bob")["IdentityId"]
        code, _ = refusal(app.public.get_credentials_for_identity, IdentityId=identity, Logins={COGNITO: token})
        assert code == "NotAuthorizedException"

    def test_unsigned(self, app: Any) -> None:
        self.refused(app, self.forged(app, algorithm="none"))
        kid = jwt.get_unverified_header(app.login("bob")["Token"])["kid"]
        self.refused(app, self.forged(app, algorithm="none", headers={"kid": kid}))

    def test_signed_by_another_key(self, app: Any) -> None:
        kid = jwt.get_unverified_header(app.login("bob")["Token"])["kid"]
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        for headers in ({"kid": kid}, {"kid": "unknown"}, {}):
            self.refused(app, self.forged(app, other, headers=headers))

    def test_signed_with_the_public_key_as_a_secret(self, app: Any, cloud: Any) -> None:
        """The confusion of RS256 with HS256: the verifier's key is public, so it must never be taken as a secret."""
        [key] = json.loads(cloud.get("/_pileus/cognito-identity/.well-known/jwks_uri"))["keys"][:1]
        token = app.login("bob")["Token"]
        kid = jwt.get_unverified_header(token)["kid"]
        head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid}).encode()).rstrip(b"=")
        signed = head + b"." + token.split(".")[1].encode()
        for secret in (key["n"].encode(), json.dumps(key).encode()):
            seal = base64.urlsafe_b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).rstrip(b"=")
            self.refused(app, (signed + b"." + seal).decode())

    def test_edited(self, app: Any) -> None:
        head, body, seal = app.login("bob")["Token"].split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        victim = app.login("victim")["IdentityId"]
        edited = base64.urlsafe_b64encode(json.dumps({**claims, "sub": victim}).encode()).rstrip(b"=").decode()
        self.refused(app, f"{head}.{edited}.{seal}")
        for broken in (
            f"{head}.{body}.",
            f"{head}.{body}",
            f".{body}.{seal}",
            "x" * 40,
            f"{head}.{body}.{seal[:-2]}AA",
        ):
            if broken != f"{head}.{body}.{seal}":
                code, _ = refusal(app.assume, token=broken)
                assert code == "InvalidIdentityToken"

    def test_expired(self, app: Any) -> None:
        token = app.login("bob", TokenDuration=1)["Token"]
        time.sleep(1.1)
        code, message = refusal(app.assume, token=token)
        assert code == "ExpiredTokenException" and message.startswith("Token expired")
        self.refused(app, token)

    def test_another_pool_s(self, app: Any, cloud: Any) -> None:
        """Both pools' tokens are real; a role trusts one pool, and an identity belongs to one."""
        elsewhere = app.owner.create_identity_pool(
            IdentityPoolName="other", AllowUnauthenticatedIdentities=False, DeveloperProviderName=PROVIDER
        )["IdentityPoolId"]
        token = app.owner.get_open_id_token_for_developer_identity(
            IdentityPoolId=elsewhere, Logins={PROVIDER: "bob"}
        )["Token"]  # fmt: skip
        assert refusal(app.assume, token=token)[0] == "AccessDenied"
        identity = app.login("bob")["IdentityId"]
        code, _ = refusal(app.public.get_credentials_for_identity, IdentityId=identity, Logins={COGNITO: token})
        assert code == "NotAuthorizedException"

    def test_a_role_must_say_which_pool_it_trusts(self, app: Any) -> None:
        open_ = policy(
            {"Effect": "Allow", "Principal": {"Federated": COGNITO}, "Action": "sts:AssumeRoleWithWebIdentity"}
        )
        app.iam.update_assume_role_policy(RoleName="authenticated", PolicyDocument=open_)
        assert refusal(app.assume, token=app.login("bob")["Token"])[0] == "AccessDenied"

    def test_another_user_s_identity(self, app: Any) -> None:
        victim = app.login("victim")["IdentityId"]
        token = app.login("eve")["Token"]
        for call in (app.public.get_credentials_for_identity, app.public.get_open_id_token):
            code, message = refusal(call, IdentityId=victim, Logins={COGNITO: token})
            assert code == "NotAuthorizedException" and message.startswith("Logins don't match.")
        code, message = refusal(app.public.get_id, IdentityPoolId=app.pool, Logins={COGNITO: token})
        assert (code, message) == (
            "NotAuthorizedException", "Invalid login token. Can't pass in a Cognito token.",
        )  # fmt: skip
        code, _ = refusal(app.login, user="eve", IdentityId=victim)
        assert code == "DeveloperUserAlreadyRegisteredException"


class TestCredentials:
    def test_users_and_guests(self, app: Any) -> None:
        answer = app.login("bob")
        identity = answer["IdentityId"]
        own = app.public.get_credentials_for_identity(IdentityId=identity, Logins={COGNITO: answer["Token"]})
        arn = app.using(own["Credentials"]).client("sts").get_caller_identity()["Arn"]
        assert arn.endswith(":assumed-role/authenticated/CognitoIdentityCredentials")
        guest = app.public.get_id(IdentityPoolId=app.pool)["IdentityId"]
        session = app.using(app.public.get_credentials_for_identity(IdentityId=guest)["Credentials"])
        arn = session.client("sts").get_caller_identity()["Arn"]
        assert arn.endswith(":assumed-role/unauthenticated/CognitoIdentityCredentials")

    def test_guests_are_kept_from_most_services_whatever_their_role_says(self, app: Any) -> None:
        app.iam.attach_role_policy(RoleName="unauthenticated", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        guest = app.public.get_id(IdentityPoolId=app.pool)["IdentityId"]
        session = app.using(app.public.get_credentials_for_identity(IdentityId=guest)["Credentials"])
        assert session.client("dynamodb").list_tables()["TableNames"] == []
        assert session.client("lambda").list_functions()["Functions"] == []
        assert "no session policy allows" in refusal(session.client("iam").list_users)[1]
        assert "no session policy allows" in refusal(session.client("cloudformation").list_stacks)[1]

    def test_a_pool_without_guests(self, account: Any) -> None:
        app = Application(account, AllowUnauthenticatedIdentities=False)
        assert refusal(app.public.get_id, IdentityPoolId=app.pool) == (
            "NotAuthorizedException",
            "Unauthenticated access is not supported for this identity pool.",
        )

    def test_roles_that_do_not_trust_the_pool(self, app: Any) -> None:
        arn = app.iam.create_role(
            RoleName="else",
            AssumeRolePolicyDocument=policy(
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ),
        )["Role"]["Arn"]
        app.owner.set_identity_pool_roles(IdentityPoolId=app.pool, Roles={"unauthenticated": arn})
        guest = app.public.get_id(IdentityPoolId=app.pool)["IdentityId"]
        assert refusal(app.public.get_credentials_for_identity, IdentityId=guest) == (
            "InvalidIdentityPoolConfigurationException",
            "Invalid identity pool configuration. Check assigned IAM roles for this pool.",
        )

    def test_setting_roles_needs_pass_role(self, app: Any, account: Any) -> None:
        app.iam.create_user(UserName="u")
        key = app.iam.create_access_key(UserName="u")["AccessKey"]
        user = type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"])
        only = {"Effect": "Allow", "Action": "cognito-identity:*", "Resource": "*"}
        app.iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy(only))
        call = user.client("cognito-identity").set_identity_pool_roles
        assert "iam:PassRole" in refusal(call, IdentityPoolId=app.pool, Roles=app.roles)[1]

    def test_sub_as_a_policy_variable(self, app: Any) -> None:
        """Each user reaches their own items with no function between: the point of dynamodb:LeadingKeys."""
        dynamodb = app.account.client("dynamodb")
        dynamodb.create_table(
            TableName="notes",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        own = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [f"${{{COGNITO}:sub}}"]}}
        app.allow("authenticated", "dynamodb:PutItem", "dynamodb:GetItem", Condition=own)
        answer = app.login("bob")
        table = app.using(app.assume(answer["Token"])["Credentials"]).client("dynamodb")
        table.put_item(TableName="notes", Item={"id": {"S": answer["IdentityId"]}})
        victim = app.login("victim")["IdentityId"]
        code, _ = refusal(table.get_item, TableName="notes", Key={"id": {"S": victim}})
        assert code == "AccessDeniedException"

    def test_the_basic_flow_is_off_unless_asked_for(self, app: Any, account: Any) -> None:
        guest = app.public.get_id(IdentityPoolId=app.pool)["IdentityId"]
        assert refusal(app.public.get_open_id_token, IdentityId=guest) == (
            "InvalidParameterException",
            "Basic (classic) flow is not enabled, please use enhanced flow.",
        )
        app.owner.update_identity_pool(
            IdentityPoolId=app.pool, IdentityPoolName="app", AllowUnauthenticatedIdentities=True,
            AllowClassicFlow=True, DeveloperProviderName=PROVIDER,
        )  # fmt: skip
        token = app.public.get_open_id_token(IdentityId=guest)["Token"]
        assert claims_of(token)["amr"] == ["unauthenticated"]
        assert app.assume(token, "unauthenticated")["Credentials"]
        assert refusal(app.assume, token=token)[0] == "AccessDenied"


def test_anybody_can_verify_the_tokens(app: Any, cloud: Any) -> None:
    discovery = json.loads(cloud.get("/_pileus/cognito-identity/.well-known/openid-configuration"))
    token = app.login("bob")["Token"]
    with urllib.request.urlopen(discovery["jwks_uri"]) as answer:
        keys = jwt.PyJWKSet.from_dict(json.load(answer))
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key.key, algorithms=["RS256"], audience=app.pool, issuer=discovery["issuer"])
    assert set(key._jwk_data) == {"kid", "alg", "use", "kty", "n", "e"}, "nothing of the private key"


class TestOpenIDLogins:
    @pytest.fixture
    def provider(self) -> Iterator[Any]:
        with running_provider() as running:
            yield running

    @pytest.fixture
    def social(self, account: Any, provider: Any) -> Any:
        arn = account.client("iam").create_open_id_connect_provider(Url=provider.issuer, ClientIDList=["client"])
        app = Application(account, OpenIdConnectProviderARNs=[arn["OpenIDConnectProviderArn"]])
        app.provider_arn = arn["OpenIDConnectProviderArn"]
        return app

    def credentials(self, app: Any, provider: Any, token: Any, **more: Any) -> Any:
        identity = app.public.get_id(IdentityPoolId=app.pool, Logins={provider.name: token})["IdentityId"]
        return app.public.get_credentials_for_identity(
            IdentityId=identity, Logins={provider.name: token}, **more
        )["Credentials"]  # fmt: skip

    def arn(self, app: Any, provider: Any, token: Any, **more: Any) -> Any:
        session = app.using(self.credentials(app, provider, token, **more))
        return session.client("sts").get_caller_identity()["Arn"].split(":")[-1]

    def test_one_subject_is_one_identity(self, social: Any, provider: Any) -> None:
        def get_id(token: Any) -> Any:
            return social.public.get_id(IdentityPoolId=social.pool, Logins={provider.name: token})["IdentityId"]

        alice = get_id(provider.token("alice"))
        assert get_id(provider.token("alice")) == alice != get_id(provider.token("bob"))
        assert social.owner.describe_identity(IdentityId=alice)["Logins"] == [provider.name]
        assert self.arn(social, provider, provider.token()) == "assumed-role/authenticated/CognitoIdentityCredentials"
        own = social.public.get_credentials_for_identity
        code, _ = refusal(own, IdentityId=alice, Logins={provider.name: provider.token("bob")})
        assert code == "ResourceConflictException"
        assert refusal(own, IdentityId=alice)[0] == "NotAuthorizedException"

    def test_tokens_are_checked(self, social: Any, provider: Any) -> None:
        def refused(token: Any, name: Any = provider.name) -> Any:
            return refusal(social.public.get_id, IdentityPoolId=social.pool, Logins={name: token})

        assert refused(provider.token(exp=1_600_000_000))[1].startswith("Invalid login token. Token expired")
        assert refused(provider.token(audience="x"))[1] == "Invalid login token. Incorrect token audience."
        assert refused(provider.token(iss="http://127.0.0.1:1"))[0] == "NotAuthorizedException"
        assert refused("not a token")[0] == "NotAuthorizedException"
        assert refused(provider.token(), "accounts.google.com") == (
            "NotAuthorizedException",
            "Token is not from a supported provider of this identity pool.",
        )
        real = dict(provider.keys)
        provider.keys = {key_id: (algorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048))
                         for key_id, (algorithm, _) in real.items()}  # fmt: skip
        forged = provider.token()
        provider.keys = real
        social.public.get_id(IdentityPoolId=social.pool, Logins={provider.name: provider.token()})
        assert refused(forged)[0] == "NotAuthorizedException"

    def test_roles_by_rules_and_by_token(self, social: Any, provider: Any) -> None:
        for name in ("editors", "admins"):
            social.roles[name] = social.role(name, "authenticated")
        rules = [
            {"Claim": "team", "MatchType": "Equals", "Value": "edit", "RoleARN": social.roles["editors"]},
            {"Claim": "email", "MatchType": "Contains", "Value": "@admin.", "RoleARN": social.roles["admins"]},
        ]
        base = {"authenticated": social.roles["authenticated"]}
        set_roles = social.owner.set_identity_pool_roles
        mapping = {"Type": "Rules", "AmbiguousRoleResolution": "Deny", "RulesConfiguration": {"Rules": rules}}
        set_roles(IdentityPoolId=social.pool, Roles=base, RoleMappings={social.provider_arn: mapping})
        assert self.arn(social, provider, provider.token(team="edit")).startswith("assumed-role/editors/")
        assert self.arn(social, provider, provider.token(email="x@admin.org")).startswith("assumed-role/admins/")
        code, _ = refusal(self.arn, app=social, provider=provider, token=provider.token())
        assert code == "NotAuthorizedException"
        mapping = {"Type": "Token", "AmbiguousRoleResolution": "AuthenticatedRole"}
        set_roles(IdentityPoolId=social.pool, Roles=base, RoleMappings={f"{provider.name}:client": mapping})
        offered = {"cognito:roles": [social.roles["editors"], social.roles["admins"]]}
        preferred = {**offered, "cognito:preferred_role": social.roles["admins"]}
        assert self.arn(social, provider, provider.token(**preferred)).startswith("assumed-role/admins/")
        assert self.arn(social, provider, provider.token(**offered)).startswith("assumed-role/authenticated/")
        custom = self.arn(social, provider, provider.token(**offered), CustomRoleArn=social.roles["editors"])
        assert custom.startswith("assumed-role/editors/")
        other = {
            "app": social,
            "provider": provider,
            "token": provider.token(),
            "CustomRoleArn": social.roles["admins"],
        }
        assert refusal(self.arn, **other)[0] == "NotAuthorizedException"

    def test_claims_become_principal_tags(self, social: Any, provider: Any) -> None:
        social.owner.set_principal_tag_attribute_map(
            IdentityPoolId=social.pool, IdentityProviderName=social.provider_arn, PrincipalTags={"department": "team"}
        )
        equals = {"StringEquals": {"aws:PrincipalTag/department": "edit"}}
        social.allow("authenticated", "dynamodb:ListTables", Condition=equals)
        insider = social.using(self.credentials(social, provider, provider.token(team="edit")))
        assert insider.client("dynamodb").list_tables()["TableNames"] == []
        outsider = social.using(self.credentials(social, provider, provider.token(team="x")))
        assert refusal(outsider.client("dynamodb").list_tables)[0] == "AccessDeniedException"

    def test_whoever_came_by_another_provider_shows_its_token_again(self, social: Any, provider: Any) -> None:
        token = provider.token("alice")
        alice = social.public.get_id(IdentityPoolId=social.pool, Logins={provider.name: token})["IdentityId"]
        login = social.owner.get_open_id_token_for_developer_identity
        named: dict[str, Any] = {"IdentityPoolId": social.pool, "IdentityId": alice}
        code, message = refusal(login, Logins={PROVIDER: "alice"}, **named)
        assert code == "NotAuthorizedException" and message.startswith("Logins don't match.")
        assert login(Logins={PROVIDER: "alice", provider.name: token}, **named)["IdentityId"] == alice
        own = login(Logins={PROVIDER: "alice"}, **named)["Token"]
        code, message = refusal(login, Logins={PROVIDER: "alice", COGNITO: own}, **named)
        assert message == "Invalid login token. Can't pass in a Cognito token."

    def test_logins_are_linked_and_unlinked(self, social: Any, provider: Any) -> None:
        token = provider.token("alice")
        both = social.owner.get_open_id_token_for_developer_identity(
            IdentityPoolId=social.pool, Logins={PROVIDER: "alice", provider.name: token}
        )
        identity = both["IdentityId"]
        get_id = social.public.get_id
        assert get_id(IdentityPoolId=social.pool, Logins={provider.name: token})["IdentityId"] == identity
        assert social.owner.describe_identity(IdentityId=identity)["Logins"] == sorted([PROVIDER, provider.name])
        social.public.unlink_identity(
            IdentityId=identity, Logins={provider.name: token}, LoginsToRemove=[provider.name]
        )  # fmt: skip
        assert get_id(IdentityPoolId=social.pool, Logins={provider.name: token})["IdentityId"] != identity
        stolen = provider.token("mallory")
        code, _ = refusal(
            social.public.unlink_identity,
            IdentityId=identity,
            Logins={provider.name: stolen},
            LoginsToRemove=[PROVIDER],
        )  # fmt: skip
        assert code == "NotAuthorizedException"


def test_pools(account: Any, app: Any, cloud: Any) -> None:
    owner = app.owner
    found = owner.describe_identity_pool(IdentityPoolId=app.pool)
    assert found["DeveloperProviderName"] == PROVIDER and found["AllowUnauthenticatedIdentities"]
    more = [
        owner.create_identity_pool(IdentityPoolName=f"p{number}", AllowUnauthenticatedIdentities=False)[
            "IdentityPoolId"
        ]
        for number in range(2)
    ]
    pages: list[Any] = []
    request: dict[str, Any] = {"MaxResults": 2}
    while not pages or "NextToken" in pages[-1]:
        pages.append(owner.list_identity_pools(**request))
        request["NextToken"] = pages[-1].get("NextToken")
    assert {entry["IdentityPoolId"] for page in pages for entry in page["IdentityPools"]} == {app.pool, *more}
    assert refusal(owner.list_identity_pools, MaxResults=2, NextToken="nonsense")[0] == "InvalidParameterException"
    for _ in range(3):
        app.public.get_id(IdentityPoolId=app.pool)
    identities = owner.list_identities(IdentityPoolId=app.pool, MaxResults=10)["Identities"]
    assert len(identities) == 3 and all(one["Logins"] == [] for one in identities)
    owner.delete_identities(IdentityIdsToDelete=[identities[0]["IdentityId"]])
    assert len(owner.list_identities(IdentityPoolId=app.pool, MaxResults=10)["Identities"]) == 2
    arn = f"arn:aws:cognito-identity:us-east-1:{account.id}:identitypool/{app.pool}"
    owner.tag_resource(ResourceArn=arn, Tags={"a": "b", "c": "d"})
    owner.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert owner.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"c": "d"}
    stranger = cloud.create_account().client("cognito-identity")
    assert refusal(stranger.describe_identity_pool, IdentityPoolId=app.pool)[0] == "ResourceNotFoundException"
    assert refusal(stranger.delete_identity_pool, IdentityPoolId=app.pool)[0] == "ResourceNotFoundException"
    assert refusal(stranger.describe_identity, IdentityId=identities[1]["IdentityId"])[0] == "ResourceNotFoundException"
    owner.delete_identity_pool(IdentityPoolId=app.pool)
    assert refusal(app.public.get_id, IdentityPoolId=app.pool) == (
        "ResourceNotFoundException",
        f"IdentityPool '{app.pool}' not found.",
    )
