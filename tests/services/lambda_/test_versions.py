"""Versions, aliases with weights, and concurrency."""

from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

WHICH = "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_FUNCTION_VERSION']\n"


def refused(call: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


@pytest.fixture
def published(functions: Any, zipped: Any) -> Any:
    """A function with versions 1 and 2."""
    functions.create("many", WHICH)
    functions.client.publish_version(FunctionName="many", Description="one")
    functions.client.update_function_code(FunctionName="many", ZipFile=zipped({"app.py": WHICH, "two": "2"}))
    functions.settled("many")
    functions.client.publish_version(FunctionName="many")
    return functions


def test_versions_never_change(published: Any) -> None:
    client = published.client
    assert [published.invoke("many", Qualifier=qualifier) for qualifier in ("1", "2", "$LATEST")] == [
        "1",
        "2",
        "$LATEST",
    ]
    assert client.publish_version(FunctionName="many")["Version"] == "2", "nothing changed"
    listed = client.list_versions_by_function(FunctionName="many")["Versions"]
    assert [version["Version"] for version in listed] == ["$LATEST", "1", "2"]
    assert listed[1]["Description"] == "one"
    assert listed[1]["CodeSha256"] != listed[2]["CodeSha256"]
    code, message = refused(client.publish_version, FunctionName="many", CodeSha256="wrong")
    assert code == "InvalidParameterValueException"
    assert message.startswith("CodeSHA256 (wrong) is different from current CodeSHA256 in $LATEST (")
    client.delete_function(FunctionName="many", Qualifier="1")
    code, message = refused(client.invoke, FunctionName="many", Qualifier="1")
    assert (code, message) == (
        "ResourceNotFoundException",
        f"Function not found: arn:aws:lambda:us-east-1:{published.account.id}:function:many:1",
    )
    client.update_function_configuration(FunctionName="many", Description="changed")
    published.settled("many")
    assert client.publish_version(FunctionName="many")["Version"] == "3", "numbers are not given twice"


def test_aliases_share_invocations_by_weight(published: Any) -> None:
    client = published.client
    arn = f"arn:aws:lambda:us-east-1:{published.account.id}:function:many"
    made = client.create_alias(
        FunctionName="many", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )
    assert made["AliasArn"] == f"{arn}:live"
    assert client.get_function(FunctionName="many:live")["Configuration"]["FunctionArn"] == f"{arn}:live"
    seen = Counter(published.invoke("many:live") for _ in range(60))
    assert set(seen) == {"1", "2"}
    assert client.invoke(FunctionName="many:live")["ExecutedVersion"] in ("1", "2")
    client.update_alias(FunctionName="many", Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    assert {published.invoke("many:live") for _ in range(10)} == {"1"}
    assert refused(client.delete_function, FunctionName="many", Qualifier="1")[0] == "ResourceConflictException"
    for routing, message in (
        ({"1": 0.1}, "Invalid function version 1. Function version 1 is already included in routing configuration."),
        ({"2": 0.1, "3": 0.1}, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
        ({"9": 0.1}, f"Function not found: {arn}:9"),
    ):
        assert (
            refused(client.update_alias, FunctionName="many", Name="live",
                    RoutingConfig={"AdditionalVersionWeights": routing})[1] == message
        )  # fmt: skip
    assert refused(client.create_alias, FunctionName="many", Name="live", FunctionVersion="1") == (
        "ResourceConflictException", f"Alias already exists: {arn}:live",
    )  # fmt: skip
    client.delete_alias(FunctionName="many", Name="live")
    assert refused(client.get_alias, FunctionName="many", Name="live") == (
        "ResourceNotFoundException", f"Cannot find alias arn: {arn}:live",
    )  # fmt: skip


def test_reserved_concurrency_limits_and_throttles(functions: Any) -> None:
    functions.create("reserved")
    client = functions.client
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName="reserved")
    client.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as error:
        client.invoke(FunctionName="reserved")
    response = error.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert response["Error"]["Code"] == "TooManyRequestsException"
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    client.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=5)
    assert functions.invoke("reserved", 1) == 1
    settings = client.get_account_settings()
    assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 995
    assert settings["AccountUsage"]["FunctionCount"] == 1
    assert refused(client.put_function_concurrency, FunctionName="reserved", ReservedConcurrentExecutions=901)[1] == (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below"
        " its minimum value of [100]."
    )
    client.delete_function_concurrency(FunctionName="reserved")
    assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000


def test_provisioned_concurrency_is_kept_ready(published: Any) -> None:
    client = published.client
    asked = client.put_provisioned_concurrency_config(
        FunctionName="many", Qualifier="1", ProvisionedConcurrentExecutions=2
    )
    assert (asked["Status"], asked["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 2)
    for _ in range(200):
        shown = client.get_provisioned_concurrency_config(FunctionName="many", Qualifier="1")
        if shown["Status"] == "READY":
            break
    assert (shown["Status"], shown["AllocatedProvisionedConcurrentExecutions"]) == ("READY", 2)
    client.put_function_concurrency(FunctionName="many", ReservedConcurrentExecutions=2)
    with pytest.raises(client.exceptions.TooManyRequestsException) as error:  # all is kept for version 1
        client.invoke(FunctionName="many")
    assert error.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert published.invoke("many", Qualifier="1") == "1"
    client.put_function_concurrency(FunctionName="many", ReservedConcurrentExecutions=3)
    assert published.invoke("many") == "$LATEST"
    client.create_alias(FunctionName="many", Name="a", FunctionVersion="1")
    assert refused(
        client.put_provisioned_concurrency_config,
        FunctionName="many",
        Qualifier="a",
        ProvisionedConcurrentExecutions=1,
    ) == (
        "ResourceConflictException",
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
    )
    assert refused(client.put_function_concurrency, FunctionName="many", ReservedConcurrentExecutions=1)[1] == (
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."
    )
    client.delete_provisioned_concurrency_config(FunctionName="many", Qualifier="1")
    assert client.list_provisioned_concurrency_configs(FunctionName="many")["ProvisionedConcurrencyConfigs"] == []
