"""Stacks as boto3 sees them on a running cloud."""

from __future__ import annotations

import json
from typing import Any

import boto3

from conftest import Account, Cloud
from stacks import events, group, made, refused, template, wait

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def test_a_stack_lives(account: Account) -> None:
    client = account.client("cloudformation")
    body = template(
        {"Group": group(RetentionInDays="7")},
        Description="One group",
        Outputs={"Name": {"Value": {"Ref": "Group"}, "Description": "d"}},
    )
    stack = made(client, "one", body, Tags=[{"Key": "team", "Value": "blue"}], ClientRequestToken="tok")
    assert (stack["StackStatus"], stack["Description"], stack["Tags"]) == (
        "CREATE_COMPLETE", "One group", [{"Key": "team", "Value": "blue"}],
    )  # fmt: skip
    name = stack["Outputs"][0]["OutputValue"]
    assert stack["Outputs"] == [{"OutputKey": "Name", "OutputValue": name, "Description": "d"}]
    logs = account.client("logs")
    (found,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert found["retentionInDays"] == 7
    assert logs.list_tags_for_resource(resourceArn=found["logGroupArn"])["tags"]["team"] == "blue"
    assert [(event["LogicalResourceId"], event["ResourceStatus"]) for event in events(client, "one")] == [
        ("one", "CREATE_IN_PROGRESS"), ("Group", "CREATE_IN_PROGRESS"), ("Group", "CREATE_IN_PROGRESS"),
        ("Group", "CREATE_COMPLETE"), ("one", "CREATE_COMPLETE"),
    ]  # fmt: skip
    assert {event["ClientRequestToken"] for event in events(client, "one")} == {"tok"}
    (summary,) = client.list_stack_resources(StackName="one")["StackResourceSummaries"]
    assert (summary["PhysicalResourceId"], summary["ResourceStatus"]) == (name, "CREATE_COMPLETE")
    assert client.describe_stack_resources(PhysicalResourceId=name)["StackResources"][0]["StackName"] == "one"

    assert refused(client.update_stack, StackName="one", TemplateBody=body) == (
        "ValidationError", "No updates are to be performed.",
    )  # fmt: skip
    client.update_stack(StackName="one", TemplateBody=body.replace('"7"', '"14"'))
    assert wait(client, "one")["StackStatus"] == "UPDATE_COMPLETE"
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["retentionInDays"] == 14

    assert "can not continue to roll back" in refused(client.continue_update_rollback, StackName="one")[1]
    client.delete_stack(StackName="one")
    assert wait(client, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []
    assert refused(client.describe_stacks, StackName="one") == ("ValidationError", "Stack with id one does not exist")
    for call, said in (
        (client.get_template, "Stack with id one does not exist"),
        (client.describe_stack_events, "Stack [one] does not exist"),
        (client.list_change_sets, "Stack [one] does not exist"),
    ):
        assert refused(call, StackName="one") == ("ValidationError", said)
    assert refused(client.describe_stack_resource, StackName="one", LogicalResourceId="A") == (
        "ValidationError", "Stack 'one' does not exist",
    )  # fmt: skip
    client.delete_stack(StackName="one")


def test_the_next_operation_may_follow_at_once(account: Account) -> None:
    """Whoever sees that an operation has ended may begin another in the same moment."""
    client = account.client("cloudformation")
    client.create_stack(StackName="one", TemplateBody=template({"A": group()}))
    for days in (1, 3, 5, 7, 14, 30):
        while client.describe_stacks(StackName="one")["Stacks"][0]["StackStatus"].endswith("_IN_PROGRESS"):
            pass
        client.update_stack(StackName="one", TemplateBody=template({"A": group(RetentionInDays=days)}))
    assert wait(client, "one")["StackStatus"] == "UPDATE_COMPLETE"
    assert account.client("logs").describe_log_groups()["logGroups"][0]["retentionInDays"] == 30


def test_what_is_asked_wrongly(account: Account) -> None:
    client = account.client("cloudformation")
    body = template({"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _TRUST}}})
    create = client.create_stack
    assert refused(create, StackName="a", TemplateBody=body) == (
        "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]",
    )  # fmt: skip
    named = body.replace('"AssumeRole', '"RoleName": "own-name", "AssumeRole', 1)
    assert refused(create, StackName="a", TemplateBody=named, Capabilities=["CAPABILITY_IAM"]) == (
        "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]",
    )  # fmt: skip
    code, said = refused(create, StackName="a", TemplateBody="Resources:\n  A:\n    Type: AWS::Foo::Bar\n")
    assert (code, said) == (
        "ValidationError",
        "Template format error: Unrecognized resource types: [AWS::Foo::Bar] (/Resources/A/Type, line 3)",
    )
    assert refused(create, StackName="a", TemplateBody="{")[0] == "ValidationError"
    assert refused(create, StackName="a", TemplateBody=template({"A": group(Oops=1)}))[1].startswith(
        "Encountered unsupported property Oops of AWS::Logs::LogGroup"
    )
    assert refused(create, StackName="a") == (
        "ValidationError", "Either Template URL or Template Body must be specified.",
    )  # fmt: skip
    assert "51200" in refused(create, StackName="a", TemplateBody=" " * 51_201)[1]
    for name, said in (("a/b", "[a-zA-Z][-a-zA-Z0-9]*"), ("1a", "[a-zA-Z][-a-zA-Z0-9]*"), ("a" * 129, "128")):
        assert refused(create, StackName=name, TemplateBody=template({"A": group()}))[1].endswith(said)
    code, said = refused(
        create, StackName="a", TemplateBody=template({"A": group()}), NotificationARNs=["arn:aws:sns:::x"]
    )
    assert code == "NotImplemented" and "NotificationARNs" in said
    assert refused(client.update_stack, StackName="a", TemplateBody=body)[1] == "Stack [a] does not exist"
    assert client.describe_stacks()["Stacks"] == []


def test_a_name_is_taken_once(account: Account) -> None:
    client = account.client("cloudformation")
    made(client, "one", template({"A": group()}))
    assert refused(client.create_stack, StackName="one", TemplateBody=template({"A": group()})) == (
        "AlreadyExistsException", "Stack [one] already exists",
    )  # fmt: skip


def test_a_failure_rolls_back_and_says_why(account: Account) -> None:
    client = account.client("cloudformation")
    taken = account.client("logs")
    taken.create_log_group(logGroupName="taken")
    body = template({"Good": group(), "Bad": {**group(LogGroupName="taken"), "DependsOn": "Good"}})
    stack = made(client, "bad", body)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    told = {
        (e["LogicalResourceId"], e["ResourceStatus"]): e.get("ResourceStatusReason", "") for e in events(client, "bad")
    }
    assert "already exists" in told["Bad", "CREATE_FAILED"]
    assert "[Bad]" in told["bad", "ROLLBACK_IN_PROGRESS"]
    assert ("Good", "DELETE_COMPLETE") in told
    assert [found["logGroupName"] for found in taken.describe_log_groups()["logGroups"]] == ["taken"]
    assert "ROLLBACK_COMPLETE state and can not be updated" in refused(
        client.update_stack, StackName="bad", TemplateBody=template({"A": group()})
    )[1]  # fmt: skip
    assert made(client, "kept", body, OnFailure="DO_NOTHING")["StackStatus"] == "CREATE_FAILED"
    assert len(taken.describe_log_groups()["logGroups"]) == 2


def test_a_bucket_that_is_there_is_nobody_elses_to_take(account: Account) -> None:
    """CreateBucket of an own bucket succeeds in us-east-1; the rollback of who called it must not delete the bucket."""
    client, s3 = account.client("cloudformation"), account.client("s3")
    name = f"site-{account.id}"
    body = template({"Site": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}})
    assert made(client, "first", body)["StackStatus"] == "CREATE_COMPLETE"
    assert made(client, "second", body)["StackStatus"] == "ROLLBACK_COMPLETE"
    told = [event.get("ResourceStatusReason", "") for event in events(client, "second")]
    assert f"{name} already exists" in told
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [name]


def test_everything_is_done_as_the_caller(account: Account) -> None:
    """A stack can be no way around IAM: its resources are refused where its maker would be."""
    iam = account.client("iam")
    iam.create_user(UserName="deployer")
    allowed = {"Effect": "Allow", "Action": ["cloudformation:*", "logs:*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="deployer", PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    deployer = Account(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"])
    client = deployer.client("cloudformation")
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _TRUST}}
    body = template({"Group": group(), "Role": role})
    assert made(client, "one", body, Capabilities=["CAPABILITY_IAM"])["StackStatus"] == "ROLLBACK_COMPLETE"
    failed = [event for event in events(client, "one") if event["ResourceStatus"] == "CREATE_FAILED"]
    assert "iam:CreateRole" in failed[0]["ResourceStatusReason"]
    assert iam.list_roles()["Roles"] == []

    # Nor is a role: it takes the right to pass it.
    code, said = refused(
        client.create_stack, StackName="two", TemplateBody=body, RoleARN=f"arn:aws:iam::{account.id}:role/x"
    )
    assert code == "AccessDenied" and "iam:PassRole" in said
    assert refused(account.client("cloudformation").describe_stacks, StackName="two")[0] == "ValidationError"


def test_a_role_does_what_its_stack_needs(account: Account) -> None:
    iam = account.client("iam")
    trust = json.dumps(_TRUST).replace("lambda.", "cloudformation.")
    role = iam.create_role(RoleName="provisioner", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    policy = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
    )
    iam.put_role_policy(RoleName="provisioner", PolicyName="p", PolicyDocument=policy)
    client = account.client("cloudformation")
    stack = made(client, "one", template({"Group": group()}), RoleARN=role)
    assert (stack["StackStatus"], stack["RoleARN"]) == ("CREATE_COMPLETE", role)
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        },
    }  # fmt: skip
    client.update_stack(StackName="one", TemplateBody=template({"Group": group(), "Table": table}))
    assert wait(client, "one")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    failed = [event for event in events(client, "one") if event["ResourceStatus"] == "CREATE_FAILED"]
    assert "dynamodb:CreateTable" in failed[0]["ResourceStatusReason"]


