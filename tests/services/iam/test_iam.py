from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

NOBODY = "arn:aws:iam::123456789012:role/none"


def policy(*statements: Any) -> Any:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> Any:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.fixture
def iam(account: Any) -> Any:
    return account.client("iam")


def refusal(call: Any, **request: Any) -> Any:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response
    return error["Error"]["Code"], error["Error"]["Message"], error["ResponseMetadata"]["HTTPStatusCode"]


def names(entries: Any, member: Any) -> Any:
    return [entry[member] for entry in entries]


class TestUsers:
    def test_life(self, account: Any, iam: Any) -> None:
        made = iam.create_user(UserName="Bob", Path="/team/", Tags=[{"Key": "a", "Value": "b"}])["User"]
        assert made["Arn"] == f"arn:aws:iam::{account.id}:user/team/Bob" and made["UserId"].startswith("AIDA")
        assert iam.get_user(UserName="bob")["User"]["Tags"] == [{"Key": "a", "Value": "b"}]
        assert refusal(iam.create_user, UserName="BOB") == (
            "EntityAlreadyExists",
            "User with name BOB already exists.",
            409,
        )
        assert names(iam.list_users(PathPrefix="/team/")["Users"], "UserName") == ["Bob"]
        assert iam.list_users(PathPrefix="/other/")["Users"] == []
        iam.update_user(UserName="Bob", NewUserName="Rob", NewPath="/")
        assert iam.get_user(UserName="Rob")["User"]["Arn"].endswith(":user/Rob")
        assert refusal(iam.get_user, UserName="Bob") == (
            "NoSuchEntity",
            "The user with name Bob cannot be found.",
            404,
        )
        iam.delete_user(UserName="Rob")
        assert iam.list_users()["Users"] == []

    def test_who_asks_for_no_one_asks_for_themselves(self, account: Any, iam: Any) -> None:
        assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{account.id}:root"
        iam.create_user(UserName="u")
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy(allow("iam:*", "*")))
        own = iam.create_access_key(UserName="u")["AccessKey"]
        as_user = type(account)(account.endpoint, account.id, own["AccessKeyId"], own["SecretAccessKey"]).client("iam")
        assert as_user.get_user()["User"]["UserName"] == "u"
        assert names(as_user.list_access_keys()["AccessKeyMetadata"], "AccessKeyId") == [own["AccessKeyId"]]

    def test_what_stands_in_the_way_of_deletion(self, iam: Any) -> None:
        iam.create_user(UserName="u")
        iam.create_group(GroupName="g")
        key = iam.create_access_key(UserName="u")["AccessKey"]["AccessKeyId"]
        iam.add_user_to_group(UserName="u", GroupName="g")
        iam.attach_user_policy(UserName="u", PolicyArn=BASIC)
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy(allow("s3:*")))
        steps: list[tuple[str, Any]] = [
            ("access keys", lambda: iam.delete_access_key(UserName="u", AccessKeyId=key)),
            ("remove users from group", lambda: iam.remove_user_from_group(UserName="u", GroupName="g")),
            ("detach all policies", lambda: iam.detach_user_policy(UserName="u", PolicyArn=BASIC)),
            ("delete policies", lambda: iam.delete_user_policy(UserName="u", PolicyName="p")),
        ]
        for words, clear in steps:
            code, message, status = refusal(iam.delete_user, UserName="u")
            assert (code, status) == ("DeleteConflict", 409) and words in message
            clear()
        iam.delete_user(UserName="u")


