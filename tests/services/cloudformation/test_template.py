"""What a template may say, and what it asks for."""

from __future__ import annotations

from typing import Any

import pytest

from pileus.services.cloudformation.documents import TemplateError, parse
from pileus.services.cloudformation.intrinsics import Scope
from pileus.services.cloudformation.resources import TYPES
from pileus.services.cloudformation.sections import Template, read
from pileus.services.cloudformation.template import capabilities, check, desired, outputs

_GROUP = "{Type: AWS::Logs::LogGroup}"


def _checked(text: str) -> Template:
    template = read(parse(text).value)
    check(template, TYPES)
    return template


def _scope(template: Template, **parameters: str) -> Scope:
    return Scope(
        "us-east-1", "0", parameters=parameters, mappings=template.section("Mappings"),
        conditions=template.section("Conditions"), resource=lambda name, attribute: f"{name}.{attribute}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said", "path"),
    [
        ("[]", "unsupported structure", ()),
        ("Description: x", "At least one Resources member must be defined", ("Resources",)),
        ("Resources: null", "'null' values are not allowed", ("Resources",)),
        ("Resource: {}", "Invalid template property or properties [Resource]", ("Resource",)),
        ("AWSTemplateFormatVersion: 2011-01-01\nResources: {A: {Type: X}}", "AWSTemplateFormatVersion", None),
        ("Resources: {A-B: {Type: X}}", "A-B is non alphanumeric", ("Resources", "A-B")),
        ("Resources: {A: {Properties: {}}}", "must contain a Type member", ("Resources", "A")),
        ("Transform: Mine\nResources: {A: {Type: X}}", "does not implement the transform Mine", ("Transform",)),
        ("Globals: {}\nResources: {A: {Type: X}}", "Globals needs Transform", ("Globals",)),
        ("Resources: {A: {Type: AWS::EC2::VPC}}", "Unrecognized resource types: [AWS::EC2::VPC]", None),
        (f"Resources: {{A: {_GROUP[:-1]}, Oops: 1}}}}", "attribute Oops of a resource", ("Resources", "A", "Oops")),
        (f"Resources: {{A: {_GROUP[:-1]}, Properties: {{Oops: 1}}}}}}", "unsupported property Oops", None),
        (f"Resources: {{A: {_GROUP[:-1]}, DependsOn: B}}}}", "Unresolved resource dependencies [B]", None),
        (f"Resources: {{A: {_GROUP[:-1]}, Condition: B}}}}", "Unresolved condition dependency B", None),
        (f"Resources: {{A: {_GROUP[:-1]}, Properties: {{RetentionInDays: soon}}}}}}", "must be of type Integer", None),
        (
            f"Resources: {{A: {_GROUP[:-1]}, Properties: {{LogGroupName: !Ref B}}}}}}",
            "[B] in the Resources block",
            None,
        ),
        (
            f"Resources: {{A: {_GROUP[:-1]}, Properties: {{LogGroupName: !GetAtt B.Arn}}}}}}",
            "Fn::GetAtt references undefined resource B",
            None,
        ),
        (
            f"Resources: {{A: {_GROUP}, B: {_GROUP[:-1]}, Properties: {{LogGroupName: !GetAtt A.Oops}}}}}}",
            "resource A does not support attribute type Oops in Fn::GetAtt",
            None,
        ),
        (
            f"Resources: {{A: {_GROUP[:-1]}, Properties: {{LogGroupName: !FindInMap [M, a, b]}}}}}}",
            "Mapping named 'M' is not present",
            None,
        ),
        (
            f"Resources: {{A: {_GROUP[:-1]}, DependsOn: B}}, B: {_GROUP[:-1]}, DependsOn: A}}}}",
            "Circular dependency between resources: [A, B]",
            None,
        ),
        (
            "Resources: {A: {Type: AWS::DynamoDB::Table}}",
            "Property KeySchema of AWS::DynamoDB::Table cannot be empty",
            None,
        ),
        (f"Resources: {{A: {_GROUP}}}\nOutputs: {{O: {{Description: x}}}}", "must contain a Value", ("Outputs", "O")),
        (f"Resources: {{A: {_GROUP}}}\nOutputs: {{O: {{Value: !Ref B}}}}", "[B] in the Outputs block", None),
        (f"Conditions: {{C: !Equals [!Ref A, x]}}\nResources: {{A: {_GROUP}}}", "[A] in the Conditions block", None),
        (
            f"Parameters: {{P: {{Type: Strong}}}}\nResources: {{A: {_GROUP}}}",
            "Unrecognized parameter type: Strong",
            None,
        ),
    ],
)
def test_what_a_template_may_not_say(text: str, said: str, path: tuple[Any, ...] | None) -> None:
    with pytest.raises(TemplateError) as caught:
        _checked(text)
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert path is None or caught.value.path == path


