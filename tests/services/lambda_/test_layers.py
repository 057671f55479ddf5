"""Layers: published, attached, shared, deleted."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError


def publish(client: Any, zipped: Any, name: str, text: str = "1", **options: Any) -> dict[str, Any]:
    content = {"ZipFile": zipped({"python/shared_words.py": f"WORD = {text!r}\n"})}
    answer: dict[str, Any] = client.publish_layer_version(LayerName=name, Content=content, **options)
    return answer


def test_a_layer_is_there_for_its_functions(functions: Any, zipped: Any) -> None:
    client = functions.client
    first = publish(client, zipped, "words", "hello", CompatibleRuntimes=["python3.11"], Description="d")
    assert (first["Version"], first["LayerVersionArn"]) == (
        1, f"arn:aws:lambda:us-east-1:{functions.account.id}:layer:words:1",
    )  # fmt: skip
    created = functions.create(
        "using", "import shared_words\ndef handler(e, c): return shared_words.WORD\n", Layers=[first["LayerVersionArn"]]
    )
    assert created["Layers"] == [{"Arn": first["LayerVersionArn"], "CodeSize": first["Content"]["CodeSize"]}]
    assert functions.invoke("using") == "hello"
    second = publish(client, zipped, "words", "other")
    client.update_function_configuration(FunctionName="using", Layers=[second["LayerVersionArn"]])
    functions.settled("using")
    assert functions.invoke("using") == "other"
    client.delete_layer_version(LayerName="words", VersionNumber=2)
    functions.client.update_function_configuration(FunctionName="using", Description="again")
    functions.settled("using")
    assert functions.invoke("using") == "other", "a function keeps the layers that it has"
    assert [version["Version"] for version in client.list_layer_versions(LayerName="words")["LayerVersions"]] == [1]
    assert publish(client, zipped, "words", "third")["Version"] == 3, "numbers are not given twice"
    (layer,) = client.list_layers()["Layers"]
    assert layer["LatestMatchingVersion"]["Version"] == 3
    assert client.list_layers(CompatibleRuntime="nodejs20.x")["Layers"] == []


def test_two_versions_of_a_layer_do_not_go_together(functions: Any, zipped: Any) -> None:
    arns = [publish(functions.client, zipped, "twice", str(number))["LayerVersionArn"] for number in range(2)]
    with pytest.raises(ClientError) as error:
        functions.create("both", Layers=arns)
    assert error.value.response["Error"]["Message"] == (
        "Two different versions of the same layer are not allowed to be referenced in the same function."
        f" {arns[0]} and {arns[1]} are versions of the same layer."
    )


def test_another_account_needs_the_layers_permission(cloud: Any, functions: Any, zipped: Any) -> None:
    client = functions.client
    made = publish(client, zipped, "lent", "lent")
    other = cloud.create_account()
    reader = other.client("lambda")
    with pytest.raises(ClientError) as error:
        reader.get_layer_version_by_arn(Arn=made["LayerVersionArn"])
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    added = client.add_layer_version_permission(
        LayerName="lent", VersionNumber=1, StatementId="s1", Action="lambda:GetLayerVersion", Principal="*"
    )
    assert json.loads(added["Statement"]) == {
        "Sid": "s1", "Effect": "Allow", "Principal": "*", "Action": "lambda:GetLayerVersion",
        "Resource": made["LayerVersionArn"],
    }  # fmt: skip
    assert reader.get_layer_version_by_arn(Arn=made["LayerVersionArn"])["Version"] == 1
    with pytest.raises(ClientError) as error:
        client.remove_layer_version_permission(LayerName="lent", VersionNumber=1, StatementId="none")
    assert error.value.response["Error"]["Message"] == "Statement none is not found in resource policy."
    client.remove_layer_version_permission(
        LayerName="lent", VersionNumber=1, StatementId="s1", RevisionId=added["RevisionId"]
    )
    with pytest.raises(ClientError):
        reader.get_layer_version_by_arn(Arn=made["LayerVersionArn"])
