"""Rules about parameters, parameters that lie in the parameter store, and resources that are not made."""

from __future__ import annotations

from typing import Any

import pytest

from pileus.services.cloudformation import rules
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.intrinsics import Scope
from pileus.services.cloudformation.sections import read
from pileus.testing import Account
from stacks import group, made, refused, template, wait

SCOPE = Scope("us-east-1", "1", parameters={"P": "a", "List": ["a", "b"]})


@pytest.mark.parametrize(
    ("assertion", "holds"),
    [
        ({"Fn::Contains": [["a", "b"], {"Ref": "P"}]}, True),
        ({"Fn::Contains": [["b"], {"Ref": "P"}]}, False),
        ({"Fn::Not": [{"Fn::Contains": [["b"], {"Ref": "P"}]}]}, True),
        ({"Fn::EachMemberIn": [{"Ref": "List"}, ["a", "b", "c"]]}, True),
        ({"Fn::EachMemberIn": [{"Ref": "List"}, ["a"]]}, False),
        ({"Fn::EachMemberEquals": [{"Ref": "List"}, "a"]}, False),
        ({"Fn::EachMemberEquals": [["a", "a"], {"Ref": "P"}]}, True),
        ({"Fn::And": [{"Fn::Equals": [{"Ref": "P"}, "a"]}, {"Fn::Contains": [["b"], "b"]}]}, True),
        ({"Fn::Or": [{"Fn::Equals": [{"Ref": "P"}, "b"]}, {"Fn::Contains": [["b"], "a"]}]}, False),
    ],
)
def test_an_assertion_holds_or_its_description_is_told(assertion: Any, holds: bool) -> None:
    rule = {"Assertions": [{"Assert": assertion, "AssertDescription": "P is not right"}]}
    made = read({"Resources": {"A": group()}, "Rules": {"R": rule}})
    if holds:
        rules.check(made, SCOPE)
    else:
        with pytest.raises(TemplateError, match="P is not right"):
            rules.check(made, SCOPE)
        skipped = {"RuleCondition": {"Fn::Equals": [{"Ref": "P"}, "z"]}} | rule
        rules.check(read({"Resources": {"A": group()}, "Rules": {"R": skipped}}), SCOPE)


@pytest.mark.parametrize(
    "rule",
    [1, {}, {"Assertions": {}}, {"Assertions": [{}]}, {"Assertions": [], "Else": 1},
     {"Assertions": [{"Assert": True, "AssertDescription": 1}]}],
)  # fmt: skip
def test_rules_have_their_shape(rule: Any) -> None:
    with pytest.raises(TemplateError):
        read({"Resources": {"A": group()}, "Rules": {"R": rule}})


@pytest.mark.parametrize(
    "assertion",
    [True, {"Fn::Contains": []}, {"Fn::Contains": [["a"]]}, {"Fn::Contains": [[["a"]], "a"]}, {"Fn::Sub": "a"}],
)
def test_what_is_no_assertion_is_refused(assertion: Any) -> None:
    made = read({"Resources": {"A": group()}, "Rules": {"R": {"Assertions": [{"Assert": assertion}]}}})
    with pytest.raises(TemplateError):
        rules.check(made, SCOPE)


def test_parameters_lie_in_the_parameter_store(account: Account) -> None:
    client, ssm = account.client("cloudformation"), account.client("ssm")
    body = template(
        {"A": group(RetentionInDays={"Ref": "Days"}), "Kept": {"Type": "AWS::SSM::Parameter", "Properties": {
            "Type": "String", "Value": {"Ref": "Days"}, "Tags": {"team": "blue"},
        }}},
        Parameters={"Days": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/days"}},
        Rules={"Short": {"Assertions": [{"Assert": {"Fn::Contains": [["1", "3"], {"Ref": "Days"}]},
                                         "AssertDescription": "Days must be few."}]}},
        Outputs={"Value": {"Value": {"Fn::GetAtt": ["Kept", "Value"]}}, "Name": {"Value": {"Ref": "Kept"}}},
    )  # fmt: skip
    code, said = refused(client.create_stack, StackName="one", TemplateBody=body)
    assert code == "ValidationError"
    assert said.startswith("Unable to fetch parameters [/days] from parameter store for this account.")
    ssm.put_parameter(Name="/days", Value="7", Type="String")
    assert "Days must be few." in refused(client.create_stack, StackName="one", TemplateBody=body)[1]
    ssm.put_parameter(Name="/days", Value="1", Overwrite=True)
    stack = made(client, "one", body, Tags=[{"Key": "stack", "Value": "tag"}])
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Parameters"] == [{"ParameterKey": "Days", "ParameterValue": "/days", "ResolvedValue": "1"}]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
    assert outputs["Value"] == ssm.get_parameter(Name=outputs["Name"])["Parameter"]["Value"] == "1"
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=outputs["Name"])["TagList"]
    pairs = {tag["Key"]: tag["Value"] for tag in tags}
    assert (pairs["team"], pairs["stack"], pairs["aws:cloudformation:logical-id"]) == ("blue", "tag", "Kept")
    # The value is another now: the next update looks it up.
    ssm.put_parameter(Name="/days", Value="3", Overwrite=True)
    client.update_stack(StackName="one", UsePreviousTemplate=True)
    updated = wait(client, "one")
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert updated["Parameters"][0]["ResolvedValue"] == "3"


def test_an_output_cannot_tell_of_a_resource_that_is_not_made(account: Account) -> None:
    client = account.client("cloudformation")
    told = {"Value": {"Ref": "A"}}

    def body(**outputs: Any) -> str:
        return template(
            {"A": group() | {"Condition": "Never"}, "B": group()},
            Conditions={"Never": {"Fn::Equals": ["a", "b"]}}, Outputs=outputs,
        )  # fmt: skip

    code, said = refused(client.create_stack, StackName="one", TemplateBody=body(Told=told))
    assert code == "ValidationError"
    assert said.startswith(
        "Template format error: Unresolved resource dependencies [A] in the Outputs block of the template"
    )
    chosen = {"Value": {"Fn::If": ["Never", {"Ref": "A"}, "none"]}}
    stack = made(client, "one", body(Told=told | {"Condition": "Never"}, Chosen=chosen))
    assert [item["OutputValue"] for item in stack["Outputs"]] == ["none"]


def test_a_resource_that_is_not_made_may_be_of_a_type_that_there_is_not(account: Account) -> None:
    client = account.client("cloudformation")
    key = {"Type": "AWS::KMS::Key", "Condition": "Own", "Properties": {"Any": 1}}
    body = template(
        {"A": group(KmsKeyId={"Fn::If": ["Own", {"Fn::GetAtt": ["Key", "Arn"]}, {"Ref": "AWS::NoValue"}]}), "Key": key},
        Parameters={"Own": {"Type": "String", "Default": "no"}},
        Conditions={"Own": {"Fn::Equals": [{"Ref": "Own"}, "yes"]}},
    )
    body = body.replace('"KmsKeyId"', '"LogGroupName"')
    assert made(client, "one", body)["StackStatus"] == "CREATE_COMPLETE"
    wanted = [{"ParameterKey": "Own", "ParameterValue": "yes"}]
    code, said = refused(client.create_stack, StackName="two", TemplateBody=body, Parameters=wanted)
    assert (code, said.split(" (")[0]) == (
        "ValidationError", "Template format error: Unrecognized resource types: [AWS::KMS::Key]",
    )  # fmt: skip