def test_parameters_are_kept_and_secrets_are_not_shown(account: Account) -> None:
    client = account.client("cloudformation")
    body = template(
        {"Group": group(LogGroupName={"Fn::Sub": "g-${Stage}-${Secret}"})},
        Parameters={"Stage": {"Type": "String"}, "Secret": {"Type": "String", "NoEcho": True}},
    )
    values = [{"ParameterKey": "Stage", "ParameterValue": "dev"}, {"ParameterKey": "Secret", "ParameterValue": "hush"}]
    stack = made(client, "one", body, Parameters=values)
    assert stack["Parameters"] == [
        {"ParameterKey": "Stage", "ParameterValue": "dev"}, {"ParameterKey": "Secret", "ParameterValue": "****"},
    ]  # fmt: skip
    assert "hush" not in json.dumps([event.get("ResourceProperties") for event in events(client, "one")])
    client.update_stack(
        StackName="one",
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": "Stage", "ParameterValue": "prod"},
            {"ParameterKey": "Secret", "UsePreviousValue": True},
        ],
    )
    assert wait(client, "one")["StackStatus"] == "UPDATE_COMPLETE"
    names = [found["logGroupName"] for found in account.client("logs").describe_log_groups()["logGroups"]]
    assert names == ["g-prod-hush"]


