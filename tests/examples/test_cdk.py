"""What the CDK does with examples/cdk/bootstrap.yaml, said in the calls that it makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pileus.testing import Account
from stacks import made, wait

ROOT = Path(__file__).parents[2]
TEMPLATE = {
    "Parameters": {"BootstrapVersion": {
        "Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version",
    }},
    "Rules": {"CheckBootstrapVersion": {"Assertions": [{
        "Assert": {"Fn::Not": [{"Fn::Contains": [["1", "2", "3", "4", "5"], {"Ref": "BootstrapVersion"}]}]},
        "AssertDescription": "A newer bootstrap is required.",
    }]}},
    "Resources": {
        "Group": {"Type": "AWS::Logs::LogGroup"},
        "CDKMetadata": {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2:deflate64:x"}},
    },
}  # fmt: skip


def test_the_roles_of_the_bootstrap_are_enough_to_deploy(account: Account) -> None:
    bootstrap = (ROOT / "examples/cdk/bootstrap.yaml").read_text()
    given = [{"ParameterKey": "FileAssetsBucketKmsKeyId", "ParameterValue": "AWS_MANAGED_KEY"}]
    stack = made(
        account.client("cloudformation"),
        "CDKToolkit",
        bootstrap,
        Parameters=given,
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    bucket = next(item["OutputValue"] for item in stack["Outputs"] if item["OutputKey"] == "BucketName")
    iam = account.client("iam")
    iam.create_user(UserName="dev")
    may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_user_policy(UserName="dev", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="dev")["AccessKey"]
    account.access_key_id, account.secret_access_key = key["AccessKeyId"], key["SecretAccessKey"]

    def as_role(name: str, service: str) -> Any:
        arn = f"arn:aws:iam::{account.id}:role/cdk-hnb659fds-{name}-role-{account.id}-us-east-1"
        credentials = account.client("sts").assume_role(RoleArn=arn, RoleSessionName="cdk")["Credentials"]
        assumed = Account(
            account.endpoint, account.id, credentials["AccessKeyId"], credentials["SecretAccessKey"],
            credentials["SessionToken"],
        )  # fmt: skip
        return assumed.client(service)

    as_role("file-publishing", "s3").put_object(Bucket=bucket, Key="t.json", Body=json.dumps(TEMPLATE).encode())
    client = as_role("deploy", "cloudformation")
    client.create_change_set(
        StackName="app", ChangeSetName="c", ChangeSetType="CREATE", Capabilities=["CAPABILITY_IAM"],
        TemplateURL=f"https://s3.us-east-1.amazonaws.com/{bucket}/t.json", IncludeNestedStacks=True,
        RoleARN=f"arn:aws:iam::{account.id}:role/cdk-hnb659fds-cfn-exec-role-{account.id}-us-east-1",
        DeploymentConfig={"Mode": "STANDARD"},
    )  # fmt: skip
    assert client.describe_change_set(StackName="app", ChangeSetName="c")["IncludeNestedStacks"] is False
    assert client.get_template(StackName="app")["TemplateBody"] == ""
    client.execute_change_set(StackName="app", ChangeSetName="c")
    assert wait(client, "app")["StackStatus"] == "CREATE_COMPLETE"
