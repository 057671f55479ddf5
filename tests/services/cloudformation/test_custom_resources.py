"""Resources that are whatever a function makes of a request: Custom::… and AWS::CloudFormation::CustomResource."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import Account
from stacks import events, made, refused, template

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": _TRUST,
        "Policies": [
            {
                "PolicyName": "log",
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": ["logs:*", "dynamodb:PutItem"], "Resource": "*"}],
                },
            }
        ],
    },
}
_PYTHON = """
import boto3, json, os, time
import cfnresponse

def handler(event, context):
    asked = event["ResourceProperties"]
    kept = {"at": {"N": str(time.time_ns())}, "said": {"S": json.dumps(event)}}
    boto3.client("dynamodb").put_item(TableName=asked["Table"], Item={"id": {"S": "1"}, **kept})
    if asked.get("Fail") == event["RequestType"]:
        cfnresponse.send(event, context, cfnresponse.FAILED, {}, "failed-thing", reason="as it was told")
    elif asked.get("Raise") == event["RequestType"]:
        raise ValueError("an accident")
    else:
        size = asked.get("Size", "none")
        cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Size": size, "Deep": {"Down": 7}}, "thing-" + size)
"""
_NODE = """
const response = require('cfn-response');
exports.handler = (event, context) => {
  response.send(event, context, response.SUCCESS, { Greeting: 'hello ' + event.ResourceProperties.Name });
};
"""


@pytest.fixture
def client(account: Account) -> Any:
    account.client("dynamodb").create_table(
        TableName="asked",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "at", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
    )
    return account.client("cloudformation")


def function(code: str, runtime: str = "python3.11") -> dict[str, Any]:
    properties = {
        "Runtime": runtime, "Handler": "index.handler", "Code": {"ZipFile": code}, "Timeout": 20, "MemorySize": 256,
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
    }  # fmt: skip
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


def custom(**properties: Any) -> str:
    thing = {"ServiceToken": {"Fn::GetAtt": ["Maker", "Arn"]}, "Table": "asked", **properties}
    return template(
        {"Role": _ROLE, "Maker": function(_PYTHON), "Thing": {"Type": "Custom::Thing", "Properties": thing}},
        Outputs={
            "Name": {"Value": {"Ref": "Thing"}},
            "Size": {"Value": {"Fn::GetAtt": ["Thing", "Size"]}},
            "Deep": {"Value": {"Fn::GetAtt": "Thing.Deep.Down"}},
        },
    )


def settled(client: Any, name: str, kind: str) -> dict[str, Any]:
    waiter = client.get_waiter(f"stack_{kind}_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return dict(client.describe_stacks(StackName=name)["Stacks"][0])


def asked(account: Account) -> list[dict[str, Any]]:
    items = account.client("dynamodb").query(
        TableName="asked", KeyConditionExpression="id = :i", ExpressionAttributeValues={":i": {"S": "1"}}
    )["Items"]
    return [json.loads(item["said"]["S"]) for item in items]


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}


def test_a_function_makes_changes_replaces_and_deletes(account: Account, client: Any) -> None:
    stack_id = client.create_stack(
        StackName="c", TemplateBody=custom(Size=3, Wide=True), Capabilities=["CAPABILITY_IAM"]
    )["StackId"]
    assert outputs(settled(client, "c", "create")) == {"Name": "thing-3", "Size": "3", "Deep": "7"}
    (created,) = asked(account)
    assert created["RequestType"] == "Create" and created["StackId"] == stack_id
    assert (created["ResourceType"], created["LogicalResourceId"]) == ("Custom::Thing", "Thing")
    assert created["ResourceProperties"] == {
        "ServiceToken": created["ServiceToken"], "Table": "asked", "Size": "3", "Wide": "true",
    }  # fmt: skip
    assert "X-Amz-Signature=" in created["ResponseURL"]
    client.update_stack(StackName="c", TemplateBody=custom(Size=4), Capabilities=["CAPABILITY_IAM"])
    assert outputs(settled(client, "c", "update"))["Name"] == "thing-4"
    _, updated, deleted = asked(account)
    assert (updated["RequestType"], updated["PhysicalResourceId"]) == ("Update", "thing-3")
    assert updated["OldResourceProperties"]["Wide"] == "true" and "Wide" not in updated["ResourceProperties"]
    assert (deleted["RequestType"], deleted["PhysicalResourceId"]) == ("Delete", "thing-3"), "another was made instead"
    client.delete_stack(StackName="c")
    client.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    last = asked(account)[-1]
    assert (last["RequestType"], last["PhysicalResourceId"]) == ("Delete", "thing-4")
    assert account.client("s3").list_buckets()["Buckets"] == [], "answers lie in no account's own buckets"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            {"Fail": "Create"},
            "Received response status [FAILED] from custom resource. Message returned: as it was told",
        ),
        ({"Raise": "Create"}, "The custom resource's function failed without an answer: an accident"),
    ],
)
def test_what_fails_is_rolled_back(account: Account, client: Any, how: dict[str, str], said: str) -> None:
    name = client.create_stack(StackName="f", TemplateBody=custom(**how), Capabilities=["CAPABILITY_IAM"])["StackId"]
    with pytest.raises(Exception, match="ROLLBACK_COMPLETE"):
        settled(client, name, "create")
    reasons = [event.get("ResourceStatusReason", "") for event in events(client, name)]
    assert said in reasons
    kinds = [event["RequestType"] for event in asked(account)]
    assert kinds == (["Create", "Delete"] if "Fail" in how else ["Create"])


def test_an_update_that_fails_leaves_what_was(account: Account, client: Any) -> None:
    client.create_stack(StackName="u", TemplateBody=custom(Size=1), Capabilities=["CAPABILITY_IAM"])
    settled(client, "u", "create")
    client.update_stack(StackName="u", TemplateBody=custom(Size=2, Fail="Update"), Capabilities=["CAPABILITY_IAM"])
    with pytest.raises(Exception, match="UPDATE_ROLLBACK"):
        settled(client, "u", "update")
    client.get_waiter("stack_rollback_complete").wait(StackName="u", WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    stack = client.describe_stacks(StackName="u")["Stacks"][0]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE" and outputs(stack)["Name"] == "thing-1"
    assert all(
        event.get("PhysicalResourceId") != "thing-1" for event in asked(account) if event["RequestType"] == "Delete"
    )


def test_node_has_its_module_too(client: Any) -> None:
    thing = {"ServiceToken": {"Fn::GetAtt": ["Maker", "Arn"]}, "Name": "Ada", "ServiceTimeout": "30"}
    body = template(
        {
            "Role": _ROLE,
            "Maker": function(_NODE, "nodejs20.x"),
            "Thing": {"Type": "AWS::CloudFormation::CustomResource", "Properties": thing},
        },
        Outputs={"Said": {"Value": {"Fn::GetAtt": ["Thing", "Greeting"]}}},
    )
    client.create_stack(StackName="n", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    assert outputs(settled(client, "n", "create")) == {"Said": "hello Ada"}


def test_without_a_service_token_there_is_nobody_to_ask(client: Any) -> None:
    body = template({"Thing": {"Type": "Custom::Thing", "Properties": {}}})
    code, message = refused(client.create_stack, StackName="w", TemplateBody=body)
    assert code == "ValidationError" and "ServiceToken" in message


def test_whoever_may_not_call_the_function_makes_nothing(account: Account, client: Any) -> None:
    """The function is called as the one who asked for the stack."""
    body = template({"Thing": {"Type": "Custom::Thing", "Properties": {
        "ServiceToken": f"arn:aws:lambda:us-east-1:{account.id}:function:absent",
    }}})  # fmt: skip
    name = client.create_stack(StackName="x", TemplateBody=body)["StackId"]
    with pytest.raises(Exception, match="ROLLBACK_COMPLETE"):
        settled(client, name, "create")
    assert any("Function not found" in event.get("ResourceStatusReason", "") for event in events(client, name))


def test_what_waits_for_an_answer_is_given_up_when_another_fails(client: Any) -> None:
    silent = {"Type": "Custom::Silent", "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}}}
    resources = {"Role": _ROLE, "Function": function("def handler(event, context): pass"), "Silent": silent}
    never = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "never", "RetentionInDays": 2}}
    # It depends on the function, so that it fails while the silent one is waited for.
    body = template(resources | {"Never": never | {"DependsOn": "Function"}})
    stack = made(client, "silent", body, Capabilities=["CAPABILITY_IAM"])
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reasons = {event["LogicalResourceId"]: event["ResourceStatusReason"] for event in events(client, "silent")
               if event["ResourceStatus"] == "CREATE_FAILED"}  # fmt: skip
    assert reasons["Silent"] == "Resource creation cancelled"
    assert "Invalid retention value" in reasons["Never"]
