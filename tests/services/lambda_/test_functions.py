"""Making, changing, listing and deleting functions, over the wire."""

import base64
import hashlib
import json
import time
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


# What AWS was recorded to show of a new function: member by member, with the values that do not vary.
CREATED = {
    "Architectures": ["x86_64"],
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "Handler": "app.handler",
    "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/first"},
    "MemorySize": 128,
    "PackageType": "Zip",
    "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
    "State": "Pending",
    "StateReason": "The function is being created.",
    "StateReasonCode": "Creating",
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
    "Version": "$LATEST",
}


def test_a_new_function_looks_as_on_aws(functions: Any, account: Any, zipped: Any) -> None:
    created = functions.create("first", Environment={"Variables": {}})
    arn = f"arn:aws:lambda:us-east-1:{account.id}:function:first"
    assert {member: created[member] for member in CREATED} == CREATED
    assert created["FunctionArn"] == arn
    assert set(created) - set(CREATED) == {
        "CodeSha256", "CodeSize", "FunctionArn", "FunctionName", "LastModified", "ResponseMetadata", "RevisionId",
        "Role", "Runtime", "RuntimeVersionConfig",
    }  # fmt: skip
    shown = functions.client.get_function(FunctionName="first")
    assert shown["Configuration"]["State"] == "Active"
    assert shown["Configuration"]["LastUpdateStatus"] == "Successful"
    assert shown["Configuration"]["RevisionId"] != created["RevisionId"]
    assert "StateReason" not in shown["Configuration"]
    for name in (arn, f"{account.id}:function:first", f"us-east-1:{account.id}:first", "function:first"):
        assert functions.client.get_function_configuration(FunctionName=name)["FunctionArn"] == arn
    latest = functions.client.get_function_configuration(FunctionName="first", Qualifier="$LATEST")
    assert latest["FunctionArn"] == f"{arn}:$LATEST"


def test_the_archive_is_where_its_location_says(functions: Any, zipped: Any) -> None:
    created = functions.create("kept")
    location = functions.client.get_function(FunctionName="kept")["Code"]["Location"]
    with urlopen(location, timeout=10) as response:
        content = response.read()
    assert base64.b64encode(hashlib.sha256(content).digest()).decode() == created["CodeSha256"]
    assert len(content) == created["CodeSize"]


def test_code_and_configuration_change(functions: Any, zipped: Any) -> None:
    created = functions.create("changing", "import os\ndef handler(e, c): return os.environ.get('WHO')\n")
    changed = functions.client.update_function_configuration(
        FunctionName="changing", Environment={"Variables": {"WHO": "you"}}, Timeout=10, Description="new"
    )
    assert (changed["State"], changed["LastUpdateStatus"]) == ("Active", "InProgress")
    functions.settled("changing")
    assert functions.invoke("changing") == "you"
    updated = functions.client.update_function_code(
        FunctionName="changing", ZipFile=zipped({"app.py": "def handler(e, c): return 'other'\n"})
    )
    assert updated["CodeSha256"] != created["CodeSha256"]
    functions.settled("changing")
    assert functions.invoke("changing") == "other"
    dry = functions.client.update_function_code(
        FunctionName="changing", ZipFile=zipped({"app.py": "broken"}), DryRun=True
    )
    assert dry["CodeSha256"] != updated["CodeSha256"]
    assert functions.invoke("changing") == "other"


def test_code_from_s3(functions: Any, account: Any, zipped: Any) -> None:
    s3 = account.client("s3")
    bucket = f"code-{account.id}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a/b.zip", Body=zipped({"app.py": "def handler(e, c): return 's3'\n"}))
    common = {"Role": functions.default_role(), "Runtime": "python3.11", "Handler": "app.handler"}
    functions.client.create_function(FunctionName="s3", Code={"S3Bucket": bucket, "S3Key": "a/b.zip"}, **common)
    assert functions.invoke("s3") == "s3"
    with pytest.raises(ClientError) as error:
        functions.client.create_function(FunctionName="t", Code={"S3Bucket": bucket, "S3Key": "none"}, **common)
    assert code_of(error) == (
        "InvalidParameterValueException",
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
    )
    with pytest.raises(ClientError) as error:
        functions.client.update_function_code(FunctionName="s3", S3Bucket=f"{bucket}-none", S3Key="none")
    assert code_of(error)[1] == (
        "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not"
        " exist"
    )


