"""Who may invoke: identity policies, the function's own policy, other accounts."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def user(account: Any, name: str, *statements: dict[str, Any]) -> Any:
    """An account's user with a policy of its own."""
    iam = account.client("iam")
    iam.create_user(UserName=name)
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"])


def allowed(client: Any, **arguments: Any) -> bool:
    try:
        client.invoke(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException"
        return False
    return True


def test_a_qualified_function_is_another_resource(functions: Any) -> None:
    functions.create("named")
    functions.client.publish_version(FunctionName="named")
    functions.client.create_alias(FunctionName="named", Name="live", FunctionVersion="1")
    arn = f"arn:aws:lambda:us-east-1:{functions.account.id}:function:named"
    client = user(
        functions.account, "u", {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": f"{arn}:live"}
    ).client("lambda")
    assert allowed(client, FunctionName="named", Qualifier="live")
    assert not allowed(client, FunctionName="named")
    assert not allowed(client, FunctionName="named", Qualifier="1")
    assert not allowed(client, FunctionName="named", InvocationType="Event")
    assert not allowed(client, FunctionName="named", InvocationType="DryRun")


def test_another_account_needs_both_sides(cloud: Any, functions: Any) -> None:
    functions.create("shared")
    other = cloud.create_account()
    arn = f"arn:aws:lambda:us-east-1:{functions.account.id}:function:shared"
    caller = user(other, "caller", {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn})
    idle = user(other, "idle")
    assert not allowed(caller.client("lambda"), FunctionName=arn)
    added = functions.client.add_permission(
        FunctionName="shared", StatementId="other", Action="lambda:InvokeFunction", Principal=other.id
    )
    assert json.loads(added["Statement"]) == {
        "Sid": "other",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{other.id}:root"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn,
    }
    assert allowed(caller.client("lambda"), FunctionName=arn)
    assert not allowed(idle.client("lambda"), FunctionName=arn)
    functions.client.remove_permission(FunctionName="shared", StatementId="other")
    assert not allowed(caller.client("lambda"), FunctionName=arn)


def test_only_who_exists_can_be_named(functions: Any) -> None:
    functions.create("guarded")
    arn = f"arn:aws:lambda:us-east-1:{functions.account.id}:function:guarded"
    absent = f"arn:aws:iam::{functions.account.id}:role/absent"
    add = {"FunctionName": "guarded", "StatementId": "one", "Action": "lambda:InvokeFunction"}
    statement = {"Effect": "Allow", "Principal": {"AWS": [absent]}, "Action": "lambda:*", "Resource": arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    calls: tuple[Callable[[], Any], ...] = (
        lambda: functions.client.add_permission(**add, Principal=absent),
        lambda: functions.client.add_permission(**add, Principal="999999999999"),
        lambda: functions.client.add_permission(**add, Principal="arn:aws:iam::999999999999:root"),
        lambda: functions.client.put_resource_policy(ResourceArn=arn, Policy=document),
    )
    for call in calls:
        with pytest.raises(ClientError) as error:
            call()
        assert error.value.response["Error"] == {
            "Code": "InvalidParameterValueException",
            "Message": "The provided principal was invalid. Please check the principal and try again.",
        }
    functions.role("absent")
    functions.client.add_permission(**add, Principal=absent)
    functions.client.put_resource_policy(ResourceArn=arn, Policy=document)


def test_policies_are_kept_as_on_aws(functions: Any) -> None:
    functions.create("guarded")
    arn = f"arn:aws:lambda:us-east-1:{functions.account.id}:function:guarded"
    functions.client.add_permission(
        FunctionName="guarded",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::bucket",
        SourceAccount=functions.account.id,
    )
    answer = functions.client.get_policy(FunctionName="guarded")
    assert json.loads(answer["Policy"]) == {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [
            {
                "Sid": "s3",
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "lambda:InvokeFunction",
                "Resource": arn,
                "Condition": {
                    "StringEquals": {"AWS:SourceAccount": functions.account.id},
                    "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
                },
            }
        ],
    }
    again = {"FunctionName": "guarded", "StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "*"}
    refused: list[tuple[Any, dict[str, Any], str, str]] = [
        (
            functions.client.add_permission, again, "ResourceConflictException",
            "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing"
            " statement.",
        ),
        (
            functions.client.add_permission, {**again, "StatementId": "x", "Principal": "what.ever"},
            "InvalidParameterValueException",
            "The provided principal was invalid. Please check the principal and try again.",
        ),
        (
            functions.client.add_permission, {**again, "StatementId": "x", "Qualifier": "$LATEST"},
            "InvalidParameterValueException", "We currently do not support adding policies for $LATEST.",
        ),
        (
            functions.client.add_permission, {**again, "StatementId": "x", "Qualifier": "none"},
            "ResourceNotFoundException", f"Cannot find alias arn: {arn}:none",
        ),
        (
            functions.client.add_permission, {**again, "StatementId": "x", "Qualifier": "42"},
            "ResourceNotFoundException", f"Function not found: {arn}:42",
        ),
        (
            functions.client.add_permission, {**again, "StatementId": "x", "RevisionId": "wrong"},
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the"
            " latest Revision Id",
        ),
        (
            functions.client.remove_permission, {"FunctionName": "guarded", "StatementId": "none"},
            "ResourceNotFoundException", "Statement none is not found in resource policy.",
        ),
    ]  # fmt: skip
    for operation, arguments, code, message in refused:
        with pytest.raises(ClientError) as error:
            operation(**arguments)
        assert error.value.response["Error"] == {"Code": code, "Message": message}
    functions.client.remove_permission(FunctionName="guarded", StatementId="s3", RevisionId=answer["RevisionId"])
    with pytest.raises(functions.client.exceptions.ResourceNotFoundException):
        functions.client.get_policy(FunctionName="guarded")


def test_a_policy_and_what_it_is_on_have_their_revisions_together(functions: Any) -> None:
    created = functions.create("guarded", Publish=True)
    statement = {"FunctionName": "guarded", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
    revision = functions.client.get_function_configuration(FunctionName="guarded")["RevisionId"]
    functions.client.add_permission(**statement, StatementId="s1", RevisionId=revision)
    policy = functions.client.get_policy(FunctionName="guarded")["RevisionId"]
    assert policy == functions.client.get_function_configuration(FunctionName="guarded")["RevisionId"] != revision
    alias = functions.client.create_alias(FunctionName="guarded", Name="live", FunctionVersion=created["Version"])
    on_alias = {**statement, "Qualifier": "live", "StatementId": "s1"}
    with pytest.raises(functions.client.exceptions.PreconditionFailedException):
        functions.client.add_permission(**on_alias, RevisionId=policy)
    functions.client.add_permission(**on_alias, RevisionId=alias["RevisionId"])
    moved = functions.client.get_policy(FunctionName="guarded", Qualifier="live")["RevisionId"]
    assert moved == functions.client.get_alias(FunctionName="guarded", Name="live")["RevisionId"] != alias["RevisionId"]
    functions.client.remove_permission(FunctionName="guarded", Qualifier="live", StatementId="s1", RevisionId=moved)
    assert functions.client.get_alias(FunctionName="guarded", Name="live")["RevisionId"] != moved


def test_listing_and_reading_are_authorised(functions: Any) -> None:
    functions.create("private")
    client = user(functions.account, "nobody").client("lambda")
    for operation, arguments in (
        ("list_functions", {}),
        ("get_function", {"FunctionName": "private"}),
        ("get_policy", {"FunctionName": "private"}),
        ("delete_function", {"FunctionName": "private"}),
        ("get_account_settings", {}),
        ("list_event_source_mappings", {}),
    ):
        with pytest.raises(ClientError) as error:
            getattr(client, operation)(**arguments)
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_policy_may_be_put_whole(cloud: Any, functions: Any) -> None:
    functions.create("whole")
    other = cloud.create_account()
    arn = f"arn:aws:lambda:us-east-1:{functions.account.id}:function:whole"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "in", "Effect": "Allow", "Principal": {"AWS": other.id}, "Action": "lambda:InvokeFunction",
             "Resource": arn},
            {"Sid": "out", "Effect": "Deny", "Principal": "*", "Action": "lambda:InvokeFunction", "Resource": arn,
             "Condition": {"StringEquals": {"aws:PrincipalAccount": functions.account.id}}},
        ],
    }  # fmt: skip
    put = functions.client.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy))
    assert allowed(other.client("lambda"), FunctionName=arn)
    assert not allowed(functions.client, FunctionName=arn)
    got = functions.client.get_resource_policy(ResourceArn=arn)
    assert json.loads(got["Policy"])["Statement"] == policy["Statement"]
    assert got["RevisionId"] == put["RevisionId"]
    for text in ("{", "[]", '{"Statement": []}', '{"Version": "2012-10-17", "Statement": [{"Effect": "Maybe"}]}'):
        with pytest.raises(functions.client.exceptions.InvalidParameterValueException):
            functions.client.put_resource_policy(ResourceArn=arn, Policy=text)
    functions.client.delete_resource_policy(ResourceArn=arn, RevisionId=put["RevisionId"])
    assert allowed(functions.client, FunctionName=arn)
    assert not allowed(other.client("lambda"), FunctionName=arn)
