"""The parameter store, with boto3 against the running cloud."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pileus.testing import Account, Cloud
from stacks import refused


@pytest.fixture
def client(account: Account) -> Any:
    return account.client("ssm")


def names(answer: dict[str, Any]) -> list[str]:
    return [parameter["Name"] for parameter in answer["Parameters"]]


def test_a_parameter_lives(account: Account, client: Any) -> None:
    made = client.put_parameter(Name="/app/url", Value="one", Type="String", Description="d")
    assert (made["Version"], made["Tier"]) == (1, "Standard")
    found = client.get_parameter(Name="/app/url")["Parameter"]
    assert found.pop("LastModifiedDate")
    assert found == {
        "Name": "/app/url", "Type": "String", "Value": "one", "Version": 1, "DataType": "text",
        "ARN": f"arn:aws:ssm:us-east-1:{account.id}:parameter/app/url",
    }  # fmt: skip
    assert refused(client.put_parameter, Name="/app/url", Value="two", Type="String")[0] == "ParameterAlreadyExists"
    assert client.put_parameter(Name="/app/url", Value="two", Overwrite=True)["Version"] == 2
    arn = found["ARN"]
    for name, value in (("/app/url", "two"), ("/app/url:1", "one"), (arn, "two"), (f"{arn}:1", "one")):
        assert client.get_parameter(Name=name)["Parameter"]["Value"] == value, name
    assert client.get_parameter(Name="/app/url:1")["Parameter"]["Selector"] == ":1"
    assert refused(client.get_parameter, Name="/app/url:9")[0] == "ParameterVersionNotFound"
    history = client.get_parameter_history(Name="/app/url", MaxResults=1)
    assert [one["Value"] for one in history["Parameters"]] == ["one"]
    rest = client.get_parameter_history(Name="/app/url", NextToken=history["NextToken"])
    assert [(one["Value"], one["Description"]) for one in rest["Parameters"]] == [("two", "d")]
    client.delete_parameter(Name="/app/url")
    assert refused(client.get_parameter, Name="/app/url")[0] == "ParameterNotFound"
    assert refused(client.delete_parameter, Name="/app/url")[0] == "ParameterNotFound"


def test_many_parameters_are_found(client: Any) -> None:
    for name in ("/a/b/1", "/a/b/2", "/a/c", "/ab", "plain"):
        client.put_parameter(Name=name, Value=name, Type="StringList" if name == "plain" else "String")
    assert names(client.get_parameters_by_path(Path="/a")) == ["/a/c"]
    assert names(client.get_parameters_by_path(Path="/a/", Recursive=True)) == ["/a/b/1", "/a/b/2", "/a/c"]
    pages = client.get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True, MaxResults=1)
    assert [names(page) for page in pages][:2] == [["/a/b/1"], ["/a/b/2"]]
    several = client.get_parameters(Names=["/ab", "none", "plain"])
    assert (names(several), several["InvalidParameters"]) == (["/ab", "plain"], ["none"])

    def described(*filters: tuple[str, str, str]) -> list[str]:
        given = [{"Key": key, "Option": option, "Values": [value]} for key, option, value in filters]
        return names(client.describe_parameters(ParameterFilters=given))

    assert described() == ["/a/b/1", "/a/b/2", "/a/c", "/ab", "plain"]
    assert described(("Name", "BeginsWith", "/a/b"), ("Name", "Contains", "2")) == ["/a/b/2"]
    assert described(("Path", "OneLevel", "/a")) == ["/a/c"]
    assert described(("Type", "Equals", "StringList")) == ["plain"]
    deleted = client.delete_parameters(Names=["/ab", "none"])
    assert (deleted["DeletedParameters"], deleted["InvalidParameters"]) == (["/ab"], ["none"])


def test_secrets_are_sealed_on_disk(cloud: Cloud, account: Account, client: Any) -> None:
    client.put_parameter(Name="/secret", Value="open sesame", Type="SecureString")
    assert client.get_parameter(Name="/secret", WithDecryption=True)["Parameter"]["Value"] == "open sesame"
    assert "sesame" not in client.get_parameter(Name="/secret")["Parameter"]["Value"]
    assert client.describe_parameters()["Parameters"][0]["KeyId"] == "alias/aws/ssm"
    for path in cloud.data.rglob("*"):
        assert not path.is_file() or b"open sesame" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"Name": "aws/x"}, "ValidationException"),
        ({"Name": "/ssm-x"}, "ValidationException"),
        ({"Name": "a b"}, "ValidationException"),
        ({"Name": "a//b"}, "ValidationException"),
        ({"Name": "a/b"}, "ValidationException"),
        ({"Name": "/" + "/".join("a" * 16)}, "HierarchyLevelLimitExceededException"),
        ({"Value": "x" * 4097}, "ValidationException"),
        ({"Tier": "Advanced"}, "NotImplemented"),
        ({"AllowedPattern": "a"}, "NotImplemented"),
        ({"Tags": [{"Key": "aws:x", "Value": "1"}]}, "ValidationException"),
    ],
)
def test_what_cannot_be_is_refused(client: Any, request_: dict[str, Any], code: str) -> None:
    request = {"Name": "/a", "Value": "1", "Type": "String"} | request_
    assert refused(client.put_parameter, **request)[0] == code
    assert client.describe_parameters()["Parameters"] == []


def test_a_type_is_required_at_first(client: Any) -> None:
    assert refused(client.put_parameter, Name="a", Value="1") == (
        "ValidationException", "A parameter type is required when you create a parameter.",
    )  # fmt: skip


def test_tags(client: Any) -> None:
    client.put_parameter(Name="/t", Value="1", Type="String", Tags=[{"Key": "team", "Value": "blue"}])
    resource = {"ResourceType": "Parameter", "ResourceId": "/t"}
    client.add_tags_to_resource(**resource, Tags=[{"Key": "more", "Value": "2"}])
    client.remove_tags_from_resource(**resource, TagKeys=["team"])
    assert client.list_tags_for_resource(**resource)["TagList"] == [{"Key": "more", "Value": "2"}]
    missing = {"ResourceType": "Parameter", "ResourceId": "/none"}
    assert refused(client.list_tags_for_resource, **missing)[0] == "InvalidResourceId"


def test_policies_say_who_reads_what(account: Account, client: Any) -> None:
    for name in ("/open/a", "/closed/a"):
        client.put_parameter(Name=name, Value="1", Type="String")
    iam = account.client("iam")
    iam.create_user(UserName="reader")
    resource = f"arn:aws:ssm:us-east-1:{account.id}:parameter/open"
    may = {"Effect": "Allow", "Action": "ssm:Get*", "Resource": [resource, f"{resource}/*"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    account.access_key_id, account.secret_access_key = key["AccessKeyId"], key["SecretAccessKey"]
    reader = account.client("ssm")
    assert reader.get_parameter(Name="/open/a")["Parameter"]["Value"] == "1"
    assert names(reader.get_parameters_by_path(Path="/open")) == ["/open/a"]
    denied: list[tuple[Any, dict[str, Any]]] = [
        (reader.get_parameter, {"Name": "/closed/a"}),
        (reader.get_parameters, {"Names": ["/open/a", "/closed/a"]}),
        (reader.get_parameters_by_path, {"Path": "/"}),
        (reader.put_parameter, {"Name": "/open/b", "Value": "1", "Type": "String"}),
    ]
    for call, request in denied:
        assert refused(call, **request)[0] == "AccessDeniedException"
