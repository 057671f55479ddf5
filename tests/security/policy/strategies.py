"""Generated policies and requests, from few enough parts that they often have to do with each other."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "dynamodb:GetItem", "iam:PassRole"]
ACTION_PATTERNS = [*ACTIONS, "*", "s3:*", "s3:Get*", "S3:getobject", "s3:*Object", "dynamodb:?etItem", "*:*"]
RESOURCES = [
    "arn:aws:s3:::bucket",
    "arn:aws:s3:::bucket/alice/x",
    "arn:aws:s3:::bucket/bob/x",
    "arn:aws:s3:::bucket/*/x",
    "arn:aws:dynamodb:us-east-1:111111111111:table/t",
]
RESOURCE_PATTERNS = [
    *RESOURCES,
    "*",
    "arn:aws:s3:::bucket/*",
    "arn:aws:s3:::b?cket/a*x",
    "arn:aws:s3:::*/bob/?",
    "arn:aws:s3:::bucket/${aws:username}/*",
    "arn:aws:s3:::bucket/${aws:username, 'bob'}/x",
    "arn:aws:s3:::bucket/${*}/x",
    "arn:aws:dynamodb:*:*:table/*",
]
TEXTS = [
    "alice",
    "bob",
    "*",
    "a*",
    "team a",
    "",
    "7",
    "-3",
    "2.50",
    "true",
    "False",
    "2026-01-02T03:04:05Z",
    "1700000000",
    "10.1.2.3",
    "10.0.0.0/8",
    "2001:db8::1",
    "2001:db8::/32",
    "YWJj",
    "arn:aws:iam::111111111111:role/r",
    "arn:aws:iam::*:role/${aws:username}",
    "${aws:username}",
    "x${aws:missing}",
    "${aws:missing, 'alice'}",
    "${amr}",
]
KEYS = ["aws:username", "aws:missing", "team", "size", "when", "flag", "address", "bytes", "source", "amr"]
OPERATORS = {
    "String": ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike",
               "StringNotLike"],
    "Numeric": ["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan",
                "NumericGreaterThanEquals"],
    "Date": ["DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan",
             "DateGreaterThanEquals"],
    "Bool": ["Bool"],
    "Ip": ["IpAddress", "NotIpAddress"],
    "Arn": ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
    "Null": ["Null"],
}  # fmt: skip
DATES = ["2026-01-02T03:04:05Z", "1700000000", "2020-01-01T00:00:00+02:00"]
ACCOUNT, OTHER = "111111111111", "222222222222"


def one_or_many(values: Any) -> Any:
    return st.one_of(values, st.lists(values, min_size=1, max_size=3))


def texts_of(kind: Any) -> Any:
    if kind == "Date":
        return st.sampled_from(DATES)
    if kind == "Null":
        return st.sampled_from(["true", "false", True, False])
    if kind == "Bool":
        return st.sampled_from(["true", "false", True, False, "x"])
    return st.sampled_from(TEXTS)


@st.composite
def conditions(draw: Any) -> Any:
    found = {}
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(sorted(OPERATORS)))
        name = draw(st.sampled_from(OPERATORS[kind]))
        if kind != "Null":
            name += draw(st.sampled_from(["", "", "IfExists"]))
        name = draw(st.sampled_from(["", "", "ForAllValues:", "ForAnyValue:"])) + name
        found[name] = {draw(st.sampled_from(KEYS)): draw(one_or_many(texts_of(kind)))}
    return found


@st.composite
def statements(draw: Any, principal: Any = None) -> Any:
    statement = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))}
    statement[draw(st.sampled_from(["Action", "Action", "Action", "NotAction"]))] = draw(
        one_or_many(st.sampled_from(ACTION_PATTERNS))
    )
    statement[draw(st.sampled_from(["Resource", "Resource", "Resource", "NotResource"]))] = draw(
        one_or_many(st.sampled_from(RESOURCE_PATTERNS))
    )
    found = draw(conditions())
    if found:
        statement["Condition"] = found
    if principal is not None:
        statement["Principal"] = draw(principal)
    return statement


NAMED = [
    "*",
    {"AWS": "*"},
    {"AWS": ACCOUNT},
    {"AWS": f"arn:aws:iam::{OTHER}:root"},
    {"AWS": [f"arn:aws:iam::{ACCOUNT}:user/alice", OTHER]},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:role/r"},
    {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"},
    {"Service": "lambda.amazonaws.com"},
]


def documents(principal: Any = None) -> Any:
    version = st.just("2012-10-17") if principal is None else st.sampled_from(["2012-10-17", "2008-10-17"])
    return st.fixed_dictionaries(
        {"Version": version, "Statement": st.lists(statements(principal), min_size=1, max_size=3)}
    )


def some(documents_: Any) -> Any:
    return st.lists(documents_, max_size=2)


PRINCIPALS = [
    {"kind": "user", "account": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
     "issuer": f"arn:aws:iam::{ACCOUNT}:user/alice"},
    {"kind": "role", "account": ACCOUNT, "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s",
     "issuer": f"arn:aws:iam::{ACCOUNT}:role/r"},
    {"kind": "role", "account": OTHER, "arn": f"arn:aws:sts::{OTHER}:assumed-role/r/s",
     "issuer": f"arn:aws:iam::{OTHER}:role/r"},
    {"kind": "service", "account": ACCOUNT, "arn": "lambda.amazonaws.com", "issuer": "lambda.amazonaws.com"},
    {"kind": "anonymous", "account": "anonymous", "arn": "*", "issuer": ""},
]  # fmt: skip

request_values = st.dictionaries(
    st.sampled_from([key for key in KEYS if key != "aws:missing"]),
    st.one_of(st.sampled_from(TEXTS), st.lists(st.sampled_from(TEXTS), max_size=3).map(tuple)),
    max_size=6,
)

cases = st.fixed_dictionaries(
    {
        "principal": st.sampled_from(PRINCIPALS),
        "action": st.sampled_from(ACTIONS),
        "resource": st.sampled_from(RESOURCES),
        "values": request_values,
        "identity": some(documents()),
        "boundary": st.none() | some(documents()),
        "session": st.none() | some(documents()),
        "resource_policies": some(documents(st.sampled_from(NAMED))),
        "trust": st.booleans(),
    }
)
