"""Every function, in a scope made for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.intrinsics import NO_VALUE, Scope, evaluate, prune, references


def _resource(logical_id: str, attribute: str | None) -> Any:
    return f"{logical_id.lower()}-id" if attribute is None else f"{logical_id}.{attribute}"


def _scope(**changes: Any) -> Scope:
    scope = Scope(
        "eu-west-1", "123456789012", "shop", "arn:stack",
        parameters={"Stage": "prod", "Zones": ["a", "b", "c"], "Count": "3"},
        mappings={"Sizes": {"prod": {"memory": "512", "list": ["x", "y"]}}},
        conditions={
            "Prod": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
            "Not": {"Fn::Not": [{"Condition": "Prod"}]},
            "Both": {"Fn::And": [{"Condition": "Prod"}, {"Fn::Equals": ["1", 1]}]},
            "Either": {"Fn::Or": [{"Condition": "Not"}, {"Fn::Equals": [True, "true"]}]},
            "Loop": {"Fn::Not": [{"Condition": "Pool"}]},
            "Pool": {"Fn::Not": [{"Condition": "Loop"}]},
        },
        resource=_resource, export={"net": "vpc-1"}.__getitem__,
    )  # fmt: skip
    return Scope(**{**scope.__dict__, **changes})


@pytest.mark.parametrize(
    ("value", "computed"),
    [
        ({"Ref": "Stage"}, "prod"),
        ({"Ref": "Zones"}, ["a", "b", "c"]),
        ({"Ref": "Table"}, "table-id"),
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "AWS::AccountId"}, "123456789012"),
        ({"Ref": "AWS::Partition"}, "aws"),
        ({"Ref": "AWS::StackName"}, "shop"),
        ({"Ref": "AWS::StackId"}, "arn:stack"),
        ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "Table.Arn"),
        ({"Fn::GetAtt": "Table.Arn"}, "Table.Arn"),
        ({"Fn::GetAtt": ["Table", {"Fn::Join": ["", ["Ar", "n"]]}]}, "Table.Arn"),
        ({"Fn::Sub": "${Stage}/${Table}/${Table.Arn}/${!Literal}/$x"}, "prod/table-id/Table.Arn/${Literal}/$x"),
        ({"Fn::Sub": ["${a}-${Stage}", {"a": {"Ref": "Count"}}]}, "3-prod"),
        ({"Fn::Join": [",", {"Ref": "Zones"}]}, "a,b,c"),
        ({"Fn::Join": ["-", ["a", 1, True, {"Ref": "AWS::NoValue"}]]}, "a-1-true"),
        ({"Fn::Select": [1, {"Ref": "Zones"}]}, "b"),
        ({"Fn::Select": ["2", {"Fn::Split": [",", "x,y,z"]}]}, "z"),
        ({"Fn::Split": ["-", "a-b-c"]}, ["a", "b", "c"]),
        ({"Fn::If": ["Prod", {"Ref": "Stage"}, "no"]}, "prod"),
        ({"Fn::If": ["Not", "yes", "no"]}, "no"),
        ({"Fn::If": ["Both", 1, 2]}, 1),
        ({"Fn::If": ["Either", 1, 2]}, 1),
        ({"a": {"Fn::If": ["Not", 1, {"Ref": "AWS::NoValue"}]}, "b": 2}, {"b": 2}),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "memory"]}, "512"),
        ({"Fn::FindInMap": ["Sizes", "dev", "memory", {"DefaultValue": "128"}]}, "128"),
        ({"Fn::ImportValue": {"Fn::Sub": "net"}}, "vpc-1"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::Cidr": ["10.0.0.0/16", 3, 8]}, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]),
        ({"Fn::Cidr": ["10.0.0.0/24", "2", "5"]}, ["10.0.0.0/27", "10.0.0.32/27"]),
        ({"Fn::Length": {"Ref": "Zones"}}, 3),
        ({"Fn::ToJsonString": {"a": {"Ref": "Stage"}, "b": [1]}}, '{"a":"prod","b":[1]}'),
        ({"Fn::Equals": [{"Ref": "Count"}, 3]}, True),
        ({"deep": [{"Ref": "Stage"}, {"x": {"Fn::Sub": "${Count}"}}]}, {"deep": ["prod", {"x": "3"}]}),
        ({"Condition": {"StringEquals": {"a": "b"}}}, {"Condition": {"StringEquals": {"a": "b"}}}),
    ],
)
def test_functions(value: Any, computed: Any) -> None:
    assert evaluate(value, _scope()) == computed


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"Fn::Join": ["-", "text"]}, "Fn::Join"),
        ({"Fn::Join": ["-", [{"a": 1}]]}, "must be a string"),
        ({"Fn::Select": [9, ["a"]]}, "index 9"),
        ({"Fn::Select": ["x", ["a"]]}, "index x"),
        ({"Fn::Split": ["", "a"]}, "delimiter"),
        ({"Fn::Sub": ["${a}"]}, "Fn::Sub"),
        ({"Fn::Sub": "${Zones}"}, "${Zones}"),
        ({"Fn::FindInMap": ["Sizes", "dev", "memory"]}, "Sizes::dev::memory"),
        ({"Fn::GetAtt": ["Table"]}, "Fn::GetAtt"),
        ({"Fn::If": ["Prod", 1]}, "list of 3"),
        ({"Fn::If": ["Unknown", 1, 2]}, "Unknown"),
        ({"Fn::If": ["Loop", 1, 2]}, "circular"),
        ({"Fn::Cidr": ["10.0.0.0/24", 300, 1]}, "Fn::Cidr"),
        ({"Fn::Cidr": ["nonsense", 1, 1]}, "Fn::Cidr"),
        ({"Fn::GetAZs": ""}, "Fn::GetAZs"),
        ({"Fn::Length": "abc"}, "Fn::Length"),
        ("{{resolve:ssm:secret}}", "dynamic references"),
    ],
)
def test_misuse_says_what(value: Any, said: str) -> None:
    with pytest.raises(TemplateError, match=None) as caught:
        evaluate({"Resources": value}, _scope())
    assert said in caught.value.message
    assert "\n" not in caught.value.message


def test_pruning_leaves_only_what_counts() -> None:
    value = {
        "a": {"Fn::If": ["Prod", {"Ref": "Table"}, {"Ref": "Other"}]},
        "b": {"Fn::If": ["Not", {"Ref": "Other"}, {"Ref": "AWS::NoValue"}]},
        "c": [{"Fn::If": ["Not", 1, {"Ref": "AWS::NoValue"}]}, {"Fn::Sub": "${X}"}],
    }
    pruned = prune(value, _scope())
    assert pruned == {"a": {"Ref": "Table"}, "c": [{"Fn::Sub": "${X}"}]}
    assert {found.name for found in references(pruned)} == {"Table", "X"}
    assert prune({"Fn::If": ["Not", 1, {"Ref": "AWS::NoValue"}]}, _scope()) is NO_VALUE


def test_references_name_everything_that_a_part_needs() -> None:
    value = {
        "a": {"Fn::Sub": ["${own} ${Table} ${Table.Arn} ${!Not} ${AWS::Region}", {"own": {"Ref": "Inner"}}]},
        "b": {"Fn::GetAtt": ["Function", "Arn"]},
        "c": {"Fn::If": ["Prod", {"Ref": "One"}, {"Ref": "Two"}]},
    }
    found = {(item.kind, item.name, item.attribute) for item in references(value)}
    assert found == {
        ("Fn::Sub", "Table", None), ("Fn::Sub", "Table", "Arn"), ("Ref", "Inner", None),
        ("Fn::GetAtt", "Function", "Arn"), ("Condition", "Prod", None), ("Ref", "One", None), ("Ref", "Two", None),
    }  # fmt: skip


def test_references_cannot_multiply_without_end() -> None:
    scope = _scope(parameters={"Long": "x" * 4096})
    with pytest.raises(TemplateError, match="too large"):
        evaluate([{"Ref": "Long"}] * 10_000, scope)


def test_conditions_are_computed_once_each() -> None:
    conditions: dict[str, Any] = {"C0": {"Fn::Equals": ["a", "a"]}}
    for n in range(1, 60):
        conditions[f"C{n}"] = {"Fn::And": [{"Condition": f"C{n - 1}"}, {"Condition": f"C{n - 1}"}]}
    assert _scope(conditions=conditions).condition("C59")


@given(st.text("abc-", max_size=20), st.sampled_from(["-", "b", "ab"]))
def test_join_undoes_split(value: str, delimiter: str) -> None:
    assert evaluate({"Fn::Join": [delimiter, {"Fn::Split": [delimiter, value]}]}, _scope()) == value
