from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.aws.errors import AWSError
from pileus.security.policy.document import parse

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}


def document(*statements: Any, version: Any = "2012-10-17", **more: Any) -> Any:
    return json.dumps({"Version": version, "Statement": list(statements), **more})


def refused(text: Any, kind: Any = "identity") -> Any:
    with pytest.raises(AWSError) as caught:
        parse(text, kind)
    assert caught.value.code == "MalformedPolicyDocument"
    return caught.value.message


SYNTAX = "Syntax errors in policy."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "null",
        "{}",
        '{"Version":"2012-10-17"}',
        document(),
        document("x"),
        document({**ALLOW, "Extra": 1}),
        document(ALLOW, Other=1),
        document(ALLOW, version="2013-10-17"),
        document({**ALLOW, "Effect": "allowed"}),
        document({k: v for k, v in ALLOW.items() if k != "Effect"}),
        document({**ALLOW, "NotAction": "s3:*"}),
        document({**ALLOW, "NotResource": "*"}),
        document({**ALLOW, "Action": 1}),
        document({**ALLOW, "Action": [["s3:*"]]}),
        document({**ALLOW, "Sid": 1}),
        document({**ALLOW, "Condition": []}),
        document({**ALLOW, "Condition": {"StringEquals": "x"}}),
        document({**ALLOW, "Condition": {"Equals": {"a": "b"}}}),
        document({**ALLOW, "Condition": {"StringEquals": {"a": {"b": "c"}}}}),
        document({**ALLOW, "Condition": {"StringEquals": {"a": None}}}),
        '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}]}',
        '{"Version":"2012-10-17","Statement":' + "[" * 100_000,
        document({**ALLOW, "Condition": {"NumericEquals": {"a": 1}}}).replace("1}", "NaN}"),
    ],
)
def test_syntax_errors(text: Any) -> None:
    assert refused(text) == SYNTAX


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            {**ALLOW, "Action": "GetObject"},
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        ({**ALLOW, "Action": "s3:Get:Object"}, "Actions/Condition can contain only one colon."),
        ({**ALLOW, "Action": "a a:Get"}, "Vendor a a is not valid"),
        ({**ALLOW, "Action": []}, "Policy statement must contain actions."),
        ({"Effect": "Allow", "Resource": "*"}, "Policy statement must contain actions."),
        ({"Effect": "Allow", "Action": "s3:*"}, "Policy statement must contain resources."),
        ({**ALLOW, "Resource": []}, "Policy statement must contain resources."),
        ({**ALLOW, "Resource": "bucket"}, 'Resource bucket must be in ARN format or "*".'),
        (
            {**ALLOW, "Resource": "arn:error:s3:::b"},
            'Partition "error" is not valid for resource "arn:error:s3:::b".',
        ),
        (
            {**ALLOW, "Resource": "arn:aws:s3:us-east-1::b"},
            "Resource arn:aws:s3:us-east-1::b can not contain region information.",
        ),
        (
            {**ALLOW, "Resource": "arn:aws:iam:us-east-1::user/b"},
            "IAM resource arn:aws:iam:us-east-1::user/b cannot contain region information.",
        ),
        ({**ALLOW, "Resource": "arn:aws"}, "Resource vendor must be fully qualified and cannot contain regexes."),
        ({**ALLOW, "Principal": "*"}, "Policy document should not specify a principal."),
        ({**ALLOW, "Effect": "allow"}, "The policy failed legacy parsing"),
        ({**ALLOW, "Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}, "The policy failed legacy parsing"),
    ],
)
def test_faults_have_their_own_words(statement: Any, message: Any) -> None:
    assert refused(document(statement)) == message


def test_statement_ids_are_unique() -> None:
    twice = document({**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"})
    assert refused(twice) == "Statement IDs (SID) in a single policy must be unique."
    parse(document({**ALLOW, "Sid": ""}, {**ALLOW, "Sid": ""}), "identity")


def test_identity_policies_are_of_the_new_version() -> None:
    old = document(ALLOW, version="2008-10-17")
    assert refused(old) == "Policy document must be version 2012-10-17 or greater."
    # Without a version they are taken, as SAM's inline ones are; managed ones are IAM's to refuse.
    parse(json.dumps({"Statement": ALLOW}), "identity")


def test_resource_policies_name_principals() -> None:
    assert refused(document(ALLOW), "resource") == "Missing required field Principal"
    parse(document({**ALLOW, "Principal": {"AWS": ["*"]}}, version="2008-10-17"), "resource")
    wrong: list[Any] = [{}, [], "x", {"AWS": []}, {"AWS": 1}, {"Nobody": "x"}, {"AWS": ""}]
    for principal in wrong:
        assert refused(document({**ALLOW, "Principal": principal}), "resource").startswith(
            "Invalid principal in policy"
        )


def test_not_principal_only_denies() -> None:
    but = {**ALLOW, "NotPrincipal": {"AWS": "111111111111"}}
    assert "NotPrincipal" in refused(document(but), "resource")
    parse(document({**but, "Effect": "Deny"}), "resource")


def test_trust_policies_are_about_their_role() -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    parse(document(trust), "trust")
    assert refused(document({**trust, "Resource": "*"}), "trust") == "Has prohibited field Resource"
    message = refused(document({**trust, "Action": "s3:GetObject"}), "trust")
    assert message == "AssumeRole policy may only specify STS AssumeRole actions."


def test_one_text_is_compiled_once() -> None:
    text = document(ALLOW)
    assert parse(text, "identity") is parse(text, "identity")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from(["*", "Allow", "s3:*", "arn:a:b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Version", "Statement", "Effect", "Action", "Resource", "Principal", "AWS", "Condition", "Bool"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.text(max_size=60) | json_values.map(json.dumps), st.sampled_from(["identity", "resource", "trust"]))
def test_no_document_crashes_the_parser(text: Any, kind: Any) -> None:
    try:
        parse(text, kind)
    except AWSError as error:
        assert error.code == "MalformedPolicyDocument"


@given(json_values, st.sampled_from(sorted(ALLOW)))
def test_no_element_crashes_the_parser(value: Any, element: Any) -> None:
    try:
        parse(document({**ALLOW, element: value, "Condition": value}), "identity")
    except AWSError as error:
        assert error.code == "MalformedPolicyDocument"
