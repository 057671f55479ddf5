"""The tags by which a resource tells whose it is."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from pileus.testing import Account
from stacks import made, refused, template, wait

TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
]}  # fmt: skip
OWN = [{"Key": "team", "Value": "blue"}]
KEYS = [{"AttributeName": "id", "KeyType": "HASH"}]
TABLE = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "KeySchema": KEYS,
    "BillingMode": "PAY_PER_REQUEST", "Tags": OWN,
}  # fmt: skip
RESOURCES: dict[str, Any] = {
    "Table": {"Type": "AWS::DynamoDB::Table", "Properties": TABLE},
    "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"Tags": OWN}},
    "Plain": {"Type": "AWS::S3::Bucket"},
    "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"Tags": OWN}},
    "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST, "Tags": OWN}},
    "Pool": {"Type": "AWS::Cognito::IdentityPool", "Properties": {
        "AllowUnauthenticatedIdentities": False, "IdentityPoolTags": OWN,
    }},
    "Rule": {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 day)", "Tags": OWN}},
    "Function": {"Type": "AWS::Lambda::Function", "Properties": {
        "Runtime": "python3.12", "Handler": "index.handler", "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Tags": OWN,
        "Code": {"ZipFile": "def handler(event, context): return 1"},
    }},
}  # fmt: skip


def pairs(tags: Any) -> dict[str, str]:
    return tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}


def tags_of(account: Account, name: str, physical: str) -> dict[str, str]:
    where = f"{account.client('sts').meta.region_name}:{account.id}"
    client = account.client
    match name:
        case "Table":
            found = client("dynamodb").list_tags_of_resource(ResourceArn=f"arn:aws:dynamodb:{where}:table/{physical}")[
                "Tags"
            ]
        case "Bucket" | "Plain":
            found = client("s3").get_bucket_tagging(Bucket=physical)["TagSet"]
        case "Group":
            group = f"arn:aws:logs:{where}:log-group:{physical}"
            found = client("logs").list_tags_for_resource(resourceArn=group)["tags"]
        case "Role":
            found = client("iam").list_role_tags(RoleName=physical)["Tags"]
        case "Pool":
            pool = f"arn:aws:cognito-identity:{where}:identitypool/{physical}"
            found = client("cognito-identity").list_tags_for_resource(ResourceArn=pool)["Tags"]
        case "Rule":
            rule = f"arn:aws:events:{where}:rule/{physical}"
            found = client("events").list_tags_for_resource(ResourceARN=rule)["Tags"]
        case _:
            found = client("lambda").get_function(FunctionName=physical)["Tags"]
    return pairs(found)


def test_resources_are_tagged_with_their_stack(account: Account) -> None:
    client = account.client("cloudformation")
    made(client, "marked", template(RESOURCES), Capabilities=["CAPABILITY_IAM"])
    described = client.describe_stack_resources(StackName="marked")["StackResources"]
    stack_id = described[0]["StackId"]
    physical = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in described}
    for name in RESOURCES:
        marks = {
            "aws:cloudformation:stack-name": "marked", "aws:cloudformation:stack-id": stack_id,
            "aws:cloudformation:logical-id": name,
        }  # fmt: skip
        own = {} if name == "Plain" else {"team": "blue"}
        # IAM's are not marked: recorded.
        assert tags_of(account, name, physical[name]) == own | ({} if name == "Role" else marks), name
    # An update of the own tags leaves the cloud's where they are.
    changed = [{"Key": "team", "Value": "red"}]
    fresh = {
        name: item | {"Properties": {
            key: changed if key in ("Tags", "IdentityPoolTags") else value
            for key, value in item.get("Properties", {}).items()
        }}
        for name, item in RESOURCES.items()
    }  # fmt: skip
    client.update_stack(StackName="marked", TemplateBody=template(fresh), Capabilities=["CAPABILITY_IAM"])
    assert wait(client, "marked")["StackStatus"] == "UPDATE_COMPLETE"
    for name in RESOURCES:
        found = tags_of(account, name, physical[name])
        assert name == "Role" or found["aws:cloudformation:logical-id"] == name
        assert name == "Plain" or found["team"] == "red", name
    wanted = template({name: RESOURCES[name] for name in ("Bucket", "Table")})
    client.update_stack(StackName="marked", TemplateBody=wanted, Capabilities=["CAPABILITY_IAM"])
    assert wait(client, "marked")["StackStatus"] == "UPDATE_COMPLETE"

    # Nobody else sets them or takes them away.
    bucket = physical["Bucket"]
    kept = account.client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]
    put = account.client("s3").put_bucket_tagging
    assert refused(put, Bucket=bucket, Tagging={"TagSet": OWN}) == (
        "InvalidTag", "System tags cannot be removed by requester",
    )  # fmt: skip
    assert refused(put, Bucket=bucket, Tagging={"TagSet": [*kept, {"Key": "aws:mine", "Value": "1"}]}) == (
        "InvalidTag", "System tags cannot be added/updated by requester",
    )  # fmt: skip
    put(Bucket=bucket, Tagging={"TagSet": [*kept, {"Key": "more", "Value": "1"}]})
    account.client("s3").delete_bucket_tagging(Bucket=bucket)
    assert len(account.client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]) == 3
    arn = f"arn:aws:dynamodb:us-east-1:{account.id}:table/{physical['Table']}"
    tables = account.client("dynamodb")
    tables.tag_resource(ResourceArn=arn, Tags=[{"Key": "more", "Value": "1"}])
    with pytest.raises(ClientError, match="reserved"):
        tables.untag_resource(ResourceArn=arn, TagKeys=["aws:cloudformation:stack-name"])
