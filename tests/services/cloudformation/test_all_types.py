"""Every resource type made, changed and deleted on a running cloud, in one stack."""

from __future__ import annotations

import base64
import io
import json
import sys
import zipfile
from typing import Any

from conftest import Account
from pileus.services.cloudformation.resources import TYPES
from stacks import events, made, wait

_CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
_RUNTIME = f"python3.{sys.version_info.minor}"


def _statement(action: str, resource: Any = "*", effect: str = "Allow") -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource}]}


def _trust(principal: dict[str, str], action: str = "sts:AssumeRole") -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action}]}


def _resources(bucket: str, changed: bool) -> dict[str, dict[str, Any]]:
    """Everything, in two versions that differ in what can be changed in place."""

    def pick(first: Any, second: Any) -> Any:
        return second if changed else first

    key = {"AttributeName": "id", "KeyType": "HASH"}
    index = {
        "IndexName": "by-by",
        "KeySchema": [{**key, "AttributeName": "by"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    names = ["id", "by"] if changed else ["id"]
    tags = [{"Key": "version", "Value": pick("1", "2")}]
    code = pick("def handler(e, c): return 1", "def handler(e, c): return 2")
    logs_role = {"Ref": "Role"}
    properties: dict[str, tuple[str, dict[str, Any]]] = {
        "Bucket": (
            "S3::Bucket",
            {
                "VersioningConfiguration": {"Status": "Enabled"},
                "CorsConfiguration": {
                    "CorsRules": [{"AllowedMethods": [pick("GET", "PUT")], "AllowedOrigins": ["*"], "MaxAge": 60}]
                },
                "WebsiteConfiguration": {
                    "IndexDocument": pick("index.html", "home.html"),
                    "RoutingRules": [
                        {
                            "RoutingRuleCondition": {"KeyPrefixEquals": "old/"},
                            "RedirectRule": {"ReplaceKeyPrefixWith": "new/"},
                        }
                    ],
                },
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "BlockPublicPolicy": False,
                    "IgnorePublicAcls": True,
                    "RestrictPublicBuckets": False,
                },
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "LifecycleConfiguration": {
                    "Rules": [{"Id": "old", "Status": "Enabled", "Prefix": "tmp/", "ExpirationInDays": pick(1, 2)}]
                },
                "NotificationConfiguration": {
                    "LambdaConfigurations": [
                        {
                            "Event": "s3:ObjectCreated:*",
                            "Function": {"Fn::GetAtt": ["Function", "Arn"]},
                            "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": "in/"}]}},
                        }
                    ]
                },
                "Tags": tags,
            },
        ),
        "BucketPolicy": (
            "S3::BucketPolicy",
            {
                "Bucket": {"Ref": "Bucket"},
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": "*",
                            "Action": pick("s3:GetObject", "s3:GetObjectVersion"),
                            "Resource": {"Fn::Sub": "${Bucket.Arn}/*"},
                        }
                    ],
                },
            },
        ),
        "Table": (
            "DynamoDB::Table",
            {
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [key],
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
                **({"GlobalSecondaryIndexes": [index]} if changed else {}),
                "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
                "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": "true"},
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "Tags": tags,
            },
        ),
        "Role": (
            "IAM::Role",
            {
                "RoleName": f"{bucket}-role",
                "Description": pick("one", "two"),
                "AssumeRolePolicyDocument": _trust({"Service": "lambda.amazonaws.com"}),
                "ManagedPolicyArns": [{"Ref": "ManagedPolicy"}],
                "Policies": [{"PolicyName": pick("a", "b"), "PolicyDocument": _statement("logs:*")}],
                "Tags": tags,
            },
        ),
        "ManagedPolicy": (
            "IAM::ManagedPolicy",
            {"PolicyDocument": _statement(pick("dynamodb:*", "dynamodb:GetRecords"))},
        ),
        "Policy": (
            "IAM::Policy",
            {
                "PolicyName": pick("streams", "more-streams"),
                "PolicyDocument": _statement("dynamodb:*"),
                "Roles": [logs_role],
            },
        ),
        "Group": (
            "IAM::Group",
            {"Policies": [{"PolicyName": "p", "PolicyDocument": _statement(pick("s3:*", "sqs:*"))}]},
        ),
        "User": ("IAM::User", {"Groups": [{"Ref": "Group"}] if not changed else [], "Tags": tags}),
        "AccessKey": ("IAM::AccessKey", {"UserName": {"Ref": "User"}, "Status": pick("Active", "Inactive")}),
        "Provider": (
            "IAM::OIDCProvider",
            {
                "Url": f"https://{bucket}.example.com",
                "ClientIdList": [pick("a", "b")],
                "ThumbprintList": [pick("a", "b") * 40],
            },
        ),
        "Function": (
            "Lambda::Function",
            {
                "Code": {"ZipFile": code},
                "Handler": "index.handler",
                "Runtime": _RUNTIME,
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Timeout": pick("5", 6),
                "Layers": [{"Ref": "Layer"}],
                "ReservedConcurrentExecutions": 5,
                "Tags": tags,
                **({} if changed else {"Description": "d", "Environment": {"Variables": {"KEY": 1}}}),
            },
        ),
        "Layer": (
            "Lambda::LayerVersion",
            {"Content": {"S3Bucket": bucket, "S3Key": "layer.zip"}, "CompatibleRuntimes": [_RUNTIME]},
        ),
        "Version": ("Lambda::Version", {"FunctionName": {"Ref": "Function"}, "Description": pick("one", "two")}),
        "Alias": (
            "Lambda::Alias",
            {
                "FunctionName": {"Ref": "Function"},
                "Name": "live",
                "FunctionVersion": {"Fn::GetAtt": ["Version", "Version"]},
            },
        ),
        "Permission": (
            "Lambda::Permission",
            {
                "FunctionName": {"Ref": "Function"},
                "Action": "lambda:InvokeFunction",
                "Principal": "s3.amazonaws.com",
                "SourceAccount": {"Ref": "AWS::AccountId"},
            },
        ),
        "Url": (
            "Lambda::Url",
            {
                "TargetFunctionArn": {"Ref": "Function"},
                "AuthType": "AWS_IAM",
                "Cors": {"AllowOrigins": [pick("*", "https://a.example")]},
            },
        ),
        "Source": (
            "Lambda::EventSourceMapping",
            {
                "FunctionName": {"Ref": "Function"},
                "EventSourceArn": {"Fn::GetAtt": ["Table", "StreamArn"]},
                "StartingPosition": "LATEST",
                "BatchSize": pick(10, 20),
                "MaximumRetryAttempts": 1,
            },
        ),
        "Retries": (
            "Lambda::EventInvokeConfig",
            {
                "FunctionName": {"Ref": "Function"},
                "Qualifier": "$LATEST",
                "MaximumRetryAttempts": pick(0, 1),
            },
        ),
        "Pool": (
            "Cognito::IdentityPool",
            {
                "AllowUnauthenticatedIdentities": pick(True, "false"),
                "DeveloperProviderName": "login.test",
                "IdentityPoolTags": tags,
            },
        ),
        "PoolRoles": (
            "Cognito::IdentityPoolRoleAttachment",
            {
                "IdentityPoolId": {"Ref": "Pool"},
                "Roles": {"authenticated": {"Fn::GetAtt": ["Role", "Arn"]}},
            },
        ),
        "Schedule": (
            "Scheduler::Schedule",
            {
                "ScheduleExpression": pick("rate(1 day)", "rate(2 days)"),
                "State": "DISABLED",
                "EndDate": "2099-01-01T00:00:00Z",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {
                    "Arn": {"Fn::GetAtt": ["Function", "Arn"]},
                    "RoleArn": {"Fn::GetAtt": ["Timekeeper", "Arn"]},
                    "Input": pick("{}", '{"a": 1}'),
                },
            },
        ),
        "Timekeeper": (
            "IAM::Role",
            {
                "AssumeRolePolicyDocument": _trust({"Service": "scheduler.amazonaws.com"}),
                "Policies": [{"PolicyName": "p", "PolicyDocument": _statement("lambda:InvokeFunction")}],
            },
        ),
        "Rule": (
            "Events::Rule",
            {
                "ScheduleExpression": pick("rate(1 day)", "rate(2 days)"),
                "State": "DISABLED",
                "Targets": [{"Id": pick("a", "b"), "Arn": {"Fn::GetAtt": ["Function", "Arn"]}, "Input": '{"a": 1}'}],
                "Tags": tags,
            },
        ),
        "Logs": ("Logs::LogGroup", {"RetentionInDays": pick(1, 3), "Tags": tags}),
        "Logged": (
            "S3::Bucket",
            {
                "LoggingConfiguration": {"DestinationBucketName": {"Ref": "Bucket"}, "LogFilePrefix": pick("a/", "b/")},
                "LifecycleConfiguration": {
                    "Rules": [
                        {
                            "Id": "r",
                            "Status": "Enabled",
                            "Prefix": "x/",
                            "ExpirationInDays": 400,
                            "Transitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": pick(90, 120)}],
                            "NoncurrentVersionTransitions": [{"StorageClass": "ONEZONE_IA", "TransitionInDays": 180}],
                        }
                    ]
                },
            },
        ),
        "Parameter": (
            "SSM::Parameter",
            {"Type": "String", "Value": pick("1", "2"), "Tags": {"version": pick("1", "2"), pick("a", "b"): "x"}},
        ),
        "Metadata": ("CDK::Metadata", {"Analytics": pick("1", "2")}),
    }
    made = {name: {"Type": f"AWS::{kind}", "Properties": given} for name, (kind, given) in properties.items()}
    made["Bucket"]["DependsOn"] = "Permission"
    made["Source"]["DependsOn"] = "Policy"
    return made