class TestAccessKeys:
    def test_two_a_user_active_or_not(self, account: Any, iam: Any) -> None:
        iam.create_user(UserName="u")
        first, second = (iam.create_access_key(UserName="u")["AccessKey"] for _ in range(2))
        assert refusal(iam.create_access_key, UserName="u")[:2] == (
            "LimitExceeded",
            "Cannot exceed quota for AccessKeysPerUser: 2",
        )
        user = type(account)(account.endpoint, account.id, first["AccessKeyId"], first["SecretAccessKey"])
        assert user.client("sts").get_caller_identity()["Arn"].endswith(":user/u")
        iam.update_access_key(UserName="u", AccessKeyId=first["AccessKeyId"], Status="Inactive")
        assert refusal(user.client("sts").get_caller_identity)[0] == "InvalidClientTokenId"
        states = {key["AccessKeyId"]: key["Status"] for key in iam.list_access_keys(UserName="u")["AccessKeyMetadata"]}
        assert states == {first["AccessKeyId"]: "Inactive", second["AccessKeyId"]: "Active"}
        iam.update_access_key(UserName="u", AccessKeyId=first["AccessKeyId"], Status="Active")
        assert user.client("sts").get_caller_identity()
        iam.delete_access_key(UserName="u", AccessKeyId=first["AccessKeyId"])
        assert refusal(user.client("sts").get_caller_identity)[0] == "InvalidClientTokenId"

    def test_keys_follow_a_renamed_user(self, account: Any, iam: Any) -> None:
        iam.create_user(UserName="old")
        key = iam.create_access_key(UserName="old")["AccessKey"]
        iam.update_user(UserName="old", NewUserName="new")
        user = type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"])
        assert user.client("sts").get_caller_identity()["Arn"].endswith(":user/new")
        assert names(iam.list_access_keys(UserName="new")["AccessKeyMetadata"], "AccessKeyId") == [key["AccessKeyId"]]
        last = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
        assert last["UserName"] == "new"

    def test_another_accounts_keys_are_unknown(self, cloud: Any, iam: Any) -> None:
        other = cloud.create_account().client("iam")
        other.create_user(UserName="u")
        key = other.create_access_key(UserName="u")["AccessKey"]["AccessKeyId"]
        iam.create_user(UserName="u")
        assert refusal(iam.delete_access_key, UserName="u", AccessKeyId=key)[0] == "NoSuchEntity"
        assert refusal(iam.get_access_key_last_used, AccessKeyId=key)[0] == "NoSuchEntity"


class TestRoles:
    def test_life(self, account: Any, iam: Any) -> None:
        made = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, Path="/service/", Description="d")["Role"]
        assert made["Arn"] == f"arn:aws:iam::{account.id}:role/service/r" and made["RoleId"].startswith("AROA")
        assert made["AssumeRolePolicyDocument"] == json.loads(TRUST)
        iam.update_role(RoleName="r", Description="e", MaxSessionDuration=7200)
        found = iam.get_role(RoleName="r")["Role"]
        assert (found["Description"], found["MaxSessionDuration"]) == ("e", 7200)
        other = policy({"Effect": "Allow", "Principal": {"AWS": account.id}, "Action": "sts:AssumeRole"})
        iam.update_assume_role_policy(RoleName="r", PolicyDocument=other)
        assert iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"] == json.loads(other)
        iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy(allow("s3:*")))
        assert iam.get_role_policy(RoleName="r", PolicyName="p")["PolicyDocument"]["Statement"] == [allow("s3:*")]
        assert iam.list_role_policies(RoleName="r")["PolicyNames"] == ["p"]
        assert refusal(iam.delete_role, RoleName="r")[0] == "DeleteConflict"
        iam.delete_role_policy(RoleName="r", PolicyName="p")
        assert refusal(iam.delete_role_policy, RoleName="r", PolicyName="p")[:2] == (
            "NoSuchEntity",
            "The role policy with name p cannot be found.",
        )
        iam.delete_role(RoleName="r")
        assert refusal(iam.get_role, RoleName="r")[:2] == ("NoSuchEntity", "The role with name r cannot be found.")

    @pytest.mark.parametrize(
        ("document", "message"),
        [
            ("{", "This policy contains invalid Json"),
            (policy(allow("sts:AssumeRole")), "Has prohibited field Resource"),
            (
                policy({"Effect": "Allow", "Principal": {"AWS": NOBODY}, "Action": "sts:AssumeRole"}),
                f'Invalid principal in policy: "AWS":"{NOBODY}"',
            ),
            (
                policy({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}),
                "AssumeRole policy may only specify STS AssumeRole actions.",
            ),
        ],
    )  # fmt: skip
    def test_malformed_trust_policies(self, iam: Any, document: Any, message: Any) -> None:
        assert refusal(iam.create_role, RoleName="r", AssumeRolePolicyDocument=document) == (
            "MalformedPolicyDocument",
            message,
            400,
        )

    def test_inline_policies_have_a_size_together(self, iam: Any) -> None:
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        big = policy(allow("s3:*", [f"arn:aws:s3:::bucket-{number}-{'x' * 40}" for number in range(90)]))
        iam.put_role_policy(RoleName="r", PolicyName="a", PolicyDocument=big)
        iam.put_role_policy(RoleName="r", PolicyName="a", PolicyDocument=big + " " * 20_000)
        assert refusal(iam.put_role_policy, RoleName="r", PolicyName="b", PolicyDocument=big)[:2] == (
            "LimitExceeded",
            "Maximum policy size of 10240 bytes exceeded for role r",
        )