def test_revisions_guard_changes(functions: Any) -> None:
    functions.create("guarded")
    with pytest.raises(ClientError) as error:
        functions.client.update_function_configuration(
            FunctionName="guarded", Timeout=4, RevisionId="00000000-0000-4000-8000-000000000000"
        )
    assert code_of(error) == (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve"
        " the latest Revision Id",
    )


def test_tags_leave_another_revision_and_the_environment_as_it_is(functions: Any) -> None:
    source = "count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    return count\n"
    arn = functions.create("marked", source)["FunctionArn"]
    assert functions.invoke("marked") == 1
    revisions = []
    for change in (
        lambda: functions.client.tag_resource(Resource=arn, Tags={"a": "1"}),
        lambda: functions.client.untag_resource(Resource=arn, TagKeys=["a"]),
        lambda: None,
    ):
        revisions.append(functions.client.get_function_configuration(FunctionName="marked")["RevisionId"])
        change()
    assert len(set(revisions)) == 3
    assert functions.invoke("marked") == 2


def test_functions_are_listed_and_deleted(functions: Any, account: Any) -> None:
    for name in ("list-a", "list-b", "list-c"):
        functions.create(name, Publish=name == "list-b")
    pages = functions.client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    found = [function for page in pages for function in page["Functions"]]
    assert [function["FunctionName"] for function in found] == ["list-a", "list-b", "list-c"]
    assert not {"State", "LastUpdateStatus", "RuntimeVersionConfig"} & set(found[0])
    every = functions.client.list_functions(FunctionVersion="ALL")["Functions"]
    assert [function["FunctionArn"].rpartition(":function:")[2] for function in every] == [
        "list-a:$LATEST", "list-b:$LATEST", "list-b:1", "list-c:$LATEST",
    ]  # fmt: skip
    functions.client.delete_function(FunctionName="list-b")
    with pytest.raises(ClientError) as error:
        functions.client.get_function(FunctionName="list-b")
    assert code_of(error) == (
        "ResourceNotFoundException",
        f"Function not found: arn:aws:lambda:us-east-1:{account.id}:function:list-b",
    )


