"""Stacks in stacks."""

from __future__ import annotations

from typing import Any

import pytest

from pileus.testing import Account
from stacks import events, group, made, template, wait

IAM = {"Capabilities": ["CAPABILITY_IAM"]}
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
]}  # fmt: skip


@pytest.fixture
def client(account: Account) -> Any:
    account.client("s3").create_bucket(Bucket=f"templates-{account.id}")
    return account.client("cloudformation")


def upload(account: Account, key: str, body: str) -> str:
    bucket = f"templates-{account.id}"
    account.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
    return f"https://s3.us-east-1.amazonaws.com/{bucket}/{key}"


def child(days: int, **more: Any) -> str:
    return template(
        {"Group": group(RetentionInDays=days), **more},
        Parameters={"Said": {"Type": "String"}},
        Outputs={"Name": {"Value": {"Ref": "Group"}}, "Said": {"Value": {"Ref": "Said"}}},
    )


def parent(url: str, said: str = "hello", **more: Any) -> str:
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": {"Said": said}}}
    # Whoever uses an output of the nested stack comes after it.
    copy = group(LogGroupName={"Fn::Sub": "copy-of-${Nested.Outputs.Name}"})
    outputs = {"Said": {"Value": {"Fn::GetAtt": ["Nested", "Outputs.Said"]}}}
    return template({"Nested": nested, "Copy": copy, **more}, Outputs=outputs)


def nested_of(client: Any, name: str) -> dict[str, Any]:
    found = client.describe_stack_resource(StackName=name, LogicalResourceId="Nested")["StackResourceDetail"]
    stack: dict[str, Any] = client.describe_stacks(StackName=found["PhysicalResourceId"])["Stacks"][0]
    return stack


def test_a_nested_stack_lives_with_the_one_around_it(account: Account, client: Any) -> None:
    url = upload(account, "child", child(7))
    stack = made(client, "outer", parent(url), Tags=[{"Key": "team", "Value": "blue"}])
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"] == [{"OutputKey": "Said", "OutputValue": "hello"}]
    nested = nested_of(client, "outer")
    assert nested["StackName"].startswith("outer-Nested-")
    assert nested["ParentId"] == nested["RootId"] == stack["StackId"]
    assert nested["Tags"] == [{"Key": "team", "Value": "blue"}]
    listed = {item["StackName"]: item for item in client.list_stacks()["StackSummaries"]}
    assert listed[nested["StackName"]]["ParentId"] == stack["StackId"]

    # The template behind the URL is another now: every update asks for it, whatever the properties say.
    upload(account, "child", child(14))
    client.update_stack(StackName="outer", TemplateBody=parent(url), Tags=[{"Key": "team", "Value": "blue"}])
    assert wait(client, "outer")["StackStatus"] == "UPDATE_COMPLETE"
    name = nested["Outputs"][0]["OutputValue"]
    logs = account.client("logs")
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["retentionInDays"] == 14

    client.delete_stack(StackName="outer")
    assert wait(client, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert wait(client, nested["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert not logs.describe_log_groups()["logGroups"]


def test_what_fails_inside_fails_outside_and_is_taken_back(account: Account, client: Any) -> None:
    good, bad = upload(account, "good", child(7)), upload(account, "bad", child(2))
    assert made(client, "broken", parent(bad))["StackStatus"] == "ROLLBACK_COMPLETE"
    failed = [event for event in events(client, "broken") if event["ResourceStatus"] == "CREATE_FAILED"]
    said = "was not successfully created: The following resource(s) failed to create: [Group]."
    assert failed[0]["LogicalResourceId"] == "Nested"
    assert failed[0]["ResourceStatusReason"].startswith("Embedded stack arn:aws:cloudformation:us-east-1:")
    assert failed[0]["ResourceStatusReason"].endswith(said)

    made(client, "outer", parent(good))
    before = nested_of(client, "outer")["StackId"]
    client.update_stack(StackName="outer", TemplateBody=parent(bad, "other"))
    assert wait(client, "outer")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    (update_failed,) = [event for event in events(client, "outer") if event["ResourceStatus"] == "UPDATE_FAILED"]
    assert (
        "was not successfully updated. Currently in UPDATE_ROLLBACK_COMPLETE with reason: "
        in update_failed["ResourceStatusReason"]
    )
    # Another resource of the outer stack fails: the nested one goes back to what it was.
    bad_group = group(RetentionInDays=2) | {"DependsOn": "Nested"}
    client.update_stack(StackName="outer", TemplateBody=parent(good, "other", Bad=bad_group))
    assert wait(client, "outer")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    nested = nested_of(client, "outer")
    assert nested["StackId"] == before
    assert {"OutputKey": "Said", "OutputValue": "hello"} in nested["Outputs"]


def test_capabilities_are_asked_for_what_is_inside(account: Account, client: Any) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
    url = upload(account, "role", child(7, Role=role))
    assert made(client, "without", parent(url))["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = [event.get("ResourceStatusReason", "") for event in events(client, "without")]
    assert any("Requires capabilities : [CAPABILITY_IAM]" in reason for reason in reasons)
    assert made(client, "with", parent(url), **IAM)["StackStatus"] == "CREATE_COMPLETE"


def test_a_change_set_says_that_a_nested_stack_may_change(account: Account, client: Any) -> None:
    url = upload(account, "child", child(7))
    made(client, "outer", parent(url))
    client.create_change_set(StackName="outer", ChangeSetName="c", TemplateBody=parent(url, More=group()))
    found = client.describe_change_set(StackName="outer", ChangeSetName="c")["Changes"]
    changes = {change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in found}
    assert changes["Nested"]["Details"] == [{
        "Target": {"Attribute": "Properties", "RequiresRecreation": "Never"},
        "Evaluation": "Dynamic", "ChangeSource": "Automatic",
    }]  # fmt: skip
    assert changes["More"]["Action"] == "Add"