class TestManagedPolicies:
    def test_versions(self, account: Any, iam: Any) -> None:
        made = iam.create_policy(PolicyName="p", PolicyDocument=policy(allow("s3:Get*")), Description="d")["Policy"]
        arn = made["Arn"]
        assert arn == f"arn:aws:iam::{account.id}:policy/p" and made["DefaultVersionId"] == "v1"
        for number in range(2, 6):
            text = policy(allow(f"s3:Get{number}"))
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=number == 2)
        assert (
            refusal(iam.create_policy_version, PolicyArn=arn, PolicyDocument=policy(allow("s3:*")))[0]
            == "LimitExceeded"
        )
        listed = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        assert [(one["VersionId"], one["IsDefaultVersion"]) for one in listed] == [
            ("v5", False), ("v4", False), ("v3", False), ("v2", True), ("v1", False),
        ]  # fmt: skip
        assert refusal(iam.delete_policy_version, PolicyArn=arn, VersionId="v2")[0] == "DeleteConflict"
        iam.set_default_policy_version(PolicyArn=arn, VersionId="v5")
        version = iam.get_policy_version(PolicyArn=arn, VersionId="v5")["PolicyVersion"]
        assert version["Document"]["Statement"] == [allow("s3:Get5")] and version["IsDefaultVersion"]
        assert refusal(iam.delete_policy, PolicyArn=arn)[0] == "DeleteConflict"
        for number in range(1, 5):
            iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{number}")
        iam.delete_policy(PolicyArn=arn)
        assert refusal(iam.get_policy, PolicyArn=arn)[:2] == ("NoSuchEntity", f"Policy {arn} was not found.")

    def test_attachments(self, account: Any, iam: Any) -> None:
        arn = iam.create_policy(PolicyName="p", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
        iam.create_user(UserName="u", PermissionsBoundary=arn)
        iam.create_group(GroupName="g")
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        iam.attach_user_policy(UserName="u", PolicyArn=arn)
        iam.attach_group_policy(GroupName="g", PolicyArn=arn)
        for _ in range(2):
            iam.attach_role_policy(RoleName="r", PolicyArn=arn)
        assert iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"] == [
            {"PolicyName": "p", "PolicyArn": arn}
        ]
        found = iam.get_policy(PolicyArn=arn)["Policy"]
        assert (found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]) == (3, 1)
        entities = iam.list_entities_for_policy(PolicyArn=arn)
        assert [names(entities[f"Policy{kind}s"], f"{kind}Name") for kind in ("User", "Group", "Role")] == [
            ["u"], ["g"], ["r"],
        ]  # fmt: skip
        only = iam.list_entities_for_policy(PolicyArn=arn, EntityFilter="Role")
        assert only["PolicyUsers"] == [] and names(only["PolicyRoles"], "RoleName") == ["r"]
        assert refusal(iam.delete_policy, PolicyArn=arn)[1] == "Cannot delete a policy attached to entities."
        iam.detach_role_policy(RoleName="r", PolicyArn=arn)
        assert refusal(iam.detach_role_policy, RoleName="r", PolicyArn=arn)[1] == f"Policy {arn} was not found."
        nothing = f"arn:aws:iam::{account.id}:policy/none"
        assert refusal(iam.attach_role_policy, RoleName="r", PolicyArn=nothing)[1] == (
            f"Policy {nothing} does not exist or is not attachable."
        )

    def test_policies_of_aws(self, iam: Any) -> None:
        assert iam.get_policy(PolicyArn=BASIC)["Policy"]["Path"] == "/service-role/"
        document = iam.get_policy_version(PolicyArn=BASIC, VersionId="v1")["PolicyVersion"]["Document"]
        assert set(document["Statement"][0]["Action"]) == {
            "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
        }  # fmt: skip
        listed = names(iam.list_policies(Scope="AWS", MaxItems=1000)["Policies"], "PolicyName")
        wanted = ["AdministratorAccess", "AmazonDynamoDBFullAccess", "AmazonS3ReadOnlyAccess", "AWSLambda_FullAccess",
                  "AWSLambdaDynamoDBExecutionRole", "AWSLambdaRole", "PowerUserAccess", "ReadOnlyAccess",
                  "AmazonCognitoPowerUser", "CloudWatchLogsFullAccess", "IAMFullAccess"]  # fmt: skip
        assert set(wanted) <= set(listed)
        assert iam.list_policies(Scope="Local")["Policies"] == []
        assert (
            refusal(iam.create_policy_version, PolicyArn=BASIC, PolicyDocument=policy(allow("*")))[0] == "NoSuchEntity"
        )
        assert refusal(iam.delete_policy, PolicyArn=BASIC)[0] == "NoSuchEntity"

    def test_sizes_and_malformed_documents(self, iam: Any) -> None:
        big = policy(allow("s3:*", [f"arn:aws:s3:::{number}-{'x' * 60}" for number in range(90)]))
        assert refusal(iam.create_policy, PolicyName="p", PolicyDocument=big)[:2] == (
            "LimitExceeded",
            "Cannot exceed quota for PolicySize: 6144",
        )
        assert refusal(iam.create_policy, PolicyName="p", PolicyDocument="[]") == (
            "MalformedPolicyDocument",
            "Syntax errors in policy.",
            400,
        )


