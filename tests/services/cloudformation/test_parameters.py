"""Values for parameters."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.parameters import check_declarations, settle, typed

_DECLARED: dict[str, dict[str, Any]] = {
    "Stage": {"Type": "String", "Default": "dev", "AllowedValues": ["dev", "prod"]},
    "Count": {"Type": "Number", "Default": 3, "MinValue": 1, "MaxValue": 10},
    "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
    "Name": {"Type": "String", "MinLength": 2, "MaxLength": 5, "AllowedPattern": "[a-z]+"},
    "Rule": {"Type": "String", "Default": "x1", "AllowedPattern": "x[0-9]", "ConstraintDescription": "x and a digit"},
}


def _settle(**given: str) -> dict[str, str]:
    return asyncio.run(settle(_DECLARED, {"Name": "abc", **given}))


def test_defaults_and_types() -> None:
    settled = _settle(Count="7")
    assert settled == {"Stage": "dev", "Count": "7", "Zones": "a, b", "Name": "abc", "Rule": "x1"}
    assert typed(_DECLARED, settled)["Zones"] == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Stage": "test"}, "Parameter 'Stage' must be one of AllowedValues"),
        ({"Count": "0"}, "Parameter 'Count' must be a number not less than 1"),
        ({"Count": "11"}, "Parameter 'Count' must be a number not greater than 10"),
        ({"Count": "many"}, "Parameter 'Count' must be a number."),
        ({"Count": "NaN"}, "Parameter 'Count' must be a number."),
        ({"Name": "a"}, "Parameter 'Name' must contain at least 2 characters"),
        ({"Name": "abcdef"}, "Parameter 'Name' must contain at most 5 characters"),
        ({"Name": "AB"}, "Parameter 'Name' must match pattern [a-z]+"),
        ({"Rule": "y"}, "Parameter 'Rule' failed to satisfy constraint: x and a digit"),
        ({"Other": "x"}, "Parameters: [Other] do not exist in the template"),
        ({"Stage": "x" * 4097}, "Parameter 'Stage' must contain at most 4096 characters"),
    ],
)
def test_unfit_values_say_why(given: dict[str, str], said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        _settle(**given)
    assert caught.value.message == said


def test_a_value_must_be_there() -> None:
    with pytest.raises(TemplateError, match=r"Parameters: \[Name\] must have values"):
        asyncio.run(settle(_DECLARED, {}))


def test_a_hostile_pattern_ends() -> None:
    declared = {"Name": {"Type": "String", "AllowedPattern": "(a+)+$"}}
    with pytest.raises(TemplateError, match="takes too long"):
        asyncio.run(settle(declared, {"Name": "a" * 40 + "!"}))


@pytest.mark.parametrize(
    "declared",
    [
        {"A": {}},
        {"A": "String"},
        {"A": {"Type": "AWS::SSM::Parameter::Value<Number>"}},
        {"A": {"Type": "String", "Oops": 1}},
    ],
)
def test_declarations_are_checked(declared: dict[str, Any]) -> None:
    with pytest.raises(TemplateError):
        check_declarations(declared)