# (operation, arguments, code, message); {arn} stands for the account's functions.
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "get_function",
        {"FunctionName": "missing", "Qualifier": "12"},
        "ResourceNotFoundException",
        "Function not found: {arn}:missing:12",
    ),
    (
        "get_function",
        {"FunctionName": "{arn}:missing:alias", "Qualifier": "other"},
        "InvalidParameterValueException",
        "The derived qualifier from the function name does not match the specified qualifier.",
    ),
    (
        "get_function",
        {"FunctionName": "arn:aws:lambda:eu-central-1:{account}:function:missing"},
        "ResourceNotFoundException",
        "Functions from 'eu-central-1' are not reachable in this region ('us-east-1')",
    ),
    (
        "delete_function",
        {"FunctionName": "missing", "Qualifier": "$LATEST"},
        "InvalidParameterValueException",
        "$LATEST version cannot be deleted without deleting the function.",
    ),
    (
        "get_function_concurrency",
        {"FunctionName": "{arn}:missing:1"},
        "InvalidParameterValueException",
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation."
        " Please specify either a function name or an unqualified function ARN.",
    ),
    (
        "put_function_concurrency",
        {"FunctionName": "missing", "ReservedConcurrentExecutions": 1},
        "ResourceNotFoundException",
        "Function not found: {arn}:missing:$LATEST",
    ),
    (
        "get_policy",
        {"FunctionName": "missing"},
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
    ),
    (
        "remove_permission",
        {"FunctionName": "missing", "StatementId": "s"},
        "ResourceNotFoundException",
        "No policy found for: {arn}:missing",
    ),
    (
        "list_tags",
        {"Resource": "{arn}:missing:alias"},
        "InvalidParameterValueException",
        "Tags on function aliases and versions are not supported. Please specify a function ARN.",
    ),
    ("list_tags", {"Resource": "{arn}:missing"}, "ResourceNotFoundException", "Function not found: {arn}:missing"),
    (
        "get_function_event_invoke_config",
        {"FunctionName": "missing"},
        "ResourceNotFoundException",
        "The function {arn}:missing:$LATEST doesn't have an EventInvokeConfig",
    ),
    (
        "put_function_event_invoke_config",
        {"FunctionName": "missing"},
        "InvalidParameterValueException",
        "You must specify at least one of error handling or destination setting.",
    ),
    (
        "get_provisioned_concurrency_config",
        {"FunctionName": "missing", "Qualifier": "noalias"},
        "ResourceNotFoundException",
        "Cannot find alias arn: {arn}:missing:noalias",
    ),
    (
        "get_provisioned_concurrency_config",
        {"FunctionName": "missing", "Qualifier": "$LATEST"},
        "InvalidParameterValueException",
        "The function resource provided must be an alias or a published version.",
    ),
    (
        "get_layer_version",
        {"LayerName": "none", "VersionNumber": 0},
        "InvalidParameterValueException",
        "Layer Version Cannot be less than 1",
    ),
    (
        "get_function_url_config",
        {"FunctionName": "missing"},
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
    ),
    (
        "get_event_source_mapping",
        {"UUID": "00000000-0000-4000-8000-000000000000"},
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
    ),
    (
        "invoke",
        {"FunctionName": "missing"},
        "ResourceNotFoundException",
        "Function not found: {arn}:missing:$LATEST",
    ),
    (
        "create_alias",
        {"FunctionName": "missing", "Name": "live", "FunctionVersion": "1"},
        "ResourceNotFoundException",
        "Function not found: {arn}:missing:1",
    ),
    (
        "untag_resource",
        {"Resource": "{arn}:missing", "TagKeys": []},
        "ValidationException",
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null",
    ),
    (
        "create_alias",
        {"FunctionName": "missing", "Name": "live", "FunctionVersion": "1",
         "RoutingConfig": {"AdditionalVersionWeights": {"2": 2.0}}},
        "ValidationException",
        "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy"
        " constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must"
        " have value greater than or equal to 0.0]",
    ),
    (
        "create_alias",
        {"FunctionName": "missing", "Name": "live", "FunctionVersion": "1",
         "RoutingConfig": {"AdditionalVersionWeights": {"$LATEST": 0.5}}},
        "ValidationException",
        "1 validation error detected: Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to"
        " satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024,"
        " Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "arguments", "code", "message"), REFUSED)
def test_what_is_refused_is_refused_in_the_words_of_aws(
    shared: Any, operation: str, arguments: dict[str, Any], code: str, message: str
) -> None:
    account = shared.account
    arn = f"arn:aws:lambda:us-east-1:{account.id}:function"

    def filled(text: Any) -> Any:
        return text.replace("{arn}", arn).replace("{account}", account.id) if isinstance(text, str) else text

    with pytest.raises(ClientError) as error:
        getattr(shared.client, operation)(**{key: filled(value) for key, value in arguments.items()})
    assert code_of(error) == (code, filled(message))


CREATE_REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"Code": {"ZipFile": b"this is no archive"}},
        "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    ),
    (
        {"Code": {"ZipFile": b"PK\x03\x04" + b"\0" * 52_428_800}},
        "RequestEntityTooLargeException",
        "Zipped size must be smaller than 52428800 bytes",
    ),
    (
        {"Runtime": "python3.7"},
        "InvalidParameterValueException",
        "The runtime parameter of python3.7 is no longer supported for creating or updating AWS Lambda functions. We"
        " recommend you use a supported runtime while creating or updating functions.",
    ),
    (
        {"Runtime": "PYTHON3.11"},
        "InvalidParameterValueException",
        "Value PYTHON3.11 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [python3.11,",
    ),
    (
        {"Runtime": "ruby3.4"},
        "InvalidParameterValueException",
        "Value ruby3.4 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [python3.11,",
    ),
    (
        {"Architectures": ["X86_64"]},
        "ValidationException",
        "1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must"
        " satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]",
    ),
    (
        {"Code": {"ZipFile": b"PK\x03\x04" + b"\0" * 70_167_211}},
        "RequestEntityTooLargeException",
        "Request must be smaller than 70167211 bytes for the CreateFunction operation",
    ),
    (
        {"Environment": {"Variables": {"LARGE": "x" * 4090}}},
        "InvalidParameterValueException",
        "Lambda was unable to configure your environment variables because the environment variables you have provided"
        ' exceeded the 4KB limit. String measured: {"LARGE":"' + "x" * 4090 + '"}',
    ),
    (
        {"Environment": {"Variables": {"AWS_REGION": "x"}}},
        "InvalidParameterValueException",
        "Lambda was unable to configure your environment variables because the environment variables you have provided"
        " contains reserved keys that are currently not supported for modification. Reserved keys used in this request:"
        " AWS_REGION",
    ),
    (
        {"FunctionName": "a" * 65},
        "InvalidParameterValueException",
        f"1 validation error detected: Value '{'a' * 65}' at 'functionName' failed to satisfy constraint: Member must"
        " have length less than or equal to 64",
    ),
    (
        {"Timeout": 901},
        "ValidationException",
        "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value"
        " less than or equal to 900",
    ),
    (
        {"Tags": {str(n): "" for n in range(51)}},
        "InvalidParameterValueException",
        "Number of tags exceeds resource tag limit.",
    ),
    (
        {"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:none:1"]},
        "InvalidParameterValueException",
        "Layer version arn:aws:lambda:us-east-1:123456789012:layer:none:1 does not exist.",
    ),
    (
        {"Layers": [f"arn:aws:lambda:us-east-1:123456789012:layer:l{n}:1" for n in range(6)]},
        "InvalidParameterValueException",
        "Cannot reference more than 5 layers.",
    ),
    ({"VpcConfig": {"SubnetIds": ["subnet-1"]}}, "NotImplemented", "Pileus does not implement VpcConfig: functions"),
    ({"CodeSigningConfigArn": "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-00000000000000000"},
     "NotImplemented", "Pileus does not implement CodeSigningConfigArn"),
    ({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:dead"}},
     "NotImplemented", "Pileus does not implement DeadLetterConfig: AWS knows SQS and SNS targets"),
    ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, "NotImplemented", "Pileus does not implement SnapStart"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code", "message"), CREATE_REFUSED, ids=[str(i) for i in range(len(CREATE_REFUSED))]
)
def test_a_function_that_cannot_be_is_refused(
    shared: Any, zipped: Any, change: dict[str, Any], code: str, message: str
) -> None:
    functions, account = shared, shared.account
    if "Layers" in change:
        change = {"Layers": [layer.replace("123456789012", account.id) for layer in change["Layers"]]}
        message = message.replace("123456789012", account.id)
    arguments = {
        "FunctionName": "refused",
        "Role": functions.default_role(),
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped({"app.py": ""})},
        **change,
    }
    with pytest.raises(ClientError) as error:
        functions.client.create_function(**arguments)
    found = code_of(error)
    assert found[0] == code
    assert found[1].startswith(message)
    assert functions.client.list_functions()["Functions"] == []