def test_groups(account: Any, iam: Any) -> None:
    made = iam.create_group(GroupName="g", Path="/p/")["Group"]
    assert made["Arn"] == f"arn:aws:iam::{account.id}:group/p/g"
    iam.create_user(UserName="u")
    iam.add_user_to_group(UserName="u", GroupName="g")
    iam.update_group(GroupName="g", NewGroupName="h")
    assert names(iam.get_group(GroupName="h")["Users"], "UserName") == ["u"]
    assert names(iam.list_groups_for_user(UserName="u")["Groups"], "GroupName") == ["h"]
    iam.put_group_policy(GroupName="h", PolicyName="p", PolicyDocument=policy(allow("iam:ListGroups")))
    assert iam.list_group_policies(GroupName="h")["PolicyNames"] == ["p"]
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"]).client("iam")
    assert names(user.list_groups()["Groups"], "GroupName") == ["h"]
    iam.remove_user_from_group(UserName="u", GroupName="h")
    assert refusal(user.list_groups)[0] == "AccessDenied"
    assert refusal(iam.delete_group, GroupName="h")[0] == "DeleteConflict"
    iam.delete_group_policy(GroupName="h", PolicyName="p")
    iam.delete_group(GroupName="h")
    assert iam.list_groups()["Groups"] == []


def test_paging_everywhere(iam: Any) -> None:
    for number in range(5):
        iam.create_user(UserName=f"u{number}")
        iam.create_role(RoleName=f"r{number}", AssumeRolePolicyDocument=TRUST)
        iam.put_role_policy(RoleName="r0", PolicyName=f"p{number}", PolicyDocument=policy(allow("s3:*")))
    for operation, member, more in (
        ("list_users", "Users", {}),
        ("list_roles", "Roles", {}),
        ("list_role_policies", "PolicyNames", {"RoleName": "r0"}),
    ):
        pages = [
            page[member] for page in iam.get_paginator(operation).paginate(PaginationConfig={"PageSize": 2}, **more)
        ]
        assert [len(page) for page in pages] == [2, 2, 1]
        found = [entry if isinstance(entry, str) else entry["Arn"] for page in pages for entry in page]
        assert found == sorted(set(found))
    assert refusal(iam.list_users, Marker="nonsense")[:2] == ("ValidationError", "Invalid Marker.")
    details = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 3})
    pages = list(details)
    assert sum(len(page["UserDetailList"]) for page in pages) == sum(len(page["RoleDetailList"]) for page in pages) == 5


