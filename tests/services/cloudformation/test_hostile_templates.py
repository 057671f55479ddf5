"""Whatever a template says, the answer is a TemplateError or a template: never another exception."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pileus.services.cloudformation.changes import Source, plan
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.intrinsics import FUNCTIONS, Scope
from pileus.services.cloudformation.parameters import settle, typed
from pileus.services.cloudformation.resources import TYPES
from pileus.services.cloudformation.sections import check_functions, read
from pileus.services.cloudformation.template import capabilities, check, desired, outputs

_NAMES = st.sampled_from(["A", "B", "C", "P", "A.Arn", "AWS::Region", "AWS::NoValue", "x"])
_SCALARS = st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False) | _NAMES | st.text(max_size=4)
_ANYTHING = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(_NAMES, inner, max_size=3)
        | st.builds(
            lambda name, value: {name: value}, st.sampled_from([*sorted(FUNCTIONS), "Condition", "Fn::Odd"]), inner
        )
        | st.builds(
            lambda text: {"Fn::Sub": text}, st.sampled_from(["${A}", "${A.Arn}", "${", "${!A}", "${ P }", "${}"])
        )
    ),
    max_leaves=12,
)
_ATTRIBUTES = st.sampled_from(
    ["Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy", "Odd"]
)


@st.composite
def _resource(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(sorted(TYPES)))
    properties = draw(
        st.dictionaries(st.sampled_from(sorted(TYPES[kind].properties)), _ANYTHING, max_size=4) | _ANYTHING
    )
    return {"Type": kind, "Properties": properties, **draw(st.dictionaries(_ATTRIBUTES, _ANYTHING, max_size=2))}


_DECLARED = {"Type": st.sampled_from(["String", "Number", "CommaDelimitedList", "List<Number>"])}
_CONSTRAINTS = dict.fromkeys(("Default", "AllowedValues", "MinLength", "MaxLength", "MinValue", "NoEcho"), _ANYTHING)
_TEMPLATES = st.fixed_dictionaries(
    {
        "Resources": st.dictionaries(st.sampled_from(["A", "B", "C"]), _resource() | _ANYTHING, min_size=1, max_size=3)
        | _ANYTHING
    },
    optional={
        "Parameters": st.dictionaries(
            st.just("P"), st.fixed_dictionaries(_DECLARED, optional=_CONSTRAINTS) | _ANYTHING, max_size=1
        ),
        "Conditions": st.dictionaries(_NAMES, _ANYTHING, max_size=2) | _ANYTHING,
        "Mappings": _ANYTHING,
        "Outputs": st.dictionaries(
            _NAMES,
            st.fixed_dictionaries({"Value": _ANYTHING}, optional={"Export": _ANYTHING, "Condition": _ANYTHING})
            | _ANYTHING,
            max_size=2,
        ),
        "Transform": st.sampled_from(["AWS::LanguageExtensions", ["AWS::LanguageExtensions"]]) | _ANYTHING,
        "Description": _ANYTHING,
        "Metadata": _ANYTHING,
        "Globals": _ANYTHING,
        "AWSTemplateFormatVersion": st.just("2010-09-09") | _ANYTHING,
    },
)


_GOOD = {
    "Parameters": {"P": {"Type": "String", "Default": "x"}},
    "Mappings": {"M": {"x": {"y": "1"}}},
    "Conditions": {"C": {"Fn::And": [{"Fn::Equals": [{"Ref": "P"}, "x"]}, {"Fn::Not": [{"Fn::Equals": ["a", "b"]}]}]}},
    "Resources": {
        "A": {
            "Type": "AWS::Lambda::Function", "Condition": "C",
            "Properties": {
                "Role": {"Fn::GetAtt": ["B", "Arn"]}, "Code": {"ZipFile": {"Fn::Join": ["", ["a", {"Ref": "P"}]]}},
                "Timeout": {"Fn::FindInMap": ["M", {"Ref": "P"}, "y"]}, "Tags": [{"Key": "k", "Value": "v"}],
                "Environment": {"Variables": {"X": {"Fn::If": ["C", {"Fn::Sub": "${B.Arn}-${P}"}, "n"]}}},
                "Layers": {"Fn::Split": [",", {"Fn::Select": [0, [{"Ref": "P"}]]}]},
            },
        },
        "B": {
            "Type": "AWS::IAM::Role", "DependsOn": ["C"], "DeletionPolicy": "Retain", "Metadata": {"m": 1},
            "Properties": {"AssumeRolePolicyDocument": {}, "Policies": [{"PolicyName": "p", "PolicyDocument": {}}]},
        },
        "C": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 1}},
    },
    "Outputs": {"O": {"Condition": "C", "Value": {"Ref": "A"}, "Export": {"Name": {"Fn::Sub": "${P}-o"}}}},
}  # fmt: skip


def _judge(value: Any) -> bool:
    """Everything that is done with a template before anything is made. True where it came to an end."""
    with contextlib.suppress(TemplateError):
        template = read(value)
        check_functions(template)
        parameters = template.section("Parameters")
        values = asyncio.run(settle(parameters, {}))
        check(template, TYPES)
        capabilities(template, TYPES)
        scope = Scope(
            "us-east-1", "0", "s", "arn", parameters=typed(parameters, values),
            mappings=template.section("Mappings"), conditions=template.section("Conditions"),
            resource=lambda name, attribute: f"{name}.{attribute}",
        )  # fmt: skip
        plan(desired(template, scope, TYPES), {}, TYPES, scope, Source(template, tags={"tag": "x"}))
        outputs(template, scope)
        return True
    return False


@settings(max_examples=150, deadline=None)
@given(_TEMPLATES | _ANYTHING)
def test_made_up_templates(value: Any) -> None:
    _judge(value)


def _parts(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in pairs for found in _parts(item, (*path, key)))]


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


def test_the_good_template_is_good() -> None:
    assert _judge(_GOOD)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(_parts(_GOOD)[1:]), _ANYTHING)
@example(("Resources", "A", "Properties", "Tags", 0), {})
def test_a_good_template_with_one_part_replaced(path: tuple[Any, ...], new: Any) -> None:
    _judge(_replaced(_GOOD, path, new))