def test_the_role_must_trust_lambda_and_be_one_that_the_caller_may_pass(
    functions: Any, account: Any, zipped: Any
) -> None:
    iam = account.client("iam")
    document = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}  # fmt: skip
    iam.create_role(RoleName="foreign", AssumeRolePolicyDocument=json.dumps(document))
    create = {"Runtime": "python3.11", "Handler": "app.handler", "Code": {"ZipFile": zipped({"app.py": ""})}}
    with pytest.raises(ClientError) as error:
        functions.client.create_function(FunctionName="f", Role=f"arn:aws:iam::{account.id}:role/foreign", **create)
    assert code_of(error) == (
        "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.",
    )  # fmt: skip
    iam.create_user(UserName="builder")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="builder", PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="builder")["AccessKey"]
    builder = account.client("lambda").__class__  # the same operations, another signer
    assert builder
    limited = type(account)(account.endpoint, account.id, key["AccessKeyId"], key["SecretAccessKey"]).client("lambda")
    with pytest.raises(ClientError) as error:
        limited.create_function(FunctionName="f", Role=functions.default_role(), **create)
    assert code_of(error)[0] == "AccessDeniedException"
    assert "iam:PassRole" in code_of(error)[1]


def test_a_function_survives_a_crash(fresh_cloud: Any, zipped: Any) -> None:
    root = fresh_cloud.root
    client, iam = root.client("lambda"), root.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}  # fmt: skip
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    client.create_function(
        FunctionName="lasting",
        Role=role,
        Runtime="python3.11",
        Handler="app.handler",
        Code={"ZipFile": zipped({"app.py": "def handler(e, c): return 'still here'\n"})},
    )
    fresh_cloud.kill()
    fresh_cloud.start()
    for _ in range(50):
        if client.get_function_configuration(FunctionName="lasting")["State"] == "Active":
            break
        time.sleep(0.05)
    assert json.loads(client.invoke(FunctionName="lasting")["Payload"].read()) == "still here"