def test_boundaries_limit_and_can_be_lifted(account: Any, iam: Any) -> None:
    only = iam.create_policy(PolicyName="only", PolicyDocument=policy(allow("iam:ListUsers")))["Policy"]["Arn"]
    iam.create_user(UserName="u", PermissionsBoundary=only)
    iam.attach_user_policy(UserName="u", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"]).client("iam")
    assert user.list_users()["Users"]
    assert "no permissions boundary allows the iam:ListRoles action" in refusal(user.list_roles)[1]
    iam.delete_user_permissions_boundary(UserName="u")
    assert user.list_roles()["Roles"] == []
    iam.put_user_permissions_boundary(UserName="u", PermissionsBoundary=only)
    assert refusal(user.list_roles)[0] == "AccessDenied"
    assert (
        refusal(iam.put_user_permissions_boundary, UserName="u", PermissionsBoundary=f"{only}-none")[0]
        == "NoSuchEntity"
    )


def test_tags_ignore_case(iam: Any) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "Team", "Value": "a"}])
    iam.tag_role(RoleName="r", Tags=[{"Key": "TEAM", "Value": "b"}, {"Key": "x", "Value": "y"}])
    assert iam.list_role_tags(RoleName="r")["Tags"] == [{"Key": "TEAM", "Value": "b"}, {"Key": "x", "Value": "y"}]
    iam.untag_role(RoleName="r", TagKeys=["team"])
    assert iam.list_role_tags(RoleName="r")["Tags"] == [{"Key": "x", "Value": "y"}]
    twice = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
    assert refusal(iam.tag_role, RoleName="r", Tags=twice)[0] == "InvalidInput"
    assert refusal(iam.tag_role, RoleName="r", Tags=[{"Key": "aws:x", "Value": "1"}])[0] == "InvalidInput"


def test_openid_providers(account: Any, iam: Any) -> None:
    arn = iam.create_open_id_connect_provider(
        Url="https://id.example.com/path", ClientIDList=["a"], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{account.id}:oidc-provider/id.example.com/path"
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="b")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="a")
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (found["Url"], found["ClientIDList"]) == ("id.example.com/path", ["b"])
    assert names(iam.list_open_id_connect_providers()["OpenIDConnectProviderList"], "Arn") == [arn]
    again = {"Url": "https://id.example.com/path"}
    assert refusal(iam.create_open_id_connect_provider, **again)[0] == "EntityAlreadyExists"
    for url in ("http://id.example.com", "ftp://id.example.com", "https://", "http://169.254.169.254/x"):
        assert refusal(iam.create_open_id_connect_provider, Url=url)[0] == "ValidationError"
    for _ in range(2):
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert refusal(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn)[0] == "NoSuchEntity"


def test_account_alias_and_summary(iam: Any) -> None:
    alias = "alias-of-an-account"
    iam.create_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases()["AccountAliases"] == [alias]
    iam.delete_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_user(UserName="u")
    assert iam.get_account_summary()["SummaryMap"]["Users"] == 1