def test_exports_are_shared_and_protected(account: Account) -> None:
    client = account.client("cloudformation")
    exporting = template({"A": group()}, Outputs={"O": {"Value": {"Ref": "A"}, "Export": {"Name": "shared"}}})
    shared = made(client, "base", exporting)["Outputs"][0]
    assert shared["ExportName"] == "shared"
    assert client.list_exports()["Exports"][0]["Value"] == shared["OutputValue"]
    importing = template({"B": group(LogGroupName={"Fn::Sub": ["${x}-b", {"x": {"Fn::ImportValue": "shared"}}]})})
    user = made(client, "user", importing)
    assert user["StackStatus"] == "CREATE_COMPLETE"
    assert client.list_imports(ExportName="shared")["Imports"] == ["user"]
    client.delete_stack(StackName="base")
    stack = wait(client, "base")
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert stack["StackStatusReason"] == "Delete canceled. Cannot delete export shared as it is in use by user"
    client.delete_stack(StackName="user")
    wait(client, user["StackId"])
    client.delete_stack(StackName="base")
    assert wait(client, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert "not imported" in refused(client.list_imports, ExportName="shared")[1]


def test_termination_protection(account: Account) -> None:
    client = account.client("cloudformation")
    made(client, "one", template({"A": group()}), EnableTerminationProtection=True)
    assert refused(client.delete_stack, StackName="one")[1] == (
        "Stack [one] cannot be deleted while TerminationProtection is enabled"
    )
    client.update_termination_protection(StackName="one", EnableTerminationProtection=False)
    client.delete_stack(StackName="one")


def test_a_template_from_a_bucket(account: Account) -> None:
    s3, client = account.client("s3"), account.client("cloudformation")
    bucket = f"templates-{account.id}"
    s3.create_bucket(Bucket=bucket)
    padding = {f"P{n}": "x" * 1000 for n in range(60)}
    s3.put_object(Bucket=bucket, Key="t.json", Body=template({"A": group()}, Metadata=padding).encode())
    client.create_stack(StackName="one", TemplateURL=f"{account.endpoint}/{bucket}/t.json")
    assert wait(client, "one")["StackStatus"] == "CREATE_COMPLETE"
    said = refused(client.create_stack, StackName="two", TemplateURL=f"https://{bucket}.s3.amazonaws.com/missing")[1]
    assert said.startswith("S3 error:")
    assert (
        "not a valid S3 domain" in refused(client.create_stack, StackName="two", TemplateURL="https://example.com/t")[1]
    )


def test_templates_can_be_read_and_judged(account: Account) -> None:
    client = account.client("cloudformation")
    body = template(
        {"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _TRUST}}},
        Parameters={"P": {"Type": "Number", "Default": 3, "Description": "d"}}, Metadata={"m": 1}, Description="x",
    )  # fmt: skip
    validated = client.validate_template(TemplateBody=body)
    assert validated["Capabilities"] == ["CAPABILITY_IAM"]
    assert validated["Parameters"] == [{"ParameterKey": "P", "DefaultValue": "3", "NoEcho": False, "Description": "d"}]
    summary = client.get_template_summary(TemplateBody=body)
    assert summary["ResourceTypes"] == ["AWS::IAM::Role"] and summary["Metadata"] == '{"m": 1}'
    made(client, "one", body, Capabilities=["CAPABILITY_IAM"])
    assert client.get_template(StackName="one")["TemplateBody"] == json.loads(body)
    assert client.get_template(StackName="one", TemplateStage="Processed")["TemplateBody"] == json.loads(body)


def test_lists_go_on_page_after_page(account: Account) -> None:
    client = account.client("cloudformation")
    made(client, "many", template({f"G{n}": group() for n in range(45)}))
    first = client.describe_stack_events(StackName="many")
    assert len(first["StackEvents"]) == 100 and first["NextToken"]
    assert len(events(client, "many")) == 45 * 3 + 2
    assert refused(client.describe_stack_events, StackName="many", NextToken="nonsense!")[0] == "ValidationError"


def test_a_killed_cloud_goes_on_with_what_it_had_begun(fresh_cloud: Cloud) -> None:
    client = boto3.client("cloudformation", **_keys(fresh_cloud))
    resources = {f"G{n:02}": {**group(), **({"DependsOn": f"G{n - 1:02}"} if n else {})} for n in range(30)}
    client.create_stack(StackName="one", TemplateBody=template(resources))
    while len(client.describe_stack_events(StackName="one")["StackEvents"]) < 30:
        pass
    fresh_cloud.kill()
    fresh_cloud.start()
    assert wait(client, "one")["StackStatus"] == "CREATE_COMPLETE"
    groups = boto3.client("logs", **_keys(fresh_cloud)).describe_log_groups()["logGroups"]
    held = client.list_stack_resources(StackName="one")["StackResourceSummaries"]
    assert {found["logGroupName"] for found in groups} == {item["PhysicalResourceId"] for item in held}
    assert len(groups) == 30


def _keys(cloud: Cloud) -> dict[str, Any]:
    root = cloud.root
    return {
        "endpoint_url": cloud.endpoint, "region_name": "us-east-1",
        "aws_access_key_id": root.access_key_id, "aws_secret_access_key": root.secret_access_key,
    }  # fmt: skip


def test_whoever_may_only_make_buckets_makes_them_and_takes_none_over(account: Account) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="maker")
    may = {"Effect": "Allow", "Action": ["cloudformation:*", "s3:CreateBucket"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_user_policy(UserName="maker", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="maker")["AccessKey"]
    taken = f"taken-{account.id}"
    account.client("s3").create_bucket(Bucket=taken)
    account.access_key_id, account.secret_access_key = key["AccessKeyId"], key["SecretAccessKey"]
    client = account.client("cloudformation")

    def bucket(name: str) -> str:
        return template({"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}})

    assert made(client, "free", bucket(f"free-{account.id}"))["StackStatus"] == "CREATE_COMPLETE"
    assert made(client, "taken", bucket(taken))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert f"{taken} already exists" in [event.get("ResourceStatusReason") for event in events(client, "taken")]