def test_every_type_has_its_part_here() -> None:
    """Custom resources need a function that answers, stacks a template in S3: they have modules of their own."""
    found = {resource["Type"] for resource in _resources("x", False).values()}
    elsewhere = {"AWS::CloudFormation::CustomResource", "AWS::CloudFormation::Stack"}
    assert found | elsewhere == set(TYPES)


def test_every_type_is_made_changed_and_deleted(account: Account) -> None:
    client, s3 = account.client("cloudformation"), account.client("s3")
    bucket = f"all-types-{account.id}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="layer.zip", Body=_zip("python/extra.py"))
    outputs = {
        "Secret": {"Value": {"Fn::GetAtt": ["AccessKey", "SecretAccessKey"]}},
        **{name: {"Value": {"Ref": name}} for name in ("Bucket", "Table", "Function", "AccessKey", "Pool", "Logs")},
    }
    first = json.dumps({"Resources": _resources(bucket, False), "Outputs": outputs})
    stack = made(client, "all", first, Capabilities=_CAPABILITIES, Tags=[{"Key": "team", "Value": "blue"}])
    assert stack["StackStatus"] == "CREATE_COMPLETE", _failures(client)
    held = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
    functions, tables = account.client("lambda"), account.client("dynamodb")
    assert json.load(functions.invoke(FunctionName=held["Function"], Qualifier="live")["Payload"]) == 1
    assert len(held["Secret"]) == 40
    assert s3.get_bucket_website(Bucket=held["Bucket"])["IndexDocument"] == {"Suffix": "index.html"}
    tags = functions.get_function(FunctionName=held["Function"])["Tags"]
    assert (tags["team"], tags["version"]) == ("blue", "1")

    second = json.dumps({"Resources": _resources(bucket, True), "Outputs": outputs})
    client.update_stack(StackName="all", TemplateBody=second, Capabilities=_CAPABILITIES)
    assert wait(client, "all")["StackStatus"] == "UPDATE_COMPLETE", _failures(client)
    unmoved = {item["OutputKey"]: item["OutputValue"] for item in wait(client, "all")["Outputs"]}
    assert unmoved == held, "what can be changed in place was replaced"
    assert json.load(functions.invoke(FunctionName=held["Function"], Qualifier="live")["Payload"]) == 2
    configuration = functions.get_function_configuration(FunctionName=held["Function"])
    assert (configuration["Timeout"], configuration["Description"]) == (6, "")
    assert not configuration.get("Environment", {}).get("Variables")
    table = tables.describe_table(TableName=held["Table"])["Table"]
    assert [found["IndexName"] for found in table["GlobalSecondaryIndexes"]] == ["by-by"]
    assert s3.get_bucket_website(Bucket=held["Bucket"])["IndexDocument"] == {"Suffix": "home.html"}
    assert account.client("iam").list_role_policies(RoleName=f"{bucket}-role")["PolicyNames"] == ["b", "more-streams"]

    client.delete_stack(StackName="all")
    assert wait(client, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE", _failures(client, stack["StackId"])
    assert functions.list_functions()["Functions"] == []
    assert tables.list_tables()["TableNames"] == []
    assert [found["Name"] for found in s3.list_buckets()["Buckets"]] == [bucket]
    assert account.client("iam").list_roles()["Roles"] == []
    assert account.client("cognito-identity").list_identity_pools(MaxResults=10)["IdentityPools"] == []


def _failures(client: Any, name: str = "all") -> list[tuple[str, str]]:
    failed = [event for event in events(client, name) if event["ResourceStatus"].endswith("FAILED")]
    return [(event["LogicalResourceId"], event.get("ResourceStatusReason", "")) for event in failed]


def _zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, base64.b64encode(name.encode()))
    return out.getvalue()