def test_simulation_asks_the_same_engine(account: Any, iam: Any) -> None:
    document = policy(
        allow("s3:GetObject", "arn:aws:s3:::b/*"),
        {**allow("s3:DeleteObject"), "Effect": "Deny"},
        allow("s3:PutObject", "*", Condition={"StringEquals": {"s3:x-amz-acl": "private"}}),
    )
    asked = {
        "PolicyInputList": [document],
        "ActionNames": ["s3:GetObject", "s3:DeleteObject", "s3:PutObject"],
        "ResourceArns": ["arn:aws:s3:::b/k"],
    }

    def decisions(answer: Any) -> Any:
        return [one["EvalDecision"] for one in answer["EvaluationResults"]]

    answer = iam.simulate_custom_policy(**asked)
    assert decisions(answer) == ["allowed", "explicitDeny", "implicitDeny"]
    assert answer["EvaluationResults"][2]["MissingContextValues"] == ["s3:x-amz-acl"]
    entry = {"ContextKeyName": "s3:x-amz-acl", "ContextKeyValues": ["private"], "ContextKeyType": "string"}
    assert decisions(iam.simulate_custom_policy(**asked, ContextEntries=[entry]))[2] == "allowed"
    limits = [policy(allow("s3:Put*"))]
    limited = iam.simulate_custom_policy(**asked, PermissionsBoundaryPolicyInputList=limits)
    assert decisions(limited) == ["implicitDeny", "explicitDeny", "implicitDeny"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document)
    arn = f"arn:aws:iam::{account.id}:role/r"
    rest = {name: asked[name] for name in ("ActionNames", "ResourceArns")}
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, **rest)
    assert decisions(answer) == ["allowed", "explicitDeny", "implicitDeny"]
    assert answer["EvaluationResults"][0]["MatchedStatements"][0]["SourcePolicyId"] == "p"
    keys = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"]
    assert keys == ["s3:x-amz-acl"]
    assert refusal(iam.simulate_principal_policy, PolicySourceArn=f"{arn}x", **rest)[0] == "NoSuchEntity"


def test_accounts_do_not_see_each_other(cloud: Any, iam: Any) -> None:
    other = cloud.create_account().client("iam")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=policy(allow("*")))["Policy"]["Arn"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    assert refusal(other.get_role, RoleName="r")[0] == "NoSuchEntity"
    assert refusal(other.get_policy, PolicyArn=arn)[0] in ("NoSuchEntity", "AccessDenied")
    other.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    assert refusal(other.attach_role_policy, RoleName="r", PolicyArn=arn)[0] == "NoSuchEntity"


def test_what_there_is_none_of(iam: Any) -> None:
    iam.create_user(UserName="u")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
    assert iam.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"] == []
    assert refusal(iam.list_instance_profiles_for_role, RoleName="x")[0] == "NoSuchEntity"
    assert iam.list_mfa_devices(UserName="u")["MFADevices"] == []
    assert iam.list_saml_providers()["SAMLProviderList"] == []
    assert refusal(iam.get_login_profile, UserName="u")[1] == "Login Profile for User u cannot be found."
    assert refusal(iam.get_account_password_policy)[0] == "NoSuchEntity"


def test_reports(account: Any, iam: Any) -> None:
    assert refusal(iam.get_credential_report)[0] == "ReportNotPresent"
    iam.create_user(UserName="u")
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=policy(allow("dynamodb:List*"), allow("s3:*")))
    iam.attach_user_policy(UserName="u", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"])
    user.client("dynamodb").list_tables()
    arn = f"arn:aws:iam::{account.id}:user/u"
    job = iam.generate_service_last_accessed_details(Arn=arn)["JobId"]
    found = iam.get_service_last_accessed_details(JobId=job)
    assert (found["JobStatus"], names(found["ServicesLastAccessed"], "ServiceNamespace")) == ("COMPLETED", ["dynamodb"])
    granting = iam.list_policies_granting_service_access(Arn=arn, ServiceNamespaces=["s3", "sqs"])
    assert [names(one["Policies"], "PolicyName") for one in granting["PoliciesGrantingServiceAccess"]] == [
        ["p", "AmazonS3ReadOnlyAccess"],
        [],
    ]
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    header, *rows = iam.get_credential_report()["Content"].decode().splitlines()
    assert header.startswith("user,arn,user_creation_time") and [row.split(",")[0] for row in rows] == [
        "<root_account>",
        "u",
    ]
    assert rows[1].split(",")[8] == "true" and rows[1].endswith("false,N/A,false,N/A")
    assert (
        iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]["ServiceName"] == "dynamodb"
    )