def test_nested_properties_are_held_against_the_models() -> None:
    text = """
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{AttributeName: id, KeyType: HASH, Oops: 1}]
"""
    with pytest.raises(TemplateError, match="unsupported property Oops") as caught:
        _checked(text)
    assert caught.value.path == ("Resources", "Table", "Properties", "KeySchema", 0, "Oops")


def test_limits() -> None:
    resources = {f"R{n}": {"Type": "AWS::Logs::LogGroup"} for n in range(501)}
    with pytest.raises(TemplateError, match="Number of resources, 501, is greater than maximum allowed, 500"):
        read({"Resources": resources})


_CONDITIONAL = """
Parameters: {Stage: {Type: String}}
Conditions: {Prod: !Equals [!Ref Stage, prod]}
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Role: !GetAtt Role.Arn
      Code: {ZipFile: x}
      Environment: {Variables: {TABLE: !If [Prod, !Ref Table, none]}}
  Table:
    Type: AWS::DynamoDB::Table
    Condition: Prod
    DeletionPolicy: Retain
    Properties: {KeySchema: [{AttributeName: id, KeyType: HASH}]}
  Role:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {Statement: []}}
Outputs:
  Name: {Value: !Ref Function, Export: {Name: !Sub "${Stage}-function"}}
  Table: {Condition: Prod, Value: !GetAtt Table.Arn}
"""


def test_conditions_decide_what_is_wanted_and_in_which_order() -> None:
    template = _checked(_CONDITIONAL)
    prod = desired(template, _scope(template, Stage="prod"), TYPES)
    assert list(prod) == ["Table", "Role", "Function"]
    assert prod["Function"].requires == ("Role", "Table")
    assert prod["Table"].deletion_policy == "Retain"
    dev = desired(template, _scope(template, Stage="dev"), TYPES)
    assert list(dev) == ["Role", "Function"]
    assert dev["Function"].properties["Environment"] == {"Variables": {"TABLE": "none"}}


def test_outputs_follow_their_conditions() -> None:
    template = _checked(_CONDITIONAL)
    assert outputs(template, _scope(template, Stage="dev")) == [
        {"OutputKey": "Name", "OutputValue": "Function.None", "ExportName": "dev-function"}
    ]
    assert [item["OutputKey"] for item in outputs(template, _scope(template, Stage="prod"))] == ["Name", "Table"]


def test_what_a_condition_leaves_out_cannot_be_referred_to() -> None:
    template = _checked(_CONDITIONAL.replace("!If [Prod, !Ref Table, none]", "!Ref Table"))
    with pytest.raises(TemplateError, match=r"Unresolved resource dependencies \[Table\]"):
        desired(template, _scope(template, Stage="dev"), TYPES)


def test_iam_needs_to_be_acknowledged_and_names_more_so() -> None:
    template = _checked(_CONDITIONAL)
    assert capabilities(template, TYPES) == (
        ["CAPABILITY_IAM"], "The following resource(s) require capabilities: [AWS::IAM::Role]",
    )  # fmt: skip
    named = _checked(_CONDITIONAL.replace("{AssumeRole", "{RoleName: x, AssumeRole"))
    assert capabilities(named, TYPES)[0] == ["CAPABILITY_NAMED_IAM"]
    assert capabilities(_checked(f"Resources: {{A: {_GROUP}}}"), TYPES) == ([], "")
