"""Change sets, as `aws cloudformation deploy` and `sam deploy` use them, and the serverless transform."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conftest import Account
from stacks import group, refused, template, wait

_SERVERLESS = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: |
        def handler(event, context):
            return "one"
      Handler: index.handler
      Runtime: RUNTIME
      AutoPublishAlias: live
Outputs:
  Function: {Value: !Ref Function}
""".replace("RUNTIME", f"python3.{sys.version_info.minor}")


def _changed(client: Any, name: str, body: str, kind: str, **options: Any) -> dict[str, Any]:
    client.create_change_set(StackName="one", ChangeSetName=name, TemplateBody=body, ChangeSetType=kind, **options)
    found: dict[str, Any] = client.describe_change_set(StackName="one", ChangeSetName=name)
    return found


def _lines(change_set: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    changes = [change["ResourceChange"] for change in change_set["Changes"]]
    return [(change["Action"], change["LogicalResourceId"], change.get("Replacement")) for change in changes]


def test_a_change_set_shows_what_it_then_does(account: Account) -> None:
    client = account.client("cloudformation")
    first = _changed(
        client, "first", template({"A": group(), "B": group(LogGroupName={"Fn::Sub": "${A}-b"})}), "CREATE"
    )
    assert (first["Status"], first["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert _lines(first) == [("Add", "A", None), ("Add", "B", None)]
    assert client.describe_stacks(StackName="one")["Stacks"][0]["StackStatus"] == "REVIEW_IN_PROGRESS"
    client.execute_change_set(StackName="one", ChangeSetName="first")
    assert wait(client, "one")["StackStatus"] == "CREATE_COMPLETE"

    body = template({"A": group(LogGroupName="a"), "B": group(LogGroupName={"Fn::Sub": "${A}-b"}), "C": group()})
    second = _changed(client, "second", body, "UPDATE")
    assert _lines(second) == [("Modify", "A", "True"), ("Add", "C", None), ("Modify", "B", "True")]
    assert [item["ChangeSetName"] for item in client.list_change_sets(StackName="one")["Summaries"]] == ["second"]
    assert not {"Tags", "Parameters", "Capabilities", "OnStackFailure"} & second.keys()
    third = _changed(client, "third", template({"A": group(RetentionInDays=1)}), "UPDATE")
    assert _lines(third) == [("Modify", "A", "False"), ("Remove", "B", None)]
    client.execute_change_set(ChangeSetName=second["ChangeSetId"])
    assert wait(client, "one")["StackStatus"] == "UPDATE_COMPLETE"
    names = {found["logGroupName"] for found in account.client("logs").describe_log_groups()["logGroups"]}
    assert {"a", "a-b"} <= names and len(names) == 3
    # The name of what was executed is free again.
    _changed(client, "first", template({"A": group(LogGroupName="a")}), "UPDATE")
    # What was planned against the stack as it was does not hold any more.
    assert refused(client.execute_change_set, StackName="one", ChangeSetName="third")[0] == "ChangeSetNotFound"
    assert refused(client.execute_change_set, ChangeSetName=second["ChangeSetId"])[0] == "InvalidChangeSetStatus"


def _details(change_set: dict[str, Any], name: str) -> tuple[str, list[str], list[tuple[Any, ...]]]:
    (change,) = [
        change["ResourceChange"] for change in change_set["Changes"]
        if change["ResourceChange"]["LogicalResourceId"] == name
    ]  # fmt: skip
    details = [
        (
            item["Target"]["Attribute"], item["Target"].get("Name"), item["Target"]["RequiresRecreation"],
            item["Evaluation"], item["ChangeSource"], item.get("CausingEntity"),
        )
        for item in change["Details"]
    ]  # fmt: skip
    return change["Replacement"], change["Scope"], details


def test_a_change_set_says_why_each_resource_changes(account: Account) -> None:
    client = account.client("cloudformation")
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]}  # fmt: skip

    def body(days: int, name: str) -> str:
        return template(
            {
                "Days": group(RetentionInDays={"Ref": "Retention"}),
                "Named": group(LogGroupName=name, RetentionInDays=days),
                "Follows": group(LogGroupName={"Fn::Sub": "${Named}-f"}),
                "Secret": group(LogGroupName={"Ref": "Password"}),
                "Pool": {"Type": "AWS::Cognito::IdentityPool", "Properties": {
                    "AllowUnauthenticatedIdentities": False, "DeveloperProviderName": "login",
                }},
                "Role": {"Type": "AWS::IAM::Role", "Properties": {
                    "AssumeRolePolicyDocument": trust, "Description": {"Fn::GetAtt": ["Pool", "Name"]},
                }},
                "Arn": {"Type": "AWS::IAM::Role", "Properties": {
                    "AssumeRolePolicyDocument": trust, "Description": {"Fn::GetAtt": ["Named", "Arn"]},
                }},
            },
            Parameters={"Retention": {"Type": "Number"}, "Password": {"Type": "String", "NoEcho": True}},
        )  # fmt: skip

    def asked(name: str, kind: str, days: int, log_group: str, **options: Any) -> dict[str, Any]:
        given = [{"ParameterKey": "Retention", "ParameterValue": str(days)},
                 {"ParameterKey": "Password", "ParameterValue": f"hush-{days}"}]  # fmt: skip
        return _changed(
            client, name, body(days, log_group), kind, Parameters=given, Capabilities=["CAPABILITY_IAM"], **options
        )

    asked("first", "CREATE", 1, "one")
    client.execute_change_set(StackName="one", ChangeSetName="first")
    assert wait(client, "one")["StackStatus"] == "CREATE_COMPLETE"
    second = asked("second", "UPDATE", 3, "two", Tags=[{"Key": "team", "Value": "blue"}])
    tags = ("Tags", None, "Never", "Static", "DirectModification", None)
    days = ("Properties", "RetentionInDays", "Never")
    assert _details(second, "Days") == ("False", ["Properties", "Tags"], [
        (*days, "Static", "ParameterReference", "Retention"), (*days, "Dynamic", "DirectModification", None), tags,
    ])  # fmt: skip
    named = ("Properties", "LogGroupName", "Always", "Static")
    assert _details(second, "Named") == ("True", ["Properties", "Tags"], [
        (*named, "DirectModification", None), (*days, "Static", "DirectModification", None), tags,
    ])  # fmt: skip
    assert _details(second, "Follows") == ("True", ["Properties", "Tags"], [
        (*named, "ResourceReference", "Named"), tags,
    ])  # fmt: skip
    described = ("Properties", "Description", "Never")
    assert _details(second, "Arn")[2][0] == (*described, "Static", "ResourceAttribute", "Named.Arn")
    assert _details(second, "Pool") == ("False", ["Tags"], [tags])

    values = client.describe_change_set(StackName="one", ChangeSetName="second", IncludePropertyValues=True)
    changes = {change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in values["Changes"]}
    assert json.loads(changes["Named"]["BeforeContext"])["Properties"]["LogGroupName"] == "one"
    assert json.loads(changes["Named"]["AfterContext"])["Properties"]["LogGroupName"] == "two"
    assert changes["Named"]["PolicyAction"] == "ReplaceAndDelete"
    assert changes["Named"]["Details"][0]["Target"] == {
        "Attribute": "Properties", "Name": "LogGroupName", "RequiresRecreation": "Always",
        "Path": "/Properties/LogGroupName", "BeforeValue": "one", "AfterValue": "two", "AttributeChangeType": "Modify",
    }  # fmt: skip
    assert "{{changeSet:KNOWN_AFTER_APPLY}}-f" in changes["Follows"]["AfterContext"]
    secret = {name: value for name, value in changes["Secret"].items() if name != "PhysicalResourceId"}
    assert "hush" not in json.dumps(secret) and "****" in secret["BeforeContext"]

    # A pool that changes may have another name then: nobody can say before. With values, it is no change.
    body_of_third = json.loads(body(1, "one"))
    body_of_third["Resources"]["Pool"]["Properties"]["AllowUnauthenticatedIdentities"] = True
    third = _changed(
        client, "third", json.dumps(body_of_third), "UPDATE", Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": name, "UsePreviousValue": True} for name in ("Retention", "Password")],
    )  # fmt: skip
    assert _details(third, "Role") == ("False", ["Properties"], [
        (*described, "Dynamic", "ResourceAttribute", "Pool.Name"),
    ])  # fmt: skip
    values = client.describe_change_set(StackName="one", ChangeSetName="third", IncludePropertyValues=True)
    assert [change["ResourceChange"]["LogicalResourceId"] for change in values["Changes"]] == ["Pool"]


def test_no_changes_and_no_stack(account: Account) -> None:
    client = account.client("cloudformation")
    body = template({"A": group()})
    with pytest.raises(ClientError, match=r"Stack \[one\] does not exist"):
        _changed(client, "x", body, "UPDATE")
    _changed(client, "x", body, "CREATE")
    client.execute_change_set(StackName="one", ChangeSetName="x")
    wait(client, "one")
    same = _changed(client, "same", body, "UPDATE")
    assert (same["Status"], same["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "didn't contain changes" in same["StatusReason"]
    client.delete_change_set(StackName="one", ChangeSetName="same")
    with pytest.raises(ClientError, match="does not exist"):
        client.describe_change_set(StackName="one", ChangeSetName="same")


def test_serverless_templates_and_changed_code(account: Account) -> None:
    client, functions = account.client("cloudformation"), account.client("lambda")
    code, said = refused(
        client.create_stack, StackName="one", TemplateBody=_SERVERLESS, Capabilities=["CAPABILITY_IAM"]
    )
    assert (code, said) == (
        "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_AUTO_EXPAND]",
    )  # fmt: skip
    _changed(client, "x", _SERVERLESS, "CREATE", Capabilities=["CAPABILITY_IAM"])
    client.execute_change_set(StackName="one", ChangeSetName="x")
    name = wait(client, "one")["Outputs"][0]["OutputValue"]
    assert json.load(functions.invoke(FunctionName=name, Qualifier="live")["Payload"]) == "one"
    changed = _changed(client, "y", _SERVERLESS.replace('"one"', '"two"'), "UPDATE", Capabilities=["CAPABILITY_IAM"])
    touched = {(action, re.sub("(?<=Version)[0-9a-f]+$", "", name)) for action, name, _ in _lines(changed)}
    assert touched == {
        ("Modify", "Function"), ("Modify", "FunctionAliaslive"),
        ("Add", "FunctionVersion"), ("Remove", "FunctionVersion"),
    }  # fmt: skip
    client.execute_change_set(StackName="one", ChangeSetName="y")
    wait(client, "one")
    assert json.load(functions.invoke(FunctionName=name, Qualifier="live")["Payload"]) == "two"
    assert json.load(functions.invoke(FunctionName=name, Qualifier="1")["Payload"]) == "one"


def test_a_serverless_template_that_is_wrong_says_where(account: Account) -> None:
    body = _SERVERLESS.replace("      Handler: index.handler\n", "")
    client = account.client("cloudformation")
    code, said = refused(
        client.create_stack, StackName="one", TemplateBody=body,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )  # fmt: skip
    assert code == "ValidationError"
    assert "Transform AWS::Serverless-2016-10-31 failed with:" in said and "[Function]" in said and "Handler" in said


def test_the_aws_cli_deploys(account: Account, tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text("Resources: {A: {Type: AWS::Logs::LogGroup}}")
    aws = str(Path(sys.executable).with_name("aws"))
    words = [aws, "cloudformation", "deploy", "--template-file", str(path), "--stack-name", "one"]
    words.append("--no-fail-on-empty-changeset")
    # Its waiter looks every 30 s: there must be nothing to wait for.
    client = account.client("cloudformation")
    client.create_stack(StackName="one", TemplateBody=path.read_text())
    wait(client, "one")
    done = subprocess.run(words, env=account.env(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, "No changes to deploy" in done.stdout) == (0, True), done.stdout + done.stderr
    path.write_text("Resources: {A: {Type: AWS::Logs::LogGroup}, B: {Type: AWS::Logs::LogGroup}}")
    # The tool names its change sets by the second, and a change set without changes keeps its name.
    time.sleep(1.1)
    done = subprocess.run(
        [*words, "--no-execute-changeset"], env=account.env(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, "describe-change-set" in done.stdout) == (0, True), done.stdout + done.stderr
